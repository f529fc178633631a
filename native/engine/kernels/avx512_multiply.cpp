// Products with AVX-512 VNNI. One register holds 4 columns of 16 rows; each instruction multiplies it with
// 4 codes of one token and adds to 16 sums, one for each row. Weights are decoded once for all tokens of a
// tile, and the float sums of up to 16 tokens stay in registers from the first column to the last.
//
// Only functions of this file, and nothing that another file might share, may be compiled here: the
// compiler may use AVX-512 for all of it.
#include "avx512_multiply.hpp"

// GCC 12 takes the "undefined" operands of its own intrinsics for mistakes of ours.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>


namespace nexus::engine {
namespace {

#define NX_INLINE [[gnu::always_inline]] inline

using Int = __m512i;
using Float = __m512;

constexpr size_t prefetch_ahead = 6144; // bytes; memory is about that far away for one core

NX_INLINE Int load(const std::byte *at) { return _mm512_load_si512(at); }

// sums += codes (unsigned) * the 4 codes at `x`, the same for all rows
NX_INLINE void multiply_add(Int &sums, Int codes, const int8_t *x) {
    using Word [[gnu::may_alias]] = int32_t;
    asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sums) : "v"(codes), "m"(*reinterpret_cast<const Word *>(x)));
}

NX_INLINE Float halves(const std::byte *at) {
    return _mm512_cvtph_ps(_mm256_load_si256(reinterpret_cast<const __m256i *>(at)));
}

NX_INLINE Float bytes(const std::byte *at) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_load_si128(reinterpret_cast<const __m128i *>(at))));
}

NX_INLINE Float signed_bytes(const std::byte *at) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_load_si128(reinterpret_cast<const __m128i *>(at))));
}

template <unsigned size> NX_INLINE void prefetch(const std::byte *at) {
#pragma GCC unroll 8
    for (unsigned i = 0; i < size; i += 64) {
        _mm_prefetch(reinterpret_cast<const char *>(at) + prefetch_ahead + i, _MM_HINT_T0);
    }
}

// The 8 units of 32 columns, one code in each byte.
template <unsigned bits> NX_INLINE void decode(const std::byte *at, Int (&w)[8]) {
    if constexpr (bits == 8) {
#pragma GCC unroll 8
        for (unsigned i = 0; i < 8; ++i) {
            w[i] = load(at + 64 * i);
        }
    } else if constexpr (bits == 2) {
        const Int mask = _mm512_set1_epi8(3);
#pragma GCC unroll 8
        for (unsigned i = 0; i < 8; ++i) {
            w[i] = _mm512_and_si512(_mm512_srli_epi16(load(at + i / 4 * 64), i % 4 * 2), mask);
        }
    } else {
        const Int mask = _mm512_set1_epi8(15);
#pragma GCC unroll 4
        for (unsigned i = 0; i < 4; ++i) {
            const Int packed = load(at + 64 * i);
            w[2 * i] = _mm512_and_si512(packed, mask);
            w[2 * i + 1] = _mm512_and_si512(_mm512_srli_epi16(packed, 4), mask);
        }
        if constexpr (bits == 5) {
            const Int plane = load(at + 256), bit = _mm512_set1_epi8(16);
#pragma GCC unroll 8
            for (unsigned i = 0; i < 8; ++i) {
                const Int moved = i < 4 ? _mm512_slli_epi16(plane, 4 - i) : _mm512_srli_epi16(plane, i - 4);
                w[i] = _mm512_ternarylogic_epi32(w[i], moved, bit, 0xf8); // w | (moved & bit)
            }
        }
        if constexpr (bits == 6) {
            const Int pair = _mm512_set1_epi8(48);
#pragma GCC unroll 8
            for (unsigned i = 0; i < 8; ++i) {
                const Int plane = load(at + 256 + i / 4 * 64);
                const Int moved = i % 4 < 2 ? _mm512_slli_epi16(plane, 4 - i % 4 * 2)
                                            : _mm512_srli_epi16(plane, i % 4 * 2 - 4);
                w[i] = _mm512_ternarylogic_epi32(w[i], moved, pair, 0xf8);
            }
        }
    }
}

