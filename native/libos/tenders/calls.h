/* What a guest asks at its doorbell, answered: the output, input, clock, random numbers and sleep here,
 * everything else by the channel.
 *
 * The block is foreign: nothing outside of the memory that is the guest's is read or written, whatever it
 * holds. */
#ifndef NX_CALLS_H
#define NX_CALLS_H

#include "memory.h"

/* Whom the answers come from. */
struct nx_service {
    const struct nx_memory *memory;
    int input, output, errors, channel;
};

enum nx_next {
    NX_GO_ON = 0,
    NX_EXITED,    /* the guest has ended: *status */
    NX_BAD_BLOCK, /* no block to answer in: a fault */
    NX_BROKEN,    /* the channel is of no use: *why */
};

/* Answers the call block at a guest address. */
enum nx_next nx_answer(const struct nx_service *service, uint64_t block, int *status, const char **why);

#endif
