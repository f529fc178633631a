// The loops of attention, once for each instruction set; all of them give the same bits.
//
// Plain data in, plain data out: no allocation, no exceptions, nothing kept. Products are taken in whole
// numbers (a query or a row of weights becomes 16-bit numbers, an error of 1/65,000 of its largest), sums
// of floats in one fixed order without fused steps, so that the machine does not change an answer.
#pragma once

#include <cstddef>
#include <cstdint>

#include "page.hpp"
#include "rope.hpp"

namespace nexus::engine {

/// What attention of some rows has come to: for each row the largest logit, the sum of exponentials below
/// it, and the sum of values weighted so. A row that saw nothing has sum 0.
struct Partial {
    float *most;
    float *sum;
    float *out; ///< rows x head_dim
};

/// Before the first page: `most` of every row.
inline constexpr float nothing_seen = -1e30F;

/// Rows of one KV head against one page, or the tail.
struct AttendTask {
    size_t rows;
    size_t head_dim;
    size_t pairs;          ///< channels 0 to 2 * pairs are turned
    const float *queries;  ///< rows x head_dim: scaled, in the engine's order, turned to the chunk's first block
    Turn turn;             ///< from there to this page
    const int16_t *first;  ///< row r sees the tokens first[r] to last[r] - 1 of the page
    const int16_t *last;
    Partial partial;       ///< updated
};

/// The tail: tokens that do not fill a page yet, as floats, keys turned by their offset.
struct TailView {
    const float *k; ///< token t at k + t * stride
    const float *v;
    size_t stride;
};

/// Rows of whole numbers times a tile [width / 16][depth / 4][16][4] of codes (less 128).
struct TileProduct {
    size_t rows;
    size_t digits;        ///< 1: int8 weights; 2: weights are 256 * first + second
    const int8_t *weights; ///< rows x digits x depth
    const int32_t *sums;   ///< of the weights of each row
    const uint8_t *tile;
    const uint8_t *next; ///< a tile of the same size to be fetched meanwhile; `tile` if none
    size_t depth; ///< a multiple of 4, at most 512 (at most 256 with two digits)
    size_t width; ///< a multiple of 16
    int32_t *out; ///< rows x stride
    size_t stride;
};

struct AttendKernels {
    const char *name;
    /// `next` is the page that will be asked for next: it is fetched meanwhile; `page` itself if none.
    void (*page)(const AttendTask &task, const PageView &page, const PageView &next);
    void (*tail)(const AttendTask &task, const TailView &tail);
    void (*multiply)(const TileProduct &product);
    /// Takes `from` into `into`, as if its pages had come next.
    void (*merge)(size_t rows, size_t head_dim, const Partial &into, const Partial &from);
    /// Exponentials of `scores[i] * scale - most` of a row, times `factor / their sum`, added to `mass`; `most` is the
    /// largest scaled score. Scores of INT32_MIN count as nothing. `scores` becomes scratch.
    void (*add_softmax)(int32_t *scores, size_t count, float scale, float factor, float *mass);
};

/// The best for this machine, chosen once.
const AttendKernels &attend_kernels();

/// By instruction set, for tests; null where this machine or build does not have it.
const AttendKernels *scalar_attend_kernels();
const AttendKernels *avx2_attend_kernels();
const AttendKernels *avx512_attend_kernels();

} // namespace nexus::engine
