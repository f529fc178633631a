/* How much memory this process may still take: of the machine's, and of every memory control group that it is
 * in, version 1 or 2.
 *
 * Reads a few small files anew each time and allocates nothing, as it is asked while memory is short. Page
 * cache that can be given back counts as available, as in MemAvailable. Invariant: the answer is the scarcest
 * by its share; a file that is not there, or says "max", limits nothing.
 */
#ifndef AM_AVAILABLE_H
#define AM_AVAILABLE_H

#include <stdint.h>

struct am_available { uint64_t bytes, total; }; /* total 0: the system does not say */

/* proc and groups: where /proc and /sys/fs/cgroup are. */
struct am_available am_available_now(const char *proc, const char *groups);

#endif
