// Vector functions and quantising with AVX2, and the tables of the AVX2 and the AVX-VNNI set. Nothing that
// another file might share may be compiled here.
#include <immintrin.h>

#include "avx2_multiply.hpp"
#include "avxvnni_multiply.hpp"
#include "dispatch.hpp"

namespace nexus::engine {
namespace {

using Float = __m256;

// The last, not full register of an array: read and written through these 8 numbers.
struct alignas(32) Rest {
    float values[8];
};

inline Float load_rest(const float *x, size_t count, float fill) {
    Rest rest;
    for (size_t i = 0; i < 8; ++i) {
        rest.values[i] = i < count ? x[i] : fill;
    }
    return _mm256_load_ps(rest.values);
}

inline void store_rest(float *out, size_t count, Float value) {
    Rest rest;
    _mm256_store_ps(rest.values, value);
    for (size_t i = 0; i < count; ++i) {
        out[i] = rest.values[i];
    }
}

inline Float load_some(const float *x, size_t left, float fill) {
    return left >= 8 ? _mm256_loadu_ps(x) : load_rest(x, left, fill);
}

inline void store_some(float *out, size_t left, Float value) {
    if (left >= 8) {
        _mm256_storeu_ps(out, value);
    } else {
        store_rest(out, left, value);
    }
}

inline float total(Float x) {
    Rest rest;
    _mm256_store_ps(rest.values, x);
    const float *v = rest.values;
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

inline float greatest_of(Float x) {
    Rest rest;
    _mm256_store_ps(rest.values, x);
    float top = rest.values[0];
    for (size_t i = 1; i < 8; ++i) {
        top = rest.values[i] > top ? rest.values[i] : top;
    }
    return top;
}

inline Float power_of_two(__m256i n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}

// As in avx512_vector.cpp. 2^n in two factors, because n goes down to -150 and up to 128.
inline Float exponential(Float x) {
    x = _mm256_min_ps(_mm256_set1_ps(89.0F), _mm256_max_ps(_mm256_set1_ps(-104.0F), x));
    const Float n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504F)),
                                    _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    Float r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693145752F), x);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(1.42860677e-6F), r);
    Float p = _mm256_set1_ps(1.0F / 5040);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F / 720));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F / 120));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F / 24));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F / 6));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5F));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.0F));
    const __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
    return _mm256_mul_ps(_mm256_mul_ps(p, power_of_two(half)), power_of_two(_mm256_sub_epi32(whole, half)));
}

void rms_norm(const float *x, const float *weight, float epsilon, size_t n, float *out) noexcept {
    Float a = _mm256_setzero_ps(), b = a;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const Float v = _mm256_loadu_ps(x + i), w = _mm256_loadu_ps(x + i + 8);
        a = _mm256_fmadd_ps(v, v, a);
        b = _mm256_fmadd_ps(w, w, b);
    }
    for (; i < n; i += 8) {
        const Float v = load_some(x + i, n - i, 0);
        a = _mm256_fmadd_ps(v, v, a);
    }
    const float mean = total(_mm256_add_ps(a, b)) / static_cast<float>(n);
    const Float factor = _mm256_set1_ps(1.0F / __builtin_sqrtf(mean + epsilon));
    for (i = 0; i < n; i += 8) {
        const Float v = _mm256_mul_ps(load_some(x + i, n - i, 0), factor);
        store_some(out + i, n - i, _mm256_mul_ps(v, load_some(weight + i, n - i, 0)));
    }
}

template <class F> inline void combine(const float *a, const float *b, size_t n, float *out, F &&function) {
    for (size_t i = 0; i < n; i += 8) {
        store_some(out + i, n - i, function(load_some(a + i, n - i, 0), load_some(b + i, n - i, 0)));
    }
}

