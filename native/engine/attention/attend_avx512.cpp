// Attention for machines with AVX-512 VNNI. The build gives this file -mavx512f -mavx512bw -mavx512vl
// -mavx512dq -mavx512vnni -ffp-contract=off.
#include "kernels.hpp"

#if defined(__AVX512VNNI__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)

#include <immintrin.h>

#include "kernel_loops.hpp"

namespace nexus::engine {
namespace {

/// Codes are the unsigned factor, weights the signed one; 128 times the sum of the weights is what the
/// offset of the codes added. Sums may wrap on the way: the result fits.
template <int Rows, int Columns, int Digits, bool Fetch>
[[gnu::always_inline]] inline void block(const TileProduct &product, size_t row, size_t column) {
    const size_t depth = product.depth;
    const int8_t *weights = product.weights + row * Digits * depth;
    const uint8_t *tile = product.tile + column * depth;
    [[maybe_unused]] const uint8_t *next = product.next + column * depth;
    __m512i sums[Rows * Digits][Columns];
#pragma GCC unroll 16 // all loops: else the sums would live in memory
    for (int r = 0; r < Rows * Digits; ++r) {
#pragma GCC unroll 2
        for (int c = 0; c < Columns; ++c) {
            sums[r][c] = _mm512_setzero_si512();
        }
    }
    for (size_t k = 0; k < depth; k += 4) {
        __m512i codes[Columns];
#pragma GCC unroll 2
        for (int c = 0; c < Columns; ++c) {
            if constexpr (Fetch) {
                __builtin_prefetch(next + static_cast<size_t>(c) * 16 * depth + k * 16);
            }
            codes[c] = _mm512_loadu_si512(tile + static_cast<size_t>(c) * 16 * depth + k * 16);
        }
#pragma GCC unroll 16
        for (int r = 0; r < Rows * Digits; ++r) {
            int32_t four;
            __builtin_memcpy(&four, weights + static_cast<size_t>(r) * depth + k, sizeof four);
            const __m512i weight = _mm512_set1_epi32(four);
#pragma GCC unroll 2
            for (int c = 0; c < Columns; ++c) {
                sums[r][c] = _mm512_dpbusd_epi32(sums[r][c], codes[c], weight);
            }
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
        const int32_t surplus = product.sums[row + static_cast<size_t>(r)] * 128;
#pragma GCC unroll 2
        for (int c = 0; c < Columns; ++c) {
            Ints result = reinterpret_cast<Ints>(sums[r * Digits][c]) - surplus;
            if constexpr (Digits == 2) {
                result = (reinterpret_cast<Ints>(sums[r * Digits][c]) << 8) +
                         (reinterpret_cast<Ints>(sums[r * Digits + 1][c]) - surplus);
            }
            store(product.out + (row + static_cast<size_t>(r)) * product.stride + column +
                      static_cast<size_t>(c) * lanes,
                  result);
        }
    }
}

template <int Rows, int Digits, bool Fetch> void columns(const TileProduct &product, size_t row) {
    size_t column = 0;
    for (; column + 32 <= product.width; column += 32) {
        block<Rows, 2, Digits, Fetch>(product, row, column);
    }
    if (column < product.width) {
        block<Rows, 1, Digits, Fetch>(product, row, column);
    }
}

/// The first rows fetch what comes next: the machine would not, from one page to another.
template <int Rows, int Digits> void rows(const TileProduct &product, size_t row) {
    if (row == 0 && product.next != product.tile) {
        columns<Rows, Digits, true>(product, row);
    } else {
        columns<Rows, Digits, false>(product, row);
    }
}

/// Four rows at once keep both multipliers busy; more would need more addresses than there are registers.
template <int Digits> void all_rows(const TileProduct &product) {
    for (size_t row = 0; row < product.rows;) {
        const size_t left = product.rows - row;
        if (left == 4 || left > 6) {
            rows<4, Digits>(product, row);
            row += 4;
        } else if (left >= 3) {
            rows<3, Digits>(product, row);
            row += 3;
        } else if (left == 2) {
            rows<2, Digits>(product, row);
            row += 2;
        } else {
            rows<1, Digits>(product, row);
            row += 1;
        }
    }
}

struct Vnni {
    static void multiply(const TileProduct &product) {
        product.digits == 2 ? all_rows<2>(product) : all_rows<1>(product);
    }
};

constexpr AttendKernels kernels = {"avx512", attend_page<Vnni>, attend_tail, Vnni::multiply, merge_partials,
                                   softmax_into};

} // namespace

const AttendKernels *avx512_attend_kernels() { return &kernels; }

} // namespace nexus::engine

#else

namespace nexus::engine {

const AttendKernels *avx512_attend_kernels() { return nullptr; }

} // namespace nexus::engine

#endif
