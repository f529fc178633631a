/* nexus_cortex.h keeps its word: every kernel against a plain definition, and every refusal. Arrays are
 * allocated to the byte, so that the sanitizers of `make test` see a step beyond them. */
#include "nexus_cortex.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);          \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

static const enum nx_kernel kernels[] = {NX_KERNEL_SCALAR, NX_KERNEL_AVX2, NX_KERNEL_AVX512VNNI};
enum { KERNELS = 3 };

/* The same numbers in every run. */
static uint64_t state = 0x9e3779b97f4a7c15U;

static uint32_t random_below(uint32_t bound)
{
    state = state * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)((state >> 33) % bound);
}

static float random_float(void)
{
    return (float)random_below(2000001) / 1000000.0F - 1.0F;
}

static void *array(size_t bytes)
{
    void *made = malloc(bytes);
    if (made == NULL && bytes > 0)
        abort();
    return made;
}

/* `wild` codes are at the ends of the range, where a kernel that saturates would show it. */
static struct nx_rows random_rows(size_t count, size_t width, bool wild)
{
    int8_t *codes = count ? aligned_alloc(NX_SCAN_ALIGNMENT, count * width) : NULL;
    float *scales = count ? array(count * sizeof *scales) : NULL;
    if (count && codes == NULL)
        abort();
    for (size_t i = 0; i < count * width; i++)
        codes[i] = wild ? (random_below(2) ? 127 : -128) : (int8_t)((int)random_below(256) - 128);
    for (size_t i = 0; i < count; i++)
        scales[i] = random_below(50) ? (float)(1 + random_below(4)) / 127.0F : NAN;
    return (struct nx_rows){codes, scales, count, width};
}

static void drop(struct nx_rows rows)
{
    free((void *)rows.codes);
    free((void *)rows.scales);
}

/* The definition of the header, word for word. */
static size_t naive(const struct nx_rows *rows, const float *question, size_t dimensions,
                    const uint64_t *allowed, size_t wanted, uint32_t *found_rows, float *found_scores)
{
    float greatest = 0;
    for (size_t j = 0; j < dimensions; j++)
        greatest = fmaxf(greatest, fabsf(question[j]));
    float scale = greatest < 1e-30F ? 0 : greatest / 127.0F;
    float *scores = array(rows->count * sizeof *scores);
    for (size_t i = 0; i < rows->count; i++) {
        int32_t sum = 0;
        for (size_t j = 0; j < dimensions && scale > 0; j++)
            sum += rows->codes[i * rows->width + j] * (int32_t)rintf(question[j] * (127.0F / greatest));
        scores[i] = (float)sum * (rows->scales[i] * scale);
        if (allowed && !(allowed[i / 64] >> (i % 64) & 1))
            scores[i] = NAN;
    }
    size_t found = 0;
    for (; found < wanted; found++) {
        size_t best = rows->count;
        for (size_t i = 0; i < rows->count; i++)
            if (!isnan(scores[i]) && (best == rows->count || scores[i] > scores[best]))
                best = i;
        if (best == rows->count)
            break;
        found_rows[found] = (uint32_t)best;
        found_scores[found] = scores[best];
        scores[best] = NAN;
    }
    free(scores);
    return found;
}

static void scan_equals_its_definition(void)
{
    for (int round = 0; round < 300; round++) {
        size_t width = 64 * (1 + random_below(7)), count = random_below(round % 3 ? 40 : 700);
        size_t dimensions = width - random_below(64), wanted = random_below(30);
        struct nx_rows rows = random_rows(count, width, round % 5 == 0);
        float *question = array(dimensions * sizeof *question);
        for (size_t j = 0; j < dimensions; j++)
            question[j] = round % 5 == 0 ? (random_below(2) ? 1.0F : -1.0F) : random_float();
        if (round % 11 == 0)
            memset(question, 0, dimensions * sizeof *question);
        uint64_t *allowed = NULL;
        if (round % 2) {
            allowed = array((count + 63) / 64 * sizeof *allowed);
            for (size_t i = 0; i < (count + 63) / 64; i++)
                allowed[i] = round % 4 == 1 ? ~UINT64_C(0) : (uint64_t)random_below(UINT32_MAX) << random_below(33);
        }
        uint32_t *expected_rows = array(wanted * sizeof *expected_rows);
        float *expected_scores = array(wanted * sizeof *expected_scores);
        size_t expected =
            naive(&rows, question, dimensions, allowed, wanted, expected_rows, expected_scores);
        for (int k = 0; k < KERNELS; k++) {
            uint32_t *found_rows = array(wanted * sizeof *found_rows);
            float *found_scores = array(wanted * sizeof *found_scores);
            size_t found = 4711;
            int result = nx_scan(kernels[k], &rows, question, dimensions, allowed, wanted, found_rows,
                                 found_scores, &found);
            if (nx_kernel_usable(kernels[k])) {
                CHECK(result == 0);
                CHECK(found == expected);
                CHECK(found == 0 || memcmp(found_rows, expected_rows, found * sizeof *found_rows) == 0);
                CHECK(found == 0 || memcmp(found_scores, expected_scores, found * sizeof(float)) == 0);
            } else {
                CHECK(result == ENOTSUP && found == 4711);
            }
            free(found_rows);
            free(found_scores);
        }
        free(expected_rows);
        free(expected_scores);
        free(allowed);
        free(question);
        drop(rows);
    }
}

