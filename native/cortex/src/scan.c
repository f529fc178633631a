/* nx_scan: the question as codes, the rows in blocks, the best of them in a heap. */
#include "kernels.h"

#include <errno.h>
#include <math.h>
#include <string.h>

enum { BLOCK = 256 }; /* rows whose products are made at a time; a multiple of 64 */

/* The best so far, in the caller's arrays: a heap whose root is the worst of them. */
struct heap {
    uint32_t *rows;
    float *scores;
    size_t size;
};

static bool worse(const struct heap *heap, size_t a, size_t b)
{
    if (heap->scores[a] != heap->scores[b])
        return heap->scores[a] < heap->scores[b];
    return heap->rows[a] > heap->rows[b];
}

static void swap(struct heap *heap, size_t a, size_t b)
{
    uint32_t row = heap->rows[a];
    float score = heap->scores[a];
    heap->rows[a] = heap->rows[b];
    heap->scores[a] = heap->scores[b];
    heap->rows[b] = row;
    heap->scores[b] = score;
}

static void sink(struct heap *heap, size_t at)
{
    for (;;) {
        size_t worst = at, left = 2 * at + 1;
        if (left < heap->size && worse(heap, left, worst))
            worst = left;
        if (left + 1 < heap->size && worse(heap, left + 1, worst))
            worst = left + 1;
        if (worst == at)
            return;
        swap(heap, at, worst);
        at = worst;
    }
}

static void add(struct heap *heap, size_t wanted, uint32_t row, float score)
{
    if (heap->size == wanted) {
        /* Rows come in ascending order, so an equal score loses to what is there. */
        if (score <= heap->scores[0])
            return;
        heap->rows[0] = row;
        heap->scores[0] = score;
        sink(heap, 0);
        return;
    }
    size_t at = heap->size++;
    heap->rows[at] = row;
    heap->scores[at] = score;
    for (; at > 0 && worse(heap, at, (at - 1) / 2); at = (at - 1) / 2)
        swap(heap, at, (at - 1) / 2);
}

static void sort_best_first(struct heap *heap)
{
    size_t all = heap->size;
    while (heap->size > 1) {
        swap(heap, 0, --heap->size);
        sink(heap, 0);
    }
    heap->size = all;
}

/* Returns the scale, or a negative number when the question is not finite. */
static float round_question(const float *question, size_t dimensions, int8_t *codes)
{
    float greatest = 0.0F;
    for (size_t j = 0; j < dimensions; j++) {
        if (!isfinite(question[j]))
            return -1.0F;
        greatest = fmaxf(greatest, fabsf(question[j]));
    }
    if (greatest < 1e-30F)
        return 0.0F;
    float stretch = 127.0F / greatest;
    for (size_t j = 0; j < dimensions; j++)
        codes[j] = (int8_t)fminf(fmaxf(rintf(question[j] * stretch), -127.0F), 127.0F);
    return greatest / 127.0F;
}

static size_t pick(const uint64_t *allowed, size_t start, size_t end, uint32_t picked[BLOCK])
{
    size_t count = 0;
    if (allowed == NULL) {
        for (size_t row = start; row < end; row++)
            picked[count++] = (uint32_t)row;
        return count;
    }
    for (size_t base = start; base < end; base += 64) {
        for (uint64_t bits = allowed[base / 64]; bits != 0; bits &= bits - 1) {
            size_t row = base + (size_t)__builtin_ctzll(bits);
            if (row >= end)
                break;
            picked[count++] = (uint32_t)row;
        }
    }
    return count;
}

int nx_scan(enum nx_kernel kernel, const struct nx_rows *rows, const float *question, size_t dimensions,
            const uint64_t *allowed, size_t wanted, uint32_t *found_rows, float *found_scores,
            size_t *found)
{
    if (rows == NULL || question == NULL || found == NULL || dimensions == 0 || dimensions > rows->width)
        return EINVAL;
    if (rows->width > NX_SCAN_WIDTH_MAX || rows->width % NX_SCAN_ALIGNMENT != 0)
        return EINVAL;
    if (rows->count > UINT32_MAX || (rows->count > 0 && (rows->codes == NULL || rows->scales == NULL)))
        return EINVAL;
    if ((uintptr_t)rows->codes % NX_SCAN_ALIGNMENT != 0)
        return EINVAL;
    if (wanted > 0 && (found_rows == NULL || found_scores == NULL))
        return EINVAL;
    const struct nx_kernel_functions *functions = nx_kernel_functions(kernel);
    if (functions == NULL)
        return ENOTSUP;
    _Alignas(NX_SCAN_ALIGNMENT) int8_t codes[NX_SCAN_WIDTH_MAX];
    memset(codes, 0, rows->width);
    float scale = round_question(question, dimensions, codes);
    if (scale < 0.0F)
        return EINVAL;

    struct heap heap = {found_rows, found_scores, 0};
    uint32_t picked[BLOCK];
    int32_t products[BLOCK];
    for (size_t start = 0; start < rows->count && wanted > 0; start += BLOCK) {
        size_t end = rows->count - start < BLOCK ? rows->count : start + BLOCK;
        size_t count = pick(allowed, start, end, picked);
        functions->dots(rows->codes, rows->width, picked, count, codes, products);
        for (size_t i = 0; i < count; i++) {
            float score = (float)products[i] * (rows->scales[picked[i]] * scale);
            if (!isnan(score))
                add(&heap, wanted, picked[i], score);
        }
    }
    sort_best_first(&heap);
    *found = heap.size;
    return 0;
}
