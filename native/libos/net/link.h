/* Link 0 as lwIP sees it: Ethernet frames by NX_OP_NET_*. */
#ifndef NX_NET_LINK_H
#define NX_NET_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "lwip/netif.h"

/* Ask for link 0 and bring it up with the address it was given. False, and nothing is changed: there is
 * none. */
bool nx_link_open(void);

/* Wait up to `milliseconds` for one frame and hand it to lwIP. False: none came. Without a link: sleeps. */
bool nx_link_receive(uint32_t milliseconds);

/* Whether an address (network order) is this guest's own, on the loopback or on the link. */
bool nx_link_is_own(uint32_t address);

#endif