static void scan_refuses_and_writes_nothing(void)
{
    _Alignas(64) int8_t codes[3 * 64] = {0};
    float scales[2] = {1, 1}, question[64] = {1}, bad[64] = {1, NAN}, endless[64] = {INFINITY};
    struct nx_rows good = {codes, scales, 2, 64};
    struct nx_rows crooked = {codes + 1, scales, 2, 64}, odd = {codes, scales, 2, 63};
    struct nx_rows wide = {codes, scales, 1, NX_SCAN_WIDTH_MAX + 64}, nothing = {NULL, NULL, 2, 64};
    struct nx_rows many = {codes, scales, (size_t)UINT32_MAX + 1, 64};
    uint32_t rows[2] = {7, 7};
    float scores[2] = {7, 7};
    size_t found = 7;
    const enum nx_kernel k = NX_KERNEL_SCALAR;
    errno = EPIPE;
    CHECK(nx_scan(k, NULL, question, 64, NULL, 2, rows, scores, &found) == EINVAL);
    CHECK(nx_scan(k, &good, NULL, 64, NULL, 2, rows, scores, &found) == EINVAL);
    CHECK(nx_scan(k, &good, question, 64, NULL, 2, NULL, scores, &found) == EINVAL);
    CHECK(nx_scan(k, &good, question, 64, NULL, 2, rows, NULL, &found) == EINVAL);
    CHECK(nx_scan(k, &good, question, 64, NULL, 2, rows, scores, NULL) == EINVAL);
    CHECK(nx_scan(k, &good, question, 0, NULL, 2, rows, scores, &found) == EINVAL);
    CHECK(nx_scan(k, &good, question, 65, NULL, 2, rows, scores, &found) == EINVAL);
    CHECK(nx_scan(k, &good, bad, 64, NULL, 2, rows, scores, &found) == EINVAL);
    CHECK(nx_scan(k, &good, endless, 64, NULL, 2, rows, scores, &found) == EINVAL);
    CHECK(nx_scan(k, &crooked, question, 64, NULL, 2, rows, scores, &found) == EINVAL);
    CHECK(nx_scan(k, &odd, question, 63, NULL, 2, rows, scores, &found) == EINVAL);
    CHECK(nx_scan(k, &wide, question, 64, NULL, 2, rows, scores, &found) == EINVAL);
    CHECK(nx_scan(k, &nothing, question, 64, NULL, 2, rows, scores, &found) == EINVAL);
    CHECK(nx_scan(k, &many, question, 64, NULL, 2, rows, scores, &found) == EINVAL);
    CHECK(nx_scan((enum nx_kernel)9, &good, question, 64, NULL, 2, rows, scores, &found) == ENOTSUP);
    CHECK(rows[0] == 7 && rows[1] == 7 && scores[0] == 7 && scores[1] == 7 && found == 7);
    CHECK(errno == EPIPE);
    CHECK(nx_scan(k, &good, question, 64, NULL, 2, rows, scores, &found) == 0 && found == 2);
    CHECK(rows[0] == 0 && rows[1] == 1); /* equal scores: ascending rows */
    struct nx_rows empty = {NULL, NULL, 0, 64};
    CHECK(nx_scan(k, &empty, question, 64, NULL, 2, rows, scores, &found) == 0 && found == 0);
    CHECK(nx_scan(k, &good, question, 64, NULL, 0, NULL, NULL, &found) == 0 && found == 0);
}

