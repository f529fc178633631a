// Products with 256-bit registers, for the two files that compile it: with AVX2 alone, and with AVX-VNNI.
//
// As avx512_multiply.cpp, but a register holds 8 of the 16 rows, so that each half of a row group is a pass
// of its own, and 4 tokens are taken at once. Without VNNI two products are added in 16 bits, which holds
// codes of 4 bits times 8 times, of 5 bits 4 times, of 6 bits twice; codes of 8 bits become signed, and the
// sign goes over to the activation, because 2 * 255 * 127 would not fit. The sums are the same integers.
//
// Everything is local to the file that includes this, and must be: it is compiled for a wider CPU.
#pragma once

#include <immintrin.h>

#include "layout.hpp"

namespace nexus::engine {
namespace {

#define NX_INLINE [[gnu::always_inline]] inline

using Int = __m256i;
using Float = __m256;

constexpr size_t prefetch_ahead = 6144;
constexpr unsigned most_tokens = 4;

NX_INLINE Int load(const std::byte *at) { return _mm256_load_si256(reinterpret_cast<const Int *>(at)); }

NX_INLINE Int four_codes(const int8_t *x) {
    using Word [[gnu::may_alias]] = int32_t;
    return _mm256_set1_epi32(*reinterpret_cast<const Word *>(x));
}

NX_INLINE Float halves(const std::byte *at) {
    return _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i *>(at)));
}

NX_INLINE Float bytes(const std::byte *at) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(at))));
}

NX_INLINE Float signed_bytes(const std::byte *at) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(at))));
}

template <unsigned size> NX_INLINE void prefetch(const std::byte *at) {
#pragma GCC unroll 8
    for (unsigned i = 0; i < size; i += 64) {
        _mm_prefetch(reinterpret_cast<const char *>(at) + prefetch_ahead + i, _MM_HINT_T0);
    }
}

// The 8 units of 32 columns of 8 rows. `at` is where these rows begin in the first unit.
template <unsigned bits> NX_INLINE void decode(const std::byte *at, Int (&w)[8]) {
    if constexpr (bits == 8) {
#pragma GCC unroll 8
        for (unsigned i = 0; i < 8; ++i) {
            w[i] = load(at + 64 * i);
        }
    } else if constexpr (bits == 2) {
        const Int mask = _mm256_set1_epi8(3);
#pragma GCC unroll 8
        for (unsigned i = 0; i < 8; ++i) {
            w[i] = _mm256_and_si256(_mm256_srli_epi16(load(at + i / 4 * 64), i % 4 * 2), mask);
        }
    } else {
        const Int mask = _mm256_set1_epi8(15);
#pragma GCC unroll 4
        for (unsigned i = 0; i < 4; ++i) {
            const Int packed = load(at + 64 * i);
            w[2 * i] = _mm256_and_si256(packed, mask);
            w[2 * i + 1] = _mm256_and_si256(_mm256_srli_epi16(packed, 4), mask);
        }
        if constexpr (bits == 5) {
            const Int plane = load(at + 256), bit = _mm256_set1_epi8(16);
#pragma GCC unroll 8
            for (unsigned i = 0; i < 8; ++i) {
                const Int moved = i < 4 ? _mm256_slli_epi16(plane, 4 - i) : _mm256_srli_epi16(plane, i - 4);
                w[i] = _mm256_or_si256(w[i], _mm256_and_si256(moved, bit));
            }
        }
        if constexpr (bits == 6) {
            const Int pair = _mm256_set1_epi8(48);
#pragma GCC unroll 8
            for (unsigned i = 0; i < 8; ++i) {
                const Int plane = load(at + 256 + i / 4 * 64);
                const Int moved = i % 4 < 2 ? _mm256_slli_epi16(plane, 4 - i % 4 * 2)
                                            : _mm256_srli_epi16(plane, i % 4 * 2 - 4);
                w[i] = _mm256_or_si256(w[i], _mm256_and_si256(moved, pair));
            }
        }
    }
}

