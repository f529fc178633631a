/* Blocks of bytes: the functions that compilers call of themselves. Compiled without LTO (a call that the
 * code generator invents comes too late for it) and without the loop pass that would turn these bodies
 * into calls of themselves (toolchain.py). Sixteen bytes at a time; the ends overlap instead of looping. */
#include <stdint.h>
#include <string.h>

typedef struct {
    uint64_t low, high;
} __attribute__((packed, may_alias)) wide;
typedef struct {
    uint64_t value;
} __attribute__((packed, may_alias)) eight;
typedef struct {
    uint32_t value;
} __attribute__((packed, may_alias)) four;
typedef struct {
    uint16_t value;
} __attribute__((packed, may_alias)) two;

/* Up to 16 bytes, all read before any is written: right for overlapping blocks too. */
static inline void small(char *to, const char *from, size_t size)
{
    if (size >= 8) {
        uint64_t a = ((const eight *)from)->value, b = ((const eight *)(from + size - 8))->value;
        ((eight *)to)->value = a;
        ((eight *)(to + size - 8))->value = b;
    } else if (size >= 4) {
        uint32_t a = ((const four *)from)->value, b = ((const four *)(from + size - 4))->value;
        ((four *)to)->value = a;
        ((four *)(to + size - 4))->value = b;
    } else if (size >= 2) {
        uint16_t a = ((const two *)from)->value, b = ((const two *)(from + size - 2))->value;
        ((two *)to)->value = a;
        ((two *)(to + size - 2))->value = b;
    } else if (size) {
        *to = *from;
    }
}

/* From the front; right for blocks that overlap with `to` below `from`. */
static inline void forward(char *to, const char *from, size_t size)
{
    wide last = *(const wide *)(from + size - 16);
    char *end = to + size - 16;
    for (; to < end; to += 16, from += 16)
        *(wide *)to = *(const wide *)from;
    *(wide *)end = last;
}

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    if (size <= 16)
        small(to, from, size);
    else
        forward(to, from, size);
    return to;
}

void *memmove(void *to, const void *from, size_t size)
{
    if (size <= 16) {
        small(to, from, size);
    } else if ((uintptr_t)to - (uintptr_t)from >= size) {
        forward(to, from, size);
    } else { /* `to` lies inside `from`: from the back */
        wide first = *(const wide *)from;
        size_t left = size;
        for (; left > 16; left -= 16)
            *(wide *)((char *)to + left - 16) = *(const wide *)((const char *)from + left - 16);
        *(wide *)to = first;
    }
    return to;
}

void *memset(void *to, int byte, size_t size)
{
    char *at = to;
    uint64_t value = (uint8_t)byte * 0x0101010101010101u;
    if (size < 8) {
        for (size_t i = 0; i < size; i++)
            ((volatile char *)at)[i] = (char)byte;
        return to;
    }
    char *end = at + size - 8;
    for (; at + 16 <= end; at += 16)
        *(wide *)at = (wide){value, value};
    for (; at < end; at += 8)
        ((eight *)at)->value = value;
    ((eight *)end)->value = value;
    return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const unsigned char *x = a, *y = b;
    for (; size >= 8 && ((const eight *)x)->value == ((const eight *)y)->value; size -= 8)
        x += 8, y += 8;
    for (; size; size--, x++, y++)
        if (*x != *y)
            return *x < *y ? -1 : 1;
    return 0;
}

void *memchr(const void *block, int byte, size_t size)
{
    const unsigned char *at = block;
    for (; size; size--, at++)
        if (*at == (unsigned char)byte)
            return (void *)(uintptr_t)at;
    return NULL;
}
