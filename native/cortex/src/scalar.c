/* The kernels in plain C: what the others must equal, and what runs where they cannot. */
#include "kernels.h"

void nx_dots_scalar(const int8_t *codes, size_t width, const uint32_t *picked, size_t count,
                    const int8_t *question, int32_t *products)
{
    for (size_t i = 0; i < count; i++) {
        const int8_t *row = codes + (size_t)picked[i] * width;
        int32_t sum = 0;
        for (size_t j = 0; j < width; j++)
            sum += (int32_t)row[j] * question[j];
        products[i] = sum;
    }
}

void nx_best_scalar(const struct nx_token_block *block, const int8_t *tokens, size_t count,
                    int32_t best[NX_LANES])
{
    for (size_t lane = 0; lane < NX_LANES; lane++)
        best[lane] = INT32_MIN;
    for (size_t i = 0; i < count; i++, tokens += NX_TOKEN_WIDTH) {
        int32_t sums[NX_LANES] = {0};
        for (size_t pair = 0; pair < NX_PAIRS; pair++)
            for (size_t lane = 0; lane < NX_LANES; lane++)
                sums[lane] += (int32_t)block->value[pair][lane][0] * tokens[2 * pair] +
                              (int32_t)block->value[pair][lane][1] * tokens[2 * pair + 1];
        for (size_t lane = 0; lane < NX_LANES; lane++)
            if (sums[lane] > best[lane])
                best[lane] = sums[lane];
    }
}
