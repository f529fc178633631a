/* The doorbell. Knows how to ring, not what is asked. */
#include "core.h"

int64_t nx_ring(struct nx_call *call)
{
    call->reserved = 0;
    /* The tender reads the block and its buffers, and writes into them: nothing may be kept in registers. */
    __asm__ volatile("" ::: "memory");
    if (nx_boot->ring == NX_RING_STORE)
        *(volatile uint32_t *)(uintptr_t)NX_DOORBELL = (uint32_t)(uintptr_t)call;
    else if (nx_boot->ring == NX_RING_CALL)
        ((void (*)(struct nx_call *))(uintptr_t)nx_boot->doorbell)(call);
    else
        nx_virtio_ring(call);
    __asm__ volatile("" ::: "memory");
    return call->result;
}

int64_t nx_ask(uint32_t op, uint64_t arg, const void *in, uint64_t in_len, void *out, uint64_t out_cap)
{
    struct nx_call call = {.op = op,
                           .arg = arg,
                           .in = (uintptr_t)in,
                           .in_len = in_len,
                           .out = (uintptr_t)out,
                           .out_cap = out_cap};
    return nx_ring(&call);
}