#if defined(__AVXVNNI__)
template <unsigned bits, unsigned units> NX_INLINE Int unit_sums(const Int *w, const int8_t *x) {
    Int sums = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (unsigned i = 0; i < units; ++i) {
        sums = _mm256_dpbusd_avx_epi32(sums, w[i], four_codes(x + 4 * i));
    }
    return sums;
}
constexpr bool signed_eight = false;
#else
// The sums of `units` units times their codes of one token, in 32 bits.
template <unsigned bits, unsigned units> NX_INLINE Int unit_sums(const Int *w, const int8_t *x) {
    constexpr unsigned fit = bits <= 4 ? 8 : bits == 5 ? 4 : bits == 6 ? 2 : 1;
    constexpr unsigned step = fit < units ? fit : units;
    const Int ones = _mm256_set1_epi16(1);
    Int sums = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (unsigned i = 0; i < units; i += step) {
        Int shorts = _mm256_setzero_si256();
#pragma GCC unroll 8
        for (unsigned j = i; j < i + step; ++j) {
            Int product;
            if constexpr (bits == 8) {
                const Int weights = _mm256_xor_si256(w[j], _mm256_set1_epi8(-128));
                product = _mm256_maddubs_epi16(_mm256_abs_epi8(weights),
                                               _mm256_sign_epi8(four_codes(x + 4 * j), weights));
            } else {
                product = _mm256_maddubs_epi16(w[j], four_codes(x + 4 * j));
            }
            shorts = j == i ? product : _mm256_add_epi16(shorts, product);
        }
        const Int words = _mm256_madd_epi16(shorts, ones);
        sums = i == 0 ? words : _mm256_add_epi32(sums, words);
    }
    return sums;
}
constexpr bool signed_eight = true;
#endif

template <FormatTraits traits> NX_INLINE Int without_offset(Int sums, int32_t minus_sum) {
    if constexpr (traits.offset == 0 || (traits.bits == 8 && signed_eight)) {
        return sums;
    } else {
        constexpr unsigned shift = __builtin_ctz(traits.offset);
        static_assert(traits.offset == 1U << shift);
        return _mm256_add_epi32(sums, _mm256_slli_epi32(_mm256_set1_epi32(minus_sum), shift));
    }
}

struct Steps {
    Float first, last, min;
};

template <Format format, unsigned tokens>
NX_INLINE void group_products(const std::byte *codes, const Steps &steps, const int8_t *x, const ActivationGroup *a,
                              Float (&sums)[tokens]) {
    constexpr FormatTraits traits = format_traits[static_cast<size_t>(format)];
    Int w[8];
    decode<traits.bits>(codes, w);
#pragma GCC unroll 4
    for (unsigned t = 0; t < tokens; ++t) {
        const Float scale = _mm256_set1_ps(a[t].scale);
        if constexpr (traits.scales == Scales::nested16) {
            const Int first = without_offset<traits>(unit_sums<traits.bits, 4>(w, x + t * 32), a[t].minus_sum[0]);
            const Int last =
                without_offset<traits>(unit_sums<traits.bits, 4>(w + 4, x + t * 32 + 16), a[t].minus_sum[1]);
            const Float scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(first), steps.first);
            sums[t] = _mm256_fmadd_ps(_mm256_fmadd_ps(_mm256_cvtepi32_ps(last), steps.last, scaled), scale, sums[t]);
        } else {
            const Int all = without_offset<traits>(unit_sums<traits.bits, 8>(w, x + t * 32),
                                                   a[t].minus_sum[0] + a[t].minus_sum[1]);
            const Float total = _mm256_cvtepi32_ps(all);
            if constexpr (traits.scales == Scales::row) {
                sums[t] = _mm256_fmadd_ps(total, scale, sums[t]);
            } else {
                sums[t] = _mm256_fmadd_ps(_mm256_mul_ps(total, steps.first), scale, sums[t]);
            }
        }
        if constexpr (traits.scales == Scales::half_min) {
            sums[t] = _mm256_fmadd_ps(steps.min, _mm256_set1_ps(a[t].scaled_sum), sums[t]);
        } else if constexpr (traits.scales == Scales::nested) {
            sums[t] = _mm256_fnmadd_ps(steps.min, _mm256_set1_ps(a[t].scaled_sum), sums[t]);
        }
    }
}