// - offset * (sum of 16 activations): where the sum of 16 products begins
template <unsigned offset> NX_INLINE Int start(int32_t minus_sum) {
    if constexpr (offset == 0) {
        return _mm512_setzero_si512();
    } else {
        constexpr unsigned shift = __builtin_ctz(offset);
        static_assert(offset == 1U << shift);
        return _mm512_slli_epi32(_mm512_set1_epi32(minus_sum), shift);
    }
}

// What one group of columns of 16 rows is multiplied with.
struct Steps {
    Float first, last; // scales of the first and the last 16 columns; only nested16 has two
    Float min;
};

template <Format format, unsigned tokens>
NX_INLINE void group_products(const std::byte *codes, const Steps &steps, const int8_t *x, const ActivationGroup *a,
                              Float (&sums)[tokens]) {
    constexpr FormatTraits traits = format_traits[static_cast<size_t>(format)];
    Int w[8];
    prefetch<64U * traits.bits>(codes);
    decode<traits.bits>(codes, w);
#pragma GCC unroll 16
    for (unsigned t = 0; t < tokens; ++t) {
        Int first = start<traits.offset>(a[t].minus_sum[0]), last = start<traits.offset>(a[t].minus_sum[1]);
#pragma GCC unroll 4
        for (unsigned i = 0; i < 4; ++i) {
            multiply_add(first, w[i], x + t * 32 + i * 4);
            multiply_add(last, w[4 + i], x + t * 32 + 16 + i * 4);
        }
        const Float scale = _mm512_set1_ps(a[t].scale);
        if constexpr (traits.scales == Scales::nested16) {
            const Float scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(first), steps.first);
            sums[t] = _mm512_fmadd_ps(_mm512_fmadd_ps(_mm512_cvtepi32_ps(last), steps.last, scaled), scale, sums[t]);
        } else {
            const Float total = _mm512_cvtepi32_ps(_mm512_add_epi32(first, last));
            if constexpr (traits.scales == Scales::row) {
                sums[t] = _mm512_fmadd_ps(total, scale, sums[t]);
            } else {
                sums[t] = _mm512_fmadd_ps(_mm512_mul_ps(total, steps.first), scale, sums[t]);
            }
        }
        if constexpr (traits.scales == Scales::half_min) {
            sums[t] = _mm512_fmadd_ps(steps.min, _mm512_set1_ps(a[t].scaled_sum), sums[t]);
        } else if constexpr (traits.scales == Scales::nested) {
            sums[t] = _mm512_fnmadd_ps(steps.min, _mm512_set1_ps(a[t].scaled_sum), sums[t]);
        }
    }
}

