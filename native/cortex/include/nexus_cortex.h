/* nexus_cortex: the two loops that retrieval spends its time in, for int8 vectors.
 *
 *   nx_scan             which of n stored vectors have the greatest product with a question
 *   nx_max_similarity   late interaction: how well each stored passage covers a question's tokens
 *
 * Both are exact in what they define: the products are sums of integers, so every kernel (plain C,
 * AVX2, AVX-512 VNNI) returns the same bits. No function allocates, keeps a pointer that it was given,
 * touches memory outside the arrays described, or changes errno. All may be called from any thread at
 * any time; arrays must not be written meanwhile. A refused call (EINVAL, ENOTSUP) has written nothing.
 */
#ifndef NEXUS_CORTEX_H
#define NEXUS_CORTEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum nx_kernel {
    NX_KERNEL_SCALAR = 0,
    NX_KERNEL_AVX2 = 1,
    NX_KERNEL_AVX512VNNI = 2,
};

/* Whether this CPU and system can run `kernel`; false for a number that is no kernel. */
bool nx_kernel_usable(enum nx_kernel kernel);

/* The fastest usable kernel. */
enum nx_kernel nx_kernel_best(void);

enum {
    NX_SCAN_ALIGNMENT = 64,  /* of the codes and of each row, in bytes */
    NX_SCAN_WIDTH_MAX = 8192, /* bytes of a row */
    NX_TOKEN_WIDTH = 64,     /* dimensions of a token vector */
};

/* Stored vectors. Row i is scales[i] * codes[i * width .. i * width + width - 1].
 *
 * `codes` is aligned to NX_SCAN_ALIGNMENT; `width` is a multiple of it, at least one and at most
 * NX_SCAN_WIDTH_MAX. Shorter vectors are padded with zeros. `count` is at most UINT32_MAX. Both
 * arrays may be NULL when `count` is 0. A row whose scale is not a number is never found.
 */
struct nx_rows {
    const int8_t *codes;
    const float *scales;
    size_t count;
    size_t width;
};

/* The rows with the greatest scores, best first; equal scores by ascending row.
 *
 * The question has `dimensions` floats (1 to rows->width) and is rounded to int8 by its own scale,
 * s = max |question| / 127 (halves to even). The score of row i is then, in float32 and in this order,
 *     (float)(sum of question codes * row codes) * (scales[i] * s)
 * A question whose greatest magnitude is below 1e-30 counts as zeros: every score is 0.
 *
 * `allowed` is NULL, or a bitmap: bit i % 64 of word i / 64 says whether row i may be found. It has
 * (count + 63) / 64 words; bits beyond `count` are ignored.
 *
 * `found_rows` and `found_scores` have room for `wanted` results; the first *found are written
 * (fewer than `wanted` when fewer rows are allowed). What is behind them may have been overwritten.
 *
 * Returns 0; EINVAL for a NULL, an alignment, a size or a question (not finite) against the rules
 * above; ENOTSUP for a kernel that is not usable. Time grows with count * width, and with wanted only
 * where scores rise along the rows.
 */
int nx_scan(enum nx_kernel kernel, const struct nx_rows *rows, const float *question, size_t dimensions,
            const uint64_t *allowed, size_t wanted, uint32_t *found_rows, float *found_scores,
            size_t *found);

/* How well each passage covers the question: the mean over the question's tokens of the greatest
 * product with one of the passage's tokens.
 *
 * `question` is (question_count, NX_TOKEN_WIDTH) floats. Every token of it is rounded to int16 by its
 * own scale (max |token| / 32767), which keeps the result within about 1e-4 of the unrounded one.
 * `tokens` holds the passages' token vectors one after the other, int8, NX_TOKEN_WIDTH bytes each, no
 * alignment needed; passage i has tokens offsets[i] up to but without offsets[i + 1]. `offsets` has
 * passage_count + 1 ascending entries, the last at most token_count. A token vector is `scale` times
 * its codes.
 *
 * Writes passage_count floats to `scores`; a passage without tokens gets 0, and so do all when the
 * question has none. Returns 0; EINVAL for a NULL where there is something to read or write, for
 * offsets that fall or reach beyond token_count, and for a question or scale that is not finite;
 * ENOTSUP for a kernel that is not usable.
 */
int nx_max_similarity(enum nx_kernel kernel, const float *question, size_t question_count,
                      const int8_t *tokens, size_t token_count, const uint64_t *offsets,
                      size_t passage_count, float scale, float *scores);

#ifdef __cplusplus
}
#endif

#endif