NX_INLINE void store(const Tile &tile, size_t token, size_t half, Float sums) {
    float *out = tile.out + token * tile.out_stride + half * 8;
    const size_t rows = tile.rows > half * 8 ? tile.rows - half * 8 : 0;
    if (rows >= 8) {
        _mm256_storeu_ps(out, sums);
    } else if (rows > 0) {
        const Int lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        _mm256_maskstore_ps(out, _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(rows)), lane), sums);
    }
}

// Tokens `first` to `first + tokens` of a tile, rows 0 to 7 or 8 to 15, all columns.
template <Format format, unsigned tokens> void products(const Tile &tile, size_t first, size_t half) {
    constexpr FormatTraits traits = format_traits[static_cast<size_t>(format)];
    constexpr size_t size = size_t{64} * traits.bits;
    const int8_t *x = tile.codes + first * column_group;
    const ActivationGroup *a = tile.groups + first;
    const size_t width = tile.tokens, halves_at = half * 16, bytes_at = half * 8, codes_at = half * 32;
    const std::byte *at = tile.weights;
    Float sums[tokens];
#pragma GCC unroll 4
    for (unsigned t = 0; t < tokens; ++t) {
        sums[t] = _mm256_setzero_ps();
    }
    Steps steps{_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
    const auto group = [&](const std::byte *codes) __attribute__((always_inline)) {
        prefetch<size>(codes);
        group_products<format, tokens>(codes + codes_at, steps, x, a, sums);
        x += width * column_group;
        a += width;
    };
    size_t left = tile.columns / column_group;
    if constexpr (traits.scales == Scales::half) {
        for (bool second = false; left > 0; --left, second = !second) {
            steps.first = halves(at + (second ? 32 : 0) + halves_at);
            group(at + 64 + (second ? size : 0));
            at += second ? 64 + 2 * size : 0;
        }
    } else if constexpr (traits.scales == Scales::half_min) {
        for (; left > 0; --left, at += 64 + size) {
            steps.first = halves(at + halves_at);
            steps.min = halves(at + 32 + halves_at);
            group(at + 64);
        }
    } else if constexpr (traits.scales == Scales::nested) {
        for (; left > 0; left -= 8, at += 320 + 8 * size) {
            prefetch<320>(at);
            const Float d = halves(at + halves_at), dmin = halves(at + 32 + halves_at);
            for (size_t i = 0; i < 8; ++i) {
                steps.first = _mm256_mul_ps(d, bytes(at + 64 + i * 32 + bytes_at));
                steps.min = _mm256_mul_ps(dmin, bytes(at + 80 + i * 32 + bytes_at));
                group(at + 320 + i * size);
            }
        }
    } else if constexpr (traits.scales == Scales::nested16) {
        const std::byte *line = at;
        at += 64;
        for (bool second = false; left > 0; left -= 8, second = !second) {
            const Float d = halves(line + (second ? 32 : 0) + halves_at);
            prefetch<256>(at);
            for (size_t i = 0; i < 8; ++i) {
                steps.first = _mm256_mul_ps(d, signed_bytes(at + i * 32 + bytes_at));
                steps.last = _mm256_mul_ps(d, signed_bytes(at + i * 32 + 16 + bytes_at));
                group(at + 256 + i * size);
            }
            at += 256 + 8 * size;
            if (second) {
                line = at;
                at += 64;
            }
        }
    } else if constexpr (traits.scales == Scales::block) {
        for (; left > 0; left -= 8, at += 64 + 8 * size) {
            steps.first = _mm256_load_ps(reinterpret_cast<const float *>(at + half * 32));
            for (size_t i = 0; i < 8; ++i) {
                group(at + 64 + i * size);
            }
        }
    } else {
        for (; left > 0; --left, at += size) {
            group(at);
        }
    }
#pragma GCC unroll 4
    for (unsigned t = 0; t < tokens; ++t) {
        if constexpr (traits.scales == Scales::row) {
            sums[t] = _mm256_mul_ps(sums[t], _mm256_loadu_ps(tile.row_scales + half * 8));
        }
        store(tile, first + t, half, sums[t]);
    }
}

template <unsigned tokens> void ternary_products(const Tile &tile, size_t first, size_t half) {
    const int8_t *x = tile.codes + first * column_group;
    const std::byte *at = tile.weights;
    Int sums[tokens];
#pragma GCC unroll 4
    for (unsigned t = 0; t < tokens; ++t) {
        sums[t] = _mm256_set1_epi32(-tile.token_sums[first + t]);
    }
    for (size_t left = tile.columns / column_group; left > 0; --left, x += tile.tokens * column_group, at += 128) {
        Int w[8];
        prefetch<128>(at);
        decode<2>(at + half * 32, w);
#pragma GCC unroll 4
        for (unsigned t = 0; t < tokens; ++t) {
            sums[t] = _mm256_add_epi32(sums[t], unit_sums<2, 8>(w, x + t * 32));
        }
    }
    const Float scales = _mm256_loadu_ps(tile.row_scales + half * 8);
#pragma GCC unroll 4
    for (unsigned t = 0; t < tokens; ++t) {
        const Float scaled = _mm256_mul_ps(scales, _mm256_set1_ps(tile.token_scales[first + t]));
        store(tile, first + t, half, _mm256_mul_ps(_mm256_cvtepi32_ps(sums[t]), scaled));
    }
}

template <unsigned tokens> void plain_products(const Tile &tile, size_t first, size_t half) {
    const float *x = tile.source + first * tile.source_stride;
    const auto *at = reinterpret_cast<const float *>(tile.weights) + half * 8;
    Float sums[tokens];
#pragma GCC unroll 4
    for (unsigned t = 0; t < tokens; ++t) {
        sums[t] = _mm256_setzero_ps();
    }
    for (size_t column = 0; column < tile.columns; ++column, at += row_group) {
        const Float w = _mm256_load_ps(at);
#pragma GCC unroll 4
        for (unsigned t = 0; t < tokens; ++t) {
            sums[t] = _mm256_fmadd_ps(w, _mm256_set1_ps(x[t * tile.source_stride + column]), sums[t]);
        }
    }
#pragma GCC unroll 4
    for (unsigned t = 0; t < tokens; ++t) {
        store(tile, first + t, half, sums[t]);
    }
}

template <Format format, unsigned tokens> void some_tokens(const Tile &tile, size_t first) {
    for (size_t half = 0; half < 2 && half * 8 < tile.rows; ++half) {
        if constexpr (format == Format::f32_plain) {
            plain_products<tokens>(tile, first, half);
        } else if constexpr (format == Format::t2_row) {
            if (tile.per_token) {
                ternary_products<tokens>(tile, first, half);
            } else {
                products<format, tokens>(tile, first, half);
            }
        } else {
            products<format, tokens>(tile, first, half);
        }
    }
}

template <Format format> void all_tokens(const Tile &tile) {
    size_t first = 0;
    for (; tile.tokens - first >= most_tokens; first += most_tokens) {
        some_tokens<format, most_tokens>(tile, first);
    }
    switch (tile.tokens - first) {
    case 1: return some_tokens<format, 1>(tile, first);
    case 2: return some_tokens<format, 2>(tile, first);
    case 3: return some_tokens<format, 3>(tile, first);
    default: return;
    }
}

} // namespace
} // namespace nexus::engine
