/* Printing of floats in any of CPython's styles. */
#ifndef NX_FLOAT_MP_H
#define NX_FLOAT_MP_H

#include "py/mpprint.h"

struct nx_float_style;

/* Prints a double, padded to `width` with `fill` by the PF_FLAG_*; gives how many bytes. May raise
 * MemoryError. */
int nx_print_float(const mp_print_t *print, double value, const struct nx_float_style *style, unsigned flags,
    char fill, int width);

#endif
