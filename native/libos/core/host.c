/* Calls of granted host functions, and code to run next. */
#include "core.h"

/* Gives the bytes written, or the error. */
static long filled(struct nx_call *call)
{
    nx_flush();
    int64_t result = nx_ring(call);
    return result < 0 ? (long)result : (long)call->out_len;
}

long nx_call_host(const char *request, size_t request_size, char *reply, size_t reply_size)
{
    struct nx_call call = {.op = NX_OP_CALL,
                           .in = (uintptr_t)request,
                           .in_len = request_size,
                           .out = (uintptr_t)reply,
                           .out_cap = nx_least(reply_size, NX_PAYLOAD_MAX)};
    return request_size > NX_PAYLOAD_MAX ? -NX_E2BIG : filled(&call);
}

long nx_fetch(int last_status, char *to, size_t size)
{
    if (!size)
        return -NX_EINVAL;
    struct nx_call call = {.op = NX_OP_FETCH,
                           .arg = (uint64_t)(last_status & 0xff),
                           .out = (uintptr_t)to,
                           .out_cap = nx_least(size - 1, NX_PAYLOAD_MAX)};
    long had = filled(&call);
    if (had >= 0)
        to[had] = 0;
    return had;
}
