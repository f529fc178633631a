/* Doubles as text, as CPython writes and reads them. */
#ifndef NX_FLOAT_TEXT_H
#define NX_FLOAT_TEXT_H

#include <stddef.h>

/* What mp_format_float takes as a precision to mean repr(): the shortest digits that read back. */
#define NX_REPR (-2)
#define NX_REPR_PART (-3) /* without ".0", as parts of a complex number are shown */

struct nx_float_style {
    char type;      /* e E f F g G; r: repr, or like g with a point where `precision` >= 0 */
    int precision;  /* < 0: CPython's default of the type */
    char sign;      /* '+' or ' ' for what is not negative; 0: nothing */
    char grouping;  /* ',' or '_' between thousands; 0: nothing */
    char alternate; /* '#': keeps the point and its zeros */
    char percent;   /* a '%' behind it */
};

/* Bytes that nx_float_text may write, at most. */
size_t nx_float_room(double value, const struct nx_float_style *style);

/* Writes the text, with a sign in front where there is one, without NUL; gives its size. */
size_t nx_float_text(double value, const struct nx_float_style *style, char *to);

/* Reads digits, at most one point, underscores, and an exponent (E or e, sign, digits), as far as they go. */
double nx_float_read(const char *text, size_t size);

#endif