inline Float logistic_multiply(Float gate, Float argument, Float up) {
    const Float e = exponential(_mm256_sub_ps(_mm256_setzero_ps(), argument));
    return _mm256_mul_ps(_mm256_div_ps(gate, _mm256_add_ps(_mm256_set1_ps(1), e)), up);
}

void silu_multiply(const float *gate, const float *up, size_t n, float *out) noexcept {
    combine(gate, up, n, out, [](Float g, Float u) { return logistic_multiply(g, g, u); });
}

void relu2_multiply(const float *gate, const float *up, size_t n, float *out) noexcept {
    combine(gate, up, n, out, [](Float g, Float u) {
        const Float positive = _mm256_max_ps(_mm256_setzero_ps(), g);
        return _mm256_mul_ps(_mm256_mul_ps(positive, positive), u);
    });
}

void gelu_tanh_multiply(const float *gate, const float *up, size_t n, float *out) noexcept {
    combine(gate, up, n, out, [](Float g, Float u) {
        const Float cube = _mm256_mul_ps(_mm256_mul_ps(g, g), g);
        const Float inner = _mm256_fmadd_ps(cube, _mm256_set1_ps(0.044715F), g);
        return logistic_multiply(g, _mm256_mul_ps(inner, _mm256_set1_ps(1.59576912F)), u);
    });
}

void add_scaled(float factor, const float *x, size_t n, float *out) noexcept {
    const Float f = _mm256_set1_ps(factor);
    combine(x, out, n, out, [f](Float v, Float w) { return _mm256_fmadd_ps(f, v, w); });
}

void scale(float factor, size_t n, float *x) noexcept {
    const Float f = _mm256_set1_ps(factor);
    for (size_t i = 0; i < n; i += 8) {
        store_some(x + i, n - i, _mm256_mul_ps(load_some(x + i, n - i, 0), f));
    }
}

Float tops(const float *x, size_t n) {
    const float least = -__builtin_inff();
    Float top = _mm256_set1_ps(least);
    for (size_t i = 0; i < n; i += 8) {
        top = _mm256_max_ps(load_some(x + i, n - i, least), top); // the second of a not-a-number
    }
    return top;
}

float exp_sum(float *x, size_t n, float *greatest) noexcept {
    *greatest = greatest_of(tops(x, n));
    const Float shift = _mm256_set1_ps(*greatest == -__builtin_inff() ? 0 : *greatest);
    Float sum = _mm256_setzero_ps();
    for (size_t i = 0; i < n; i += 8) {
        const Float v = exponential(_mm256_sub_ps(load_some(x + i, n - i, -__builtin_inff()), shift));
        store_some(x + i, n - i, v);
        sum = _mm256_add_ps(sum, v);
    }
    return total(sum);
}

size_t argmax(const float *x, size_t n) noexcept {
    const Float best = _mm256_set1_ps(greatest_of(tops(x, n)));
    for (size_t i = 0; i < n; i += 8) {
        const Float v = load_some(x + i, n - i, __builtin_nanf(""));
        const int found = _mm256_movemask_ps(_mm256_cmp_ps(v, best, _CMP_EQ_OQ));
        if (found != 0) {
            return i + static_cast<size_t>(__builtin_ctz(static_cast<unsigned>(found)));
        }
    }
    return 0;
}

float dot(const float *a, const float *b, size_t n) noexcept {
    Float s = _mm256_setzero_ps(), t = s;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        s = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s);
        t = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), t);
    }
    for (; i < n; i += 8) {
        s = _mm256_fmadd_ps(load_some(a + i, n - i, 0), load_some(b + i, n - i, 0), s);
    }
    return total(_mm256_add_ps(s, t));
}

inline Float magnitude(Float x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), x); }

inline bool all_finite(Float magnitudes) {
    return _mm256_movemask_ps(_mm256_cmp_ps(magnitudes, _mm256_set1_ps(__builtin_inff()), _CMP_NLT_UQ)) == 0;
}

