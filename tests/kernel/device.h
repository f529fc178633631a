/* The calls of /dev/agentmem (agentmem_ioctl.h), one function each, for the guests of the kernel's tests. It
 * judges nothing. Invariant: a call gives enum am_status, or -1000 - errno where the ioctl itself failed. */
#ifndef DEVICE_H
#define DEVICE_H

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agentmem.h"
#include "agentmem_ioctl.h"

#define DEVICE_ERRNO(number) (-1000 - (number))
#define PAGE 4096ull

int device_open(void);
/* Set the head up and call. */
int device_call(int fd, unsigned long call, void *request, size_t bytes);
#define DEVICE_CALL(fd, call, request) device_call((fd), (call), (request), sizeof *(request))

int device_attach(int fd, const char *realm, const char *agent);
int device_client(const char *realm,
                  const char *agent); /* open and attach; a negative status where it failed */
int device_publish(int fd, int type, const void *data, uint64_t length, uint32_t flags,
                   struct agentmem_placed *placed);
int device_identify(int fd, int type, const void *data, uint64_t length, uint32_t flags, uint8_t id[32]);
int device_acquire(int fd, const uint8_t id[32], struct agentmem_placed *placed);
int device_release(int fd, uint32_t reference);
int device_unit(int fd, unsigned long call, const uint8_t id[32],
                uint32_t importance); /* OWN, DISOWN, MARK */
int device_state(int fd, const char *agent, uint32_t state, uint32_t importance);
int device_forget(int fd, const char *agent);
/* The page of what the agent owns above a number. */
int device_owned(int fd, uint64_t after, struct agentmem_owned *page);
/* The agent of this name, of those that the caller may see; AM_ENOTFOUND. */
int device_agent(int fd, const char *agent, struct agentmem_agent *is);
int device_stats(int fd, struct agentmem_stats *stats);
/* The whole unit, readable; MAP_FAILED as mmap. */
void *device_map(int fd, const struct agentmem_placed *placed, int flags);
/* A figure of /proc/agent_stats by its name; -1 where it is not. */
double proc_figure(const char *name);
/* Figures of the module until all are zero, at most so many seconds: true when nothing is left. */
bool device_empties(int fd, double within_s, struct agentmem_stats *last);
/* Bytes that follow from a seed: text that compresses, or noise. */
void made_text(void *to, uint64_t length, uint64_t seed);
void made_noise(void *to, uint64_t length, uint64_t seed);

#endif
