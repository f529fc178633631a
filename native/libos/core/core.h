/* What the parts of the core know of each other. Applications include nx.h only. */
#ifndef NX_CORE_H
#define NX_CORE_H

#include "nx.h"

/* What the tender gave. Set before main runs, never NULL after. */
extern const struct nx_boot *nx_boot;

/* One call with a buffer each way; gives call.result. */
int64_t nx_ask(uint32_t op, uint64_t arg, const void *in, uint64_t in_len, void *out, uint64_t out_cap);

/* Rings by frames over the virtio console at `doorbell`. */
void nx_virtio_ring(struct nx_call *call);

static inline size_t nx_least(size_t a, size_t b)
{
    return a < b ? a : b;
}

#endif