// Codes of 16 columns in 16 bytes; what is no number becomes a code in range, and the scale tells.
inline __m128i codes_of(Float a, Float b, float inverse) {
    const Float factor = _mm256_set1_ps(inverse);
    const __m256i words = _mm256_packs_epi32(_mm256_cvtps_epi32(_mm256_mul_ps(a, factor)),
                                             _mm256_cvtps_epi32(_mm256_mul_ps(b, factor)));
    const __m256i ordered = _mm256_permute4x64_epi64(words, 0xd8);
    const __m128i codes = _mm_packs_epi16(_mm256_castsi256_si128(ordered), _mm256_extracti128_si256(ordered, 1));
    return _mm_max_epi8(codes, _mm_set1_epi8(-127));
}

inline int32_t sum_of(__m128i codes) {
    const __m128i words = _mm_madd_epi16(_mm_maddubs_epi16(_mm_set1_epi8(1), codes), _mm_set1_epi16(1));
    const __m128i pairs = _mm_add_epi32(words, _mm_shuffle_epi32(words, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(pairs, _mm_shuffle_epi32(pairs, 0xb1)));
}

int32_t quantise(const float *x, size_t columns, bool per_token, int8_t *codes, size_t code_stride,
                 ActivationGroup *groups, size_t group_stride, float *token_scale) noexcept {
    float inverse = 0, step = 0;
    if (per_token) {
        Float top = _mm256_setzero_ps();
        bool finite = true;
        for (size_t i = 0; i < columns; i += 8) {
            const Float v = magnitude(load_some(x + i, columns - i, 0));
            top = _mm256_max_ps(top, v);
            finite = finite && all_finite(v);
        }
        const float greatest = greatest_of(top);
        inverse = 127.0F / (greatest > 1e-5F ? greatest : 1e-5F);
        step = finite ? 1.0F / inverse : __builtin_nanf("");
        *token_scale = step;
    }
    int32_t all = 0;
    for (size_t i = 0; i < columns; i += column_group, codes += code_stride, groups += group_stride) {
        Float v[4];
        for (size_t part = 0; part < 4; ++part) {
            const size_t at = i + part * 8;
            v[part] = at < columns ? load_some(x + at, columns - at, 0) : _mm256_setzero_ps();
        }
        if (!per_token) {
            Float top = _mm256_setzero_ps();
            bool finite = true;
            for (const Float &part : v) {
                top = _mm256_max_ps(top, magnitude(part));
                finite = finite && all_finite(magnitude(part));
            }
            const float greatest = greatest_of(top);
            inverse = greatest > 1e-30F ? 127.0F / greatest : 0;
            step = finite ? greatest / 127.0F : __builtin_nanf("");
        }
        const __m128i first = codes_of(v[0], v[1], inverse), last = codes_of(v[2], v[3], inverse);
        _mm_store_si128(reinterpret_cast<__m128i *>(codes), first);
        _mm_store_si128(reinterpret_cast<__m128i *>(codes + 16), last);
        const int32_t sums[2] = {sum_of(first), sum_of(last)};
        *groups = {step, step * static_cast<float>(sums[0] + sums[1]), {-sums[0], -sums[1]}};
        all += sums[0] + sums[1];
    }
    return all;
}

/// What the two sets of this file share is everything but the products.
consteval KernelSet with(const char *name, const MultiplyKernels &multiply) {
    return {name,       multiply, quantise, rms_norm, silu_multiply, relu2_multiply, gelu_tanh_multiply,
            add_scaled, scale,    exp_sum,  argmax,   dot};
}

} // namespace

const KernelSet avx2_kernels =
    with("avx2", for_each_format([]<Format format>() -> MultiplyKernel { return avx2_multiply<format>; }));
const KernelSet avxvnni_kernels =
    with("avxvnni", for_each_format([]<Format format>() -> MultiplyKernel { return avxvnni_multiply<format>; }));

} // namespace nexus::engine
