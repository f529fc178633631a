#include "calls.h"

#include "channel.h"
#include "system.h"

#include <linux/errno.h>
#include <linux/time_types.h>

#define CLOCK_REALTIME 0
#define CLOCK_MONOTONIC 1
#define TIMER_ABSTIME 1
#define SECOND 1000000000

static int64_t write_output(const struct nx_service *service, const struct nx_call *call, const void *in)
{
    if (call->arg != 1 && call->arg != 2)
        return -NX_EINVAL;
    if (nx_send(call->arg == 1 ? service->output : service->errors, in, call->in_len) != 0)
        return -NX_EIO;
    return (int64_t)call->in_len;
}

static int64_t read_input(const struct nx_service *service, const struct nx_call *call, void *out)
{
    if (call->arg != 0)
        return -NX_EINVAL;
    if (call->out_cap == 0)
        return 0;
    long n;
    do
        n = nx_sys_read(service->input, out, call->out_cap);
    while (n == -EINTR);
    return n < 0 ? -NX_EIO : n;
}

static int64_t tell_time(const struct nx_call *call)
{
    struct __kernel_timespec now;
    if (call->arg > 1
        || nx_sys3(__NR_clock_gettime, call->arg ? CLOCK_MONOTONIC : CLOCK_REALTIME, (long)&now, 0) != 0)
        return -NX_EINVAL;
    return now.tv_sec * SECOND + now.tv_nsec;
}

static int64_t fill_randomly(const struct nx_call *call, void *out)
{
    for (size_t done = 0; done < call->out_cap;) {
        long n = nx_sys3(__NR_getrandom, (long)out + (long)done, (long)(call->out_cap - done), 0);
        if (n < 0 && n != -EINTR)
            return -NX_EIO;
        done += n > 0 ? (size_t)n : 0;
    }
    return (int64_t)call->out_cap;
}

static int64_t sleep_for(const struct nx_call *call)
{
    /* Until a moment, not for a while: a signal between does not make it longer. */
    struct __kernel_timespec until;
    if (nx_sys3(__NR_clock_gettime, CLOCK_MONOTONIC, (long)&until, 0) != 0)
        return -NX_EIO;
    until.tv_sec += (int64_t)(call->arg / SECOND);
    until.tv_nsec += (int64_t)(call->arg % SECOND);
    if (until.tv_nsec >= SECOND) {
        until.tv_nsec -= SECOND;
        until.tv_sec++;
    }
    while (nx_sys5(__NR_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, (long)&until, 0, 0) == -EINTR)
        ;
    return 0;
}

/* What is wrong with a block's sizes and buffers, or 0. */
static int64_t refused(const struct nx_service *service, const struct nx_call *call)
{
    if (call->reserved != 0)
        return -NX_EINVAL;
    if (call->in_len > NX_PAYLOAD_MAX || call->out_cap > NX_PAYLOAD_MAX)
        return -NX_E2BIG;
    if (!nx_memory_readable(service->memory, call->in, call->in_len)
        || !nx_memory_writable(service->memory, call->out, call->out_cap))
        return -NX_EFAULT;
    /* A fault is for a tender to tell. Nobody replies to one, and the guest would wait for it. */
    return call->op >= NX_OP_FAULT ? -NX_ENOSYS : 0;
}

enum nx_next nx_answer(const struct nx_service *service, uint64_t block, int *status, const char **why)
{
    struct nx_call call;
    char *place = nx_memory_writable(service->memory, block, sizeof call); /* not always aligned */
    if (!place)
        return NX_BAD_BLOCK;
    __builtin_memcpy(&call, place, sizeof call);
    call.out_len = 0;
    call.result = refused(service, &call);
    const void *in = nx_memory_readable(service->memory, call.in, call.in_len);
    void *out = nx_memory_writable(service->memory, call.out, call.out_cap);
    if (call.result == 0) {
        switch (call.op) {
        case NX_OP_EXIT: *status = call.arg > 255 ? 255 : (int)call.arg; return NX_EXITED;
        case NX_OP_WRITE: call.result = write_output(service, &call, in); break;
        case NX_OP_READ:
            call.result = read_input(service, &call, out);
            call.out_len = call.result > 0 ? (uint64_t)call.result : 0;
            break;
        case NX_OP_TIME: call.result = tell_time(&call); break;
        case NX_OP_RANDOM:
            call.result = fill_randomly(&call, out);
            call.out_len = call.result > 0 ? (uint64_t)call.result : 0;
            break;
        case NX_OP_SLEEP: call.result = sleep_for(&call); break;
        default:
            *why = nx_forward(service->channel, &call, in, out);
            if (*why)
                return NX_BROKEN;
        }
    }
    /* Field by field: `out` may lie over the rest of the block. */
    __builtin_memcpy(place + offsetof(struct nx_call, result), &call.result, sizeof call.result);
    __builtin_memcpy(place + offsetof(struct nx_call, out_len), &call.out_len, sizeof call.out_len);
    return NX_GO_ON;
}