static void max_similarity_equals_its_definition(void)
{
    for (int round = 0; round < 200; round++) {
        size_t asked = random_below(40), passages = random_below(12), count = 0;
        uint64_t *offsets = array((passages + 1) * sizeof *offsets);
        for (size_t i = 0; i <= passages; i++) {
            offsets[i] = count;
            count += i < passages ? random_below(9) : 0;
        }
        int8_t *tokens = array(count * NX_TOKEN_WIDTH);
        for (size_t i = 0; i < count * NX_TOKEN_WIDTH; i++)
            tokens[i] = round % 5 == 0 ? -128 : (int8_t)((int)random_below(256) - 128);
        float *question = array(asked * NX_TOKEN_WIDTH * sizeof *question);
        for (size_t i = 0; i < asked * NX_TOKEN_WIDTH; i++)
            question[i] = round % 5 == 0 ? -1.0F : random_float() / 8;
        float *first = array(passages * sizeof *first), *scores = array(passages * sizeof *scores);
        for (int k = 0; k < KERNELS; k++) {
            if (!nx_kernel_usable(kernels[k]))
                continue;
            memset(scores, 0xff, passages * sizeof *scores);
            CHECK(nx_max_similarity(kernels[k], question, asked, tokens, count, offsets, passages,
                                    1.0F / 127, scores) == 0);
            if (k == 0)
                memcpy(first, scores, passages * sizeof *scores);
            CHECK(passages == 0 || memcmp(first, scores, passages * sizeof *scores) == 0);
        }
        for (size_t i = 0; i < passages; i++) {
            double sum = 0;
            for (size_t q = 0; q < asked && offsets[i] < offsets[i + 1]; q++) {
                double best = -INFINITY;
                for (size_t t = offsets[i]; t < offsets[i + 1]; t++) {
                    double product = 0;
                    for (size_t j = 0; j < NX_TOKEN_WIDTH; j++)
                        product += question[q * NX_TOKEN_WIDTH + j] * tokens[t * NX_TOKEN_WIDTH + j] / 127.0;
                    best = fmax(best, product);
                }
                sum += best / (double)asked;
            }
            /* Vectors of this test are up to 8 times as long as unit vectors. */
            CHECK(fabs(sum - first[i]) < 1e-3);
        }
        free(first);
        free(scores);
        free(question);
        free(tokens);
        free(offsets);
    }
}

static void max_similarity_refuses_and_writes_nothing(void)
{
    float question[64] = {1}, bad[64] = {NAN}, scores[2] = {7, 7};
    int8_t tokens[2 * 64] = {1};
    const uint64_t good[3] = {0, 1, 2}, falling[3] = {1, 0, 2}, beyond[3] = {0, 1, 3};
    const enum nx_kernel k = NX_KERNEL_SCALAR;
    errno = EPIPE;
    CHECK(nx_max_similarity(k, NULL, 1, tokens, 2, good, 2, 1, scores) == EINVAL);
    CHECK(nx_max_similarity(k, question, 1, NULL, 2, good, 2, 1, scores) == EINVAL);
    CHECK(nx_max_similarity(k, question, 1, tokens, 2, NULL, 2, 1, scores) == EINVAL);
    CHECK(nx_max_similarity(k, question, 1, tokens, 2, good, 2, 1, NULL) == EINVAL);
    CHECK(nx_max_similarity(k, bad, 1, tokens, 2, good, 2, 1, scores) == EINVAL);
    CHECK(nx_max_similarity(k, question, 1, tokens, 2, good, 2, NAN, scores) == EINVAL);
    CHECK(nx_max_similarity(k, question, 1, tokens, 2, falling, 2, 1, scores) == EINVAL);
    CHECK(nx_max_similarity(k, question, 1, tokens, 2, beyond, 2, 1, scores) == EINVAL);
    CHECK(nx_max_similarity(k, question, SIZE_MAX / 8, tokens, 2, good, 2, 1, scores) == EINVAL);
    CHECK(nx_max_similarity((enum nx_kernel)-1, question, 1, tokens, 2, good, 2, 1, scores) == ENOTSUP);
    CHECK(scores[0] == 7 && scores[1] == 7 && errno == EPIPE);
    CHECK(nx_max_similarity(k, question, 1, tokens, 2, good, 2, 1, scores) == 0);
    CHECK(scores[0] == 1 && scores[1] == 0);
    CHECK(nx_max_similarity(k, question, 0, NULL, 0, good, 0, 1, NULL) == 0);
}

static void the_best_kernel_is_usable(void)
{
    CHECK(nx_kernel_usable(NX_KERNEL_SCALAR));
    CHECK(nx_kernel_usable(nx_kernel_best()));
    CHECK(!nx_kernel_usable((enum nx_kernel)3) && !nx_kernel_usable((enum nx_kernel)-1));
    for (int k = 0; k < KERNELS; k++)
        CHECK(!nx_kernel_usable(kernels[k]) || kernels[k] <= nx_kernel_best());
}

int main(void)
{
    the_best_kernel_is_usable();
    scan_equals_its_definition();
    scan_refuses_and_writes_nothing();
    max_similarity_equals_its_definition();
    max_similarity_refuses_and_writes_nothing();
    if (failures == 0)
        printf("cortex: all held, up to kernel %d\n", (int)nx_kernel_best());
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
