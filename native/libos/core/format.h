/* What the two halves of nx_printf know of each other: fields are laid out in format.c, doubles in
 * format_double.c. */
#ifndef NX_FORMAT_H
#define NX_FORMAT_H

#include <stddef.h>

struct sink {
    void (*put)(struct sink *sink, const char *bytes, size_t size);
    char *to;
    size_t room; /* bytes left at `to`, its NUL not counted */
    size_t total;
};

struct format {
    char left, plus, space, zero, other; /* the flags: - + space 0 # */
    char kind;
    size_t width;
    long precision; /* < 0: none given */
};

/* A field: head (sign or 0x), zeros, body, more zeros and a tail, padded to the width. */
struct field {
    const char *head, *body, *tail;
    size_t zeros, body_size, zeros_behind;
    int may_zero; /* the flag 0 pads between head and body */
};

void nx_put_field(struct sink *sink, const struct format *format, struct field field);
const char *nx_sign(const struct format *format, int negative);
void nx_put_double(struct sink *sink, const struct format *format, double value);

#endif