// Tokens `first` to `first + tokens` of a tile, all columns.
template <Format format, unsigned tokens> void products(const Tile &tile, size_t first) {
    constexpr FormatTraits traits = format_traits[static_cast<size_t>(format)];
    constexpr size_t size = size_t{64} * traits.bits;
    const int8_t *x = tile.codes + first * column_group;
    const ActivationGroup *a = tile.groups + first;
    const size_t width = tile.tokens;
    const std::byte *at = tile.weights;
    Float sums[tokens];
#pragma GCC unroll 16
    for (unsigned t = 0; t < tokens; ++t) {
        sums[t] = _mm512_setzero_ps();
    }
    Steps steps{_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
    const auto group = [&](const std::byte *codes) __attribute__((always_inline)) {
        group_products<format, tokens>(codes, steps, x, a, sums);
        x += width * column_group;
        a += width;
    };
    size_t left = tile.columns / column_group;
    if constexpr (traits.scales == Scales::half) {
        for (; left > 0; at += 64 + 2 * size) {
            prefetch<64>(at);
            steps.first = halves(at);
            group(at + 64);
            if (--left == 0) {
                break;
            }
            steps.first = halves(at + 32);
            group(at + 64 + size);
            --left;
        }
    } else if constexpr (traits.scales == Scales::half_min) {
        for (; left > 0; --left, at += 64 + size) {
            prefetch<64>(at);
            steps.first = halves(at);
            steps.min = halves(at + 32);
            group(at + 64);
        }
    } else if constexpr (traits.scales == Scales::nested) {
        for (; left > 0; left -= 8, at += 320 + 8 * size) {
            prefetch<320>(at);
            const Float d = halves(at), dmin = halves(at + 32);
            for (size_t i = 0; i < 8; ++i) {
                steps.first = _mm512_mul_ps(d, bytes(at + 64 + i * 32));
                steps.min = _mm512_mul_ps(dmin, bytes(at + 80 + i * 32));
                group(at + 320 + i * size);
            }
        }
    } else if constexpr (traits.scales == Scales::nested16) {
        const std::byte *line = at;
        at += 64;
        for (bool second = false; left > 0; left -= 8, second = !second) {
            const Float d = halves(line + (second ? 32 : 0));
            prefetch<256>(at);
            for (size_t i = 0; i < 8; ++i) {
                steps.first = _mm512_mul_ps(d, signed_bytes(at + i * 32));
                steps.last = _mm512_mul_ps(d, signed_bytes(at + i * 32 + 16));
                group(at + 256 + i * size);
            }
            at += 256 + 8 * size;
            if (second) {
                line = at;
                prefetch<64>(at);
                at += 64;
            }
        }
    } else if constexpr (traits.scales == Scales::block) {
        for (; left > 0; left -= 8, at += 64 + 8 * size) {
            prefetch<64>(at);
            steps.first = _mm512_load_ps(reinterpret_cast<const float *>(at));
            for (size_t i = 0; i < 8; ++i) {
                group(at + 64 + i * size);
            }
        }
    } else {
        for (; left > 0; --left, at += size) {
            group(at);
        }
    }
    const __mmask16 rows = static_cast<__mmask16>((1U << tile.rows) - 1);
#pragma GCC unroll 16
    for (unsigned t = 0; t < tokens; ++t) {
        if constexpr (traits.scales == Scales::row) {
            sums[t] = _mm512_mul_ps(sums[t], _mm512_loadu_ps(tile.row_scales));
        }
        _mm512_mask_storeu_ps(tile.out + (first + t) * tile.out_stride, rows, sums[t]);
    }
}

// Ternary rows of one scale times tokens of one scale: nothing but integers until the end. Few tokens have
// several sums each, because every instruction waits for the one before it on the same sum.
template <unsigned tokens> void ternary_products(const Tile &tile, size_t first) {
    constexpr unsigned chains = tokens == 1 ? 8 : tokens == 2 ? 4 : tokens <= 4 ? 2 : 1;
    const int8_t *x = tile.codes + first * column_group;
    const size_t step = tile.tokens * column_group;
    const std::byte *at = tile.weights;
    const Int mask = _mm512_set1_epi8(3);
    Int sums[tokens * chains];
#pragma GCC unroll 16
    for (unsigned t = 0; t < tokens * chains; ++t) {
        sums[t] = _mm512_setzero_si512();
    }
    for (size_t left = tile.columns / column_group; left > 0; --left, x += step, at += 128) {
        prefetch<128>(at);
#pragma GCC unroll 8
        for (unsigned i = 0; i < 8; ++i) {
            const Int w = _mm512_and_si512(_mm512_srli_epi16(load(at + i / 4 * 64), i % 4 * 2), mask);
#pragma GCC unroll 16
            for (unsigned t = 0; t < tokens; ++t) {
                multiply_add(sums[t * chains + i % chains], w, x + t * 32 + i * 4);
            }
        }
    }
    const Float scales = _mm512_loadu_ps(tile.row_scales);
    const __mmask16 rows = static_cast<__mmask16>((1U << tile.rows) - 1);
#pragma GCC unroll 16
    for (unsigned t = 0; t < tokens; ++t) {
        Int sum = _mm512_set1_epi32(-tile.token_sums[first + t]);
#pragma GCC unroll 8
        for (unsigned chain = 0; chain < chains; ++chain) {
            sum = _mm512_add_epi32(sum, sums[t * chains + chain]);
        }
        const Float scaled = _mm512_mul_ps(scales, _mm512_set1_ps(tile.token_scales[first + t]));
        _mm512_mask_storeu_ps(tile.out + (first + t) * tile.out_stride, rows,
                              _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scaled));
    }
}

