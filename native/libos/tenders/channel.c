#include "channel.h"

#include "system.h"

#include <linux/errno.h>
#include <linux/time_types.h>

#define TOGETHER 2048u /* a request that short leaves in one write */

/* A descriptor that somebody else made non-blocking: a pipe or terminal is shared with whoever started us. */
static void wait_a_little(void)
{
    struct __kernel_timespec millisecond = {0, 1000000};
    nx_sys5(__NR_clock_nanosleep, 1 /* CLOCK_MONOTONIC */, 0, (long)&millisecond, 0, 0);
}

int nx_send(int fd, const void *bytes, size_t size)
{
    const char *from = bytes;
    while (size > 0) {
        long n = nx_sys_write(fd, from, size);
        if (n == -EAGAIN) {
            wait_a_little();
        } else if (n == 0) {
            return -NX_EIO;
        } else if (n > 0) {
            from += n;
            size -= (size_t)n;
        } else if (n != -EINTR) {
            return (int)n;
        }
    }
    return 0;
}

int nx_receive(int fd, void *bytes, size_t size)
{
    char *to = bytes;
    while (size > 0) {
        long n = nx_sys_read(fd, to, size);
        if (n == -EAGAIN) {
            wait_a_little();
        } else if (n == 0) {
            return -NX_EIO;
        } else if (n > 0) {
            to += n;
            size -= (size_t)n;
        } else if (n != -EINTR) {
            return (int)n;
        }
    }
    return 0;
}

static int send_request(int channel, const struct nx_request *request, const void *in)
{
    if (request->in_len <= TOGETHER) {
        char frame[sizeof *request + TOGETHER];
        __builtin_memcpy(frame, request, sizeof *request);
        __builtin_memcpy(frame + sizeof *request, in, request->in_len);
        return nx_send(channel, frame, sizeof *request + request->in_len);
    }
    int status = nx_send(channel, request, sizeof *request);
    return status != 0 ? status : nx_send(channel, in, request->in_len);
}

const char *nx_forward(int channel, struct nx_call *call, const void *in, void *out)
{
    const struct nx_request request = {.magic = NX_FRAME_MAGIC,
                                       .op = call->op,
                                       .arg = call->arg,
                                       .in_len = (uint32_t)call->in_len,
                                       .out_cap = (uint32_t)call->out_cap};
    struct nx_reply reply;
    if (send_request(channel, &request, in) != 0 || nx_receive(channel, &reply, sizeof reply) != 0)
        return "the channel is closed";
    call->result = reply.result;
    call->out_len = reply.out_len;
    if (reply.result == -NX_EMSGSIZE)
        return NULL;
    if (reply.out_len > call->out_cap)
        return "a reply is larger than was asked for";
    return nx_receive(channel, out, reply.out_len) == 0 ? NULL : "the channel is closed";
}

void nx_tell_fault(int channel, uint32_t kind, uint64_t ip, uint64_t address)
{
    const struct nx_fault fault = {.kind = kind, .ip = ip, .address = address};
    const struct nx_request request = {.magic = NX_FRAME_MAGIC, .op = NX_OP_FAULT, .in_len = sizeof fault};
    (void)send_request(channel, &request, &fault);
}
