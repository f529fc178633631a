// Attention for machines with AVX2. The build gives this file -mavx2 -ffp-contract=off.
#include "kernels.hpp"

#if defined(__AVX2__)

#include <immintrin.h>

#include "kernel_loops.hpp"

namespace nexus::engine {
namespace {

/// The weights of `rows` rows as 16-bit numbers, which vpmaddwd multiplies with widened codes.
[[gnu::always_inline]] inline void widen(const TileProduct &product, size_t row, size_t rows, int16_t *out) {
    const size_t depth = product.depth;
    for (size_t r = 0; r < rows; ++r) {
        const int8_t *weights = product.weights + (row + r) * product.digits * depth;
        for (size_t k = 0; k < depth; ++k) {
            const int value = product.digits == 2 ? weights[k] * 256 + weights[depth + k] : weights[k];
            out[r * depth + k] = static_cast<int16_t>(value);
        }
    }
}

template <int Rows>
[[gnu::always_inline]] inline void block(const TileProduct &product, const int16_t *weights, size_t row,
                                         size_t column) {
    const size_t depth = product.depth;
    const uint8_t *tile = product.tile + column * depth;
    __m256i sums[Rows][4]; // of four lanes each, in pairs
#pragma GCC unroll 4 // all loops: else the sums would live in memory
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
        for (int quarter = 0; quarter < 4; ++quarter) {
            sums[r][quarter] = _mm256_setzero_si256();
        }
    }
    for (size_t k = 0; k < depth; k += 4) {
        __m256i weight[Rows];
#pragma GCC unroll 4
        for (int r = 0; r < Rows; ++r) {
            long long four;
            __builtin_memcpy(&four, weights + static_cast<size_t>(r) * depth + k, sizeof four);
            weight[r] = _mm256_set1_epi64x(four);
        }
#pragma GCC unroll 4
        for (int quarter = 0; quarter < 4; ++quarter) {
            const auto *from = reinterpret_cast<const __m128i *>(tile + k * 16 + static_cast<size_t>(quarter) * 16);
            const __m256i codes = _mm256_cvtepu8_epi16(_mm_loadu_si128(from));
#pragma GCC unroll 4
            for (int r = 0; r < Rows; ++r) {
                sums[r][quarter] = _mm256_add_epi32(sums[r][quarter], _mm256_madd_epi16(codes, weight[r]));
            }
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < Rows; ++r) {
        const __m256i surplus = _mm256_set1_epi32(product.sums[row + static_cast<size_t>(r)] * 128);
        int32_t *out = product.out + (row + static_cast<size_t>(r)) * product.stride + column;
        for (int half = 0; half < 2; ++half) {
            const __m256i pairs = _mm256_hadd_epi32(sums[r][2 * half], sums[r][2 * half + 1]);
            const __m256i ordered = _mm256_permute4x64_epi64(pairs, _MM_SHUFFLE(3, 1, 2, 0));
            _mm256_storeu_si256(reinterpret_cast<__m256i *>(out + half * 8), _mm256_sub_epi32(ordered, surplus));
        }
    }
}

template <int Rows> void all_columns(const TileProduct &product, size_t row) {
    alignas(32) int16_t weights[Rows * 2 * most_head_dim];
    widen(product, row, Rows, weights);
    for (size_t column = 0; column < product.width; column += 16) {
        if (row == 0 && product.next != product.tile) {
            for (size_t at = 0; at < product.depth * 16; at += 64) {
                __builtin_prefetch(product.next + column * product.depth + at);
            }
        }
        block<Rows>(product, weights, row, column);
    }
}

struct Avx2 {
    static void multiply(const TileProduct &product) {
        size_t row = 0;
        for (; row + 2 <= product.rows; row += 2) {
            all_columns<2>(product, row);
        }
        if (row < product.rows) {
            all_columns<1>(product, row);
        }
    }
};

constexpr AttendKernels kernels = {"avx2", attend_page<Avx2>, attend_tail, Avx2::multiply, merge_partials,
                                   softmax_into};

} // namespace

const AttendKernels *avx2_attend_kernels() { return &kernels; }

} // namespace nexus::engine

#else

namespace nexus::engine {

const AttendKernels *avx2_attend_kernels() { return nullptr; }

} // namespace nexus::engine

#endif