// Weights that are not quantised times activations that are not either.
template <unsigned tokens> void plain_products(const Tile &tile, size_t first) {
    const float *x = tile.source + first * tile.source_stride;
    const auto *at = reinterpret_cast<const float *>(tile.weights);
    Float sums[tokens];
#pragma GCC unroll 16
    for (unsigned t = 0; t < tokens; ++t) {
        sums[t] = _mm512_setzero_ps();
    }
    for (size_t column = 0; column < tile.columns; ++column, at += row_group) {
        _mm_prefetch(reinterpret_cast<const char *>(at) + prefetch_ahead, _MM_HINT_T0);
        const Float w = _mm512_load_ps(at);
#pragma GCC unroll 16
        for (unsigned t = 0; t < tokens; ++t) {
            sums[t] = _mm512_fmadd_ps(w, _mm512_set1_ps(x[t * tile.source_stride + column]), sums[t]);
        }
    }
    const __mmask16 rows = static_cast<__mmask16>((1U << tile.rows) - 1);
#pragma GCC unroll 16
    for (unsigned t = 0; t < tokens; ++t) {
        _mm512_mask_storeu_ps(tile.out + (first + t) * tile.out_stride, rows, sums[t]);
    }
}

template <Format format, unsigned tokens> void some_tokens(const Tile &tile, size_t first) {
    if constexpr (format == Format::f32_plain) {
        plain_products<tokens>(tile, first);
    } else if constexpr (format == Format::t2_row) {
        if (tile.per_token) {
            ternary_products<tokens>(tile, first);
        } else {
            products<format, tokens>(tile, first);
        }
    } else {
        products<format, tokens>(tile, first);
    }
}

} // namespace

template <Format format> void avx512_multiply(const Tile &tile) noexcept {
    if (tile.tokens == 16) {
        return some_tokens<format, 16>(tile, 0);
    }
    size_t first = 0;
    if (tile.tokens >= 8) {
        some_tokens<format, 8>(tile, 0);
        first = 8;
    }
    switch (tile.tokens - first) {
    case 1: return some_tokens<format, 1>(tile, first);
    case 2: return some_tokens<format, 2>(tile, first);
    case 3: return some_tokens<format, 3>(tile, first);
    case 4: return some_tokens<format, 4>(tile, first);
    case 5: return some_tokens<format, 5>(tile, first);
    case 6: return some_tokens<format, 6>(tile, first);
    case 7: return some_tokens<format, 7>(tile, first);
    default: return;
    }
}

template void avx512_multiply<Format::q4_half>(const Tile &) noexcept;
template void avx512_multiply<Format::q4_half_min>(const Tile &) noexcept;
template void avx512_multiply<Format::q4_nested>(const Tile &) noexcept;
template void avx512_multiply<Format::q5_half>(const Tile &) noexcept;
template void avx512_multiply<Format::q5_half_min>(const Tile &) noexcept;
template void avx512_multiply<Format::q5_nested>(const Tile &) noexcept;
template void avx512_multiply<Format::q6_nested16>(const Tile &) noexcept;
template void avx512_multiply<Format::q8_half>(const Tile &) noexcept;
template void avx512_multiply<Format::t2_row>(const Tile &) noexcept;
template void avx512_multiply<Format::t2_block>(const Tile &) noexcept;
template void avx512_multiply<Format::f32_plain>(const Tile &) noexcept;

} // namespace nexus::engine
