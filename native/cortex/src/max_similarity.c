/* nx_max_similarity: the question's tokens in blocks of NX_LANES, each against every passage. */
#include "kernels.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* Puts `count` (1 to NX_LANES) finite tokens into `block`, the rest zeros, and their scales into `scales`. */
static void fill(struct nx_token_block *block, const float *question, size_t count,
                 float scales[NX_LANES])
{
    memset(block, 0, sizeof *block);
    for (size_t lane = 0; lane < count; lane++, question += NX_TOKEN_WIDTH) {
        float greatest = 0.0F;
        for (size_t j = 0; j < NX_TOKEN_WIDTH; j++)
            greatest = fmaxf(greatest, fabsf(question[j]));
        scales[lane] = greatest < 1e-30F ? 0.0F : greatest / 32767.0F;
        if (scales[lane] == 0.0F)
            continue;
        float stretch = 32767.0F / greatest;
        for (size_t j = 0; j < NX_TOKEN_WIDTH; j++) {
            float code = fminf(fmaxf(rintf(question[j] * stretch), -32767.0F), 32767.0F);
            block->value[j / 2][lane][j % 2] = (int16_t)code;
        }
    }
}

static bool finite(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return false;
    return true;
}

static bool ascending(const uint64_t *offsets, size_t count, size_t most)
{
    for (size_t i = 0; i < count; i++)
        if (offsets[i] > offsets[i + 1])
            return false;
    return offsets[count] <= most;
}

int nx_max_similarity(enum nx_kernel kernel, const float *question, size_t question_count,
                      const int8_t *tokens, size_t token_count, const uint64_t *offsets,
                      size_t passage_count, float scale, float *scores)
{
    if (offsets == NULL || !isfinite(scale) || (passage_count > 0 && scores == NULL) ||
        (question_count > 0 && question == NULL) || (token_count > 0 && tokens == NULL))
        return EINVAL;
    if (question_count > SIZE_MAX / NX_TOKEN_WIDTH || !ascending(offsets, passage_count, token_count) ||
        !finite(question, question_count * NX_TOKEN_WIDTH))
        return EINVAL;
    const struct nx_kernel_functions *functions = nx_kernel_functions(kernel);
    if (functions == NULL)
        return ENOTSUP;
    for (size_t i = 0; i < passage_count; i++)
        scores[i] = 0.0F;
    for (size_t start = 0; start < question_count; start += NX_LANES) {
        size_t lanes = question_count - start < NX_LANES ? question_count - start : NX_LANES;
        struct nx_token_block block;
        float scales[NX_LANES];
        int32_t best[NX_LANES];
        fill(&block, question + start * NX_TOKEN_WIDTH, lanes, scales);
        for (size_t i = 0; i < passage_count; i++) {
            if (offsets[i] == offsets[i + 1])
                continue;
            functions->best(&block, tokens + offsets[i] * NX_TOKEN_WIDTH,
                            (size_t)(offsets[i + 1] - offsets[i]), best);
            /* Added in the tokens' order, so that every kernel rounds alike. */
            for (size_t lane = 0; lane < lanes; lane++)
                scores[i] += (float)best[lane] * scales[lane];
        }
    }
    for (size_t i = 0; i < passage_count && question_count > 0; i++)
        scores[i] = scores[i] * scale / (float)question_count;
    return 0;
}
