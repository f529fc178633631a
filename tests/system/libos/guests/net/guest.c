/* nx.h for an ordinary Linux process, so that the network of the LibOS runs under sanitizers: what a guest
 * asks of its tender goes as frames (struct nx_request) over file descriptor 3, as a tender forwards it.
 * Without a descriptor 3 every such call is refused with -NX_ENODEV. */
#include "nx.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static int transfer(long (*move)(int, void *, size_t), void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        const long n = move(3, (char *)bytes + done, size - done);
        if (n <= 0)
            return -1;
        done += (size_t)n;
    }
    return 0;
}

static long put(int fd, void *bytes, size_t size)
{
    return write(fd, bytes, size);
}

static long get(int fd, void *bytes, size_t size)
{
    return read(fd, bytes, size);
}

int64_t nx_ring(struct nx_call *call)
{
    struct nx_request request = {NX_FRAME_MAGIC, call->op, call->arg, (uint32_t)call->in_len,
                                 (uint32_t)call->out_cap};
    struct nx_reply reply;
    if (transfer(put, &request, sizeof request) < 0)
        return call->result = -NX_ENODEV;
    if (transfer(put, (void *)(uintptr_t)call->in, call->in_len) < 0 ||
        transfer(get, &reply, sizeof reply) < 0 || reply.out_len > call->out_cap ||
        transfer(get, (void *)(uintptr_t)call->out, reply.out_len) < 0)
        abort();
    call->out_len = reply.out_len;
    return call->result = reply.result;
}

int64_t nx_monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void nx_sleep(int64_t nanoseconds)
{
    const struct timespec time = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    nanosleep(&time, NULL);
}

int nx_random(void *to, size_t size)
{
    return getrandom(to, size, 0) == (long)size ? 0 : -NX_EIO;
}

void nx_flush(void)
{
    fflush(stdout);
}

void nx_puts(const char *text)
{
    puts(text);
}

int nx_printf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int size = vprintf(format, args);
    va_end(args);
    return size;
}

_Noreturn void nx_panic(const char *why)
{
    fprintf(stderr, "panic: %s\n", why);
    abort();
}
