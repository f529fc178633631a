/* What a tender gives up before the guest's first instruction.
 *
 * Two steps, for what the first takes away may be needed to prepare the second's rules. After them the
 * process has no descriptors but those named, no capability, no way to another program, and the kernel ends
 * it at any system call but those listed, with the arguments listed. */
#ifndef NX_CONFINE_H
#define NX_CONFINE_H

#include "report.h"

#include <stdint.h>

/* Descriptors 0 to 3 that are not open become /dev/null, so that nothing else gets their number. */
int nx_fill_descriptors(struct nx_trouble *trouble);

/* Overwrites strings of the process's start (arguments, environment) with zeros, up to a NULL. */
void nx_forget(char **strings);

/* Signals that end a process do so again, but SIGPIPE is ignored; no core file; a small stack; the CPU limit
 * (0: none), at which SIGPROF ends the process; user and groups of nobody where it was root's; no
 * capabilities; no new privileges; SIGKILL when the parent dies; every descriptor from `first_closed` on
 * closed. Returns 0, or -1. */
int nx_give_up(uint64_t cpu_microseconds, unsigned first_closed, struct nx_trouble *trouble);

/* One system call that is allowed. An argument that is checked has one of `count` values, as 32 bits. */
struct nx_argument {
    unsigned index;
    unsigned count; /* 0: not checked */
    uint32_t values[3];
};

struct nx_rule {
    unsigned call;
    struct nx_argument arguments[2];
};

/* Allows what answering calls needs (calls.h), and `more`; the kernel kills the process (SIGSYS) at anything
 * else. */
int nx_filter(const struct nx_rule *more, unsigned count, struct nx_trouble *trouble);

#endif
