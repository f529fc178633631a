/* What lwIP asks of a compiler and a machine: x86-64, gcc, none of C's library but <string.h>. */
#ifndef NX_NET_CC_H
#define NX_NET_CC_H

#include "nx.h"

#define LWIP_NO_INTTYPES_H 1
#define LWIP_NO_LIMITS_H 1
#define LWIP_NO_UNISTD_H 1
#define LWIP_NO_CTYPE_H 1
#ifndef INT_MAX
#define INT_MAX __INT_MAX__ /* for lwIP's ssize_t */
#endif

/* A broken invariant ends the guest: going on would mean to work with a corrupt stack. */
#define LWIP_PLATFORM_ASSERT(text) nx_panic("lwIP: " text)
#define LWIP_PLATFORM_DIAG(arguments)

/* The host's random numbers: for local ports, and for every connection's first sequence number. */
uint32_t nx_net_random(void);
#define LWIP_RAND() nx_net_random()

#endif
