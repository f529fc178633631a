/* The inner loops, one of each per instruction set. Private to native/cortex. */
#ifndef NEXUS_CORTEX_KERNELS_H
#define NEXUS_CORTEX_KERNELS_H

#include "nexus_cortex.h"

enum {
    NX_LANES = 16,                     /* question tokens that are compared at a time */
    NX_PAIRS = NX_TOKEN_WIDTH / 2,     /* dimensions are multiplied in pairs */
};

/* Products of `question` with `count` rows of `codes` (picked by number) into `products`.
 * `question` is aligned and padded like a row, and its codes are within -127..127. */
typedef void nx_dots(const int8_t *codes, size_t width, const uint32_t *picked, size_t count,
                     const int8_t *question, int32_t *products);

nx_dots nx_dots_scalar, nx_dots_avx2, nx_dots_avx512vnni;

/* NX_LANES question tokens side by side: value [pair][lane][0..1] is dimension 2 * pair + 0..1. */
struct nx_token_block {
    _Alignas(64) int16_t value[NX_PAIRS][NX_LANES][2];
};

/* The greatest product of each question token with one of `count` (at least 1) tokens. */
typedef void nx_best(const struct nx_token_block *block, const int8_t *tokens, size_t count,
                     int32_t best[NX_LANES]);

nx_best nx_best_scalar, nx_best_avx2, nx_best_avx512vnni;

/* The table of what a kernel consists of; the functions of a kernel that was not built are NULL. */
struct nx_kernel_functions {
    nx_dots *dots;
    nx_best *best;
};

/* NULL when `kernel` is not usable here. */
const struct nx_kernel_functions *nx_kernel_functions(enum nx_kernel kernel);

#endif
