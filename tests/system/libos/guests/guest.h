/* All that a test's guest has: its doorbell, and a few words made of it. */
#ifndef GUEST_H
#define GUEST_H

#include "nx_abi.h"

#include <stddef.h>

static const struct nx_boot *boot;

static inline int64_t ring(struct nx_call *call)
{
    __asm__ volatile("" ::: "memory");
    if (boot->ring == NX_RING_STORE)
        *(volatile uint32_t *)(uintptr_t)NX_DOORBELL = (uint32_t)(uintptr_t)call;
    else
        ((void (*)(struct nx_call *))(uintptr_t)boot->doorbell)(call);
    __asm__ volatile("" ::: "memory");
    return call->result;
}

static inline int64_t ask(uint32_t op, uint64_t arg, const void *in, size_t in_len, void *out, size_t out_cap)
{
    struct nx_call call = {.op = op,
                           .arg = arg,
                           .in = (uintptr_t)in,
                           .in_len = in_len,
                           .out = (uintptr_t)out,
                           .out_cap = out_cap};
    return ring(&call);
}

static inline size_t length(const char *text)
{
    size_t size = 0;
    while (text[size])
        size++;
    return size;
}

static inline void say(const char *text)
{
    ask(NX_OP_WRITE, 1, text, length(text), NULL, 0);
}

static inline void say_number(int64_t number)
{
    char digits[24];
    size_t at = sizeof digits;
    uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;
    digits[--at] = '\n';
    do
        digits[--at] = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    if (number < 0)
        digits[--at] = '-';
    ask(NX_OP_WRITE, 1, digits + at, sizeof digits - at, NULL, 0);
}

static inline _Noreturn void leave(int status)
{
    for (;;)
        ask(NX_OP_EXIT, (uint64_t)status, NULL, 0, NULL, 0);
}

#endif
