/* A double in decimal, exactly: every finite double has a finite decimal expansion. */
#ifndef NX_DECIMAL_H
#define NX_DECIMAL_H

#include <stddef.h>

#define NX_DECIMAL_MOST (310 + 1080) /* digits before and after the point */

struct nx_decimal {
    size_t whole;                    /* digits before the point: at least one, "0" for less than one */
    size_t size;                     /* digits in all */
    char digits[NX_DECIMAL_MOST + 2]; /* '0'..'9'; room for a carry of rounding and a point */
};

/* Of a finite value's magnitude. */
void nx_decimal(struct nx_decimal *to, double value);

/* Leaves `keep` digits (from the front; may be 0), rounded to nearest, ties to even. A carry beyond the first
 * digit puts a "1" before it: whole and size grow by one. */
void nx_decimal_round(struct nx_decimal *decimal, size_t keep);

#endif
