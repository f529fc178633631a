// Vector functions and quantising with AVX-512, and the table of the set. As in avx512_multiply.cpp, nothing
// that another file might share may be compiled here.
// GCC 12 takes the "undefined" operands of its own intrinsics for mistakes of ours.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include "avx512_multiply.hpp"
#include "dispatch.hpp"

namespace nexus::engine {
namespace {

using Float = __m512;

// The first `left` lanes, at most 16.
inline __mmask16 lanes(size_t left) { return static_cast<__mmask16>(left >= 16 ? 0xffffU : (1U << left) - 1); }

// e^x = 2^n * e^r, |r| <= ln(2) / 2. Below -104 it is 0, above 89 infinite. A not-a-number stays one.
inline Float exponential(Float x) {
    x = _mm512_min_ps(_mm512_set1_ps(89.0F), _mm512_max_ps(_mm512_set1_ps(-104.0F), x));
    const Float n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504F)), _MM_FROUND_TO_NEAREST_INT);
    Float r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693145752F), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(1.42860677e-6F), r);
    Float p = _mm512_set1_ps(1.0F / 5040);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0F / 720));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0F / 120));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0F / 24));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0F / 6));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5F));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0F));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0F));
    return _mm512_scalef_ps(p, n);
}

void rms_norm(const float *x, const float *weight, float epsilon, size_t n, float *out) noexcept {
    Float a = _mm512_setzero_ps(), b = a;
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        const Float v = _mm512_loadu_ps(x + i), w = _mm512_loadu_ps(x + i + 16);
        a = _mm512_fmadd_ps(v, v, a);
        b = _mm512_fmadd_ps(w, w, b);
    }
    for (; i < n; i += 16) {
        const Float v = _mm512_maskz_loadu_ps(lanes(n - i), x + i);
        a = _mm512_fmadd_ps(v, v, a);
    }
    const float mean = _mm512_reduce_add_ps(_mm512_add_ps(a, b)) / static_cast<float>(n);
    const Float factor = _mm512_set1_ps(1.0F / __builtin_sqrtf(mean + epsilon));
    for (i = 0; i < n; i += 16) {
        const __mmask16 mask = lanes(n - i);
        const Float v = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), factor);
        _mm512_mask_storeu_ps(out + i, mask, _mm512_mul_ps(v, _mm512_maskz_loadu_ps(mask, weight + i)));
    }
}

template <class F> inline void combine(const float *a, const float *b, size_t n, float *out, F &&function) {
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 mask = lanes(n - i);
        const Float v = _mm512_maskz_loadu_ps(mask, a + i), w = _mm512_maskz_loadu_ps(mask, b + i);
        _mm512_mask_storeu_ps(out + i, mask, function(v, w));
    }
}

inline Float logistic_multiply(Float gate, Float argument, Float up) { // gate * up / (1 + e^-argument)
    const Float e = exponential(_mm512_sub_ps(_mm512_setzero_ps(), argument));
    return _mm512_mul_ps(_mm512_div_ps(gate, _mm512_add_ps(_mm512_set1_ps(1), e)), up);
}

void silu_multiply(const float *gate, const float *up, size_t n, float *out) noexcept {
    combine(gate, up, n, out, [](Float g, Float u) { return logistic_multiply(g, g, u); });
}

void relu2_multiply(const float *gate, const float *up, size_t n, float *out) noexcept {
    combine(gate, up, n, out, [](Float g, Float u) {
        const Float positive = _mm512_max_ps(_mm512_setzero_ps(), g);
        return _mm512_mul_ps(_mm512_mul_ps(positive, positive), u);
    });
}

// v / 2 * (1 + tanh(z)) = v / (1 + e^-2z)
void gelu_tanh_multiply(const float *gate, const float *up, size_t n, float *out) noexcept {
    combine(gate, up, n, out, [](Float g, Float u) {
        const Float cube = _mm512_mul_ps(_mm512_mul_ps(g, g), g);
        const Float inner = _mm512_fmadd_ps(cube, _mm512_set1_ps(0.044715F), g);
        return logistic_multiply(g, _mm512_mul_ps(inner, _mm512_set1_ps(1.59576912F)), u);
    });
}

void add_scaled(float factor, const float *x, size_t n, float *out) noexcept {
    const Float f = _mm512_set1_ps(factor);
    combine(x, out, n, out, [f](Float v, Float w) { return _mm512_fmadd_ps(f, v, w); });
}

void scale(float factor, size_t n, float *x) noexcept {
    const Float f = _mm512_set1_ps(factor);
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 mask = lanes(n - i);
        _mm512_mask_storeu_ps(x + i, mask, _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), f));
    }
}

float exp_sum(float *x, size_t n, float *greatest) noexcept {
    const Float least = _mm512_set1_ps(-__builtin_inff());
    Float top = least;
    for (size_t i = 0; i < n; i += 16) {
        top = _mm512_max_ps(_mm512_mask_loadu_ps(least, lanes(n - i), x + i), top);
    }
    *greatest = _mm512_reduce_max_ps(top);
    // With nothing above -infinity there is no finite shift: all are 0 then.
    const Float shift = _mm512_set1_ps(*greatest == -__builtin_inff() ? 0 : *greatest);
    Float sum = _mm512_setzero_ps();
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 mask = lanes(n - i);
        const Float v = exponential(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + i), shift));
        _mm512_mask_storeu_ps(x + i, mask, v);
        sum = _mm512_mask_add_ps(sum, mask, sum, v);
    }
    return _mm512_reduce_add_ps(sum);
}

size_t argmax(const float *x, size_t n) noexcept {
    const Float least = _mm512_set1_ps(-__builtin_inff());
    Float top = least;
    for (size_t i = 0; i < n; i += 16) {
        top = _mm512_max_ps(_mm512_mask_loadu_ps(least, lanes(n - i), x + i), top); // the second of a not-a-number
    }
    const Float best = _mm512_set1_ps(_mm512_reduce_max_ps(top));
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 mask = lanes(n - i);
        const __mmask16 found =
            _mm512_mask_cmp_ps_mask(mask, _mm512_maskz_loadu_ps(mask, x + i), best, _CMP_EQ_OQ);
        if (found != 0) {
            return i + static_cast<size_t>(__builtin_ctz(found));
        }
    }
    return 0;
}

float dot(const float *a, const float *b, size_t n) noexcept {
    Float s = _mm512_setzero_ps(), t = s;
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        s = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), s);
        t = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16), t);
    }
    for (; i < n; i += 16) {
        const __mmask16 mask = lanes(n - i);
        s = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, a + i), _mm512_maskz_loadu_ps(mask, b + i), s);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(s, t));
}

inline float greatest_magnitude(Float v) { return _mm512_reduce_max_ps(_mm512_abs_ps(v)); }

// Codes of 16 columns; what is no number becomes a code in range, and the scale tells.
inline __m128i codes_of(Float x, float inverse) {
    const __m512i rounded = _mm512_cvtps_epi32(_mm512_mul_ps(x, _mm512_set1_ps(inverse)));
    return _mm_max_epi8(_mm512_cvtsepi32_epi8(rounded), _mm_set1_epi8(-127));
}

inline int32_t sum_of(__m128i codes) {
    const __m128i sums = _mm_dpbusd_epi32(_mm_setzero_si128(), _mm_set1_epi8(1), codes);
    const __m128i pairs = _mm_add_epi32(sums, _mm_shuffle_epi32(sums, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(pairs, _mm_shuffle_epi32(pairs, 0xb1)));
}

int32_t quantise(const float *x, size_t columns, bool per_token, int8_t *codes, size_t code_stride,
                 ActivationGroup *groups, size_t group_stride, float *token_scale) noexcept {
    float inverse = 0, scale = 0;
    if (per_token) {
        Float top = _mm512_setzero_ps();
        bool finite = true;
        for (size_t i = 0; i < columns; i += 16) {
            const Float v = _mm512_abs_ps(_mm512_maskz_loadu_ps(lanes(columns - i), x + i));
            top = _mm512_max_ps(top, v);
            finite = finite && _mm512_cmp_ps_mask(v, _mm512_set1_ps(__builtin_inff()), _CMP_NLT_UQ) == 0;
        }
        const float greatest = _mm512_reduce_max_ps(top);
        inverse = 127.0F / (greatest > 1e-5F ? greatest : 1e-5F);
        scale = finite ? 1.0F / inverse : __builtin_nanf("");
        *token_scale = scale;
    }
    int32_t total = 0;
    for (size_t i = 0; i < columns; i += column_group, codes += code_stride, groups += group_stride) {
        const size_t left = columns - i;
        const Float a = _mm512_maskz_loadu_ps(lanes(left), x + i);
        const Float b = left <= 16 ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(lanes(left - 16), x + i + 16);
        if (!per_token) {
            const Float least = _mm512_set1_ps(__builtin_inff());
            const bool finite = (_mm512_cmp_ps_mask(_mm512_abs_ps(a), least, _CMP_NLT_UQ) |
                                 _mm512_cmp_ps_mask(_mm512_abs_ps(b), least, _CMP_NLT_UQ)) == 0;
            const float greatest = greatest_magnitude(_mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b)));
            inverse = greatest > 1e-30F ? 127.0F / greatest : 0;
            scale = finite ? greatest / 127.0F : __builtin_nanf("");
        }
        const __m128i first = codes_of(a, inverse), last = codes_of(b, inverse);
        _mm_store_si128(reinterpret_cast<__m128i *>(codes), first);
        _mm_store_si128(reinterpret_cast<__m128i *>(codes + 16), last);
        const int32_t sums[2] = {sum_of(first), sum_of(last)};
        *groups = {scale, scale * static_cast<float>(sums[0] + sums[1]), {-sums[0], -sums[1]}};
        total += sums[0] + sums[1];
    }
    return total;
}

} // namespace

const KernelSet avx512_kernels = {
    "avx512",
    for_each_format([]<Format format>() -> MultiplyKernel { return avx512_multiply<format>; }),
    quantise,
    rms_norm,
    silu_multiply,
    relu2_multiply,
    gelu_tanh_multiply,
    add_scaled,
    scale,
    exp_sum,
    argmax,
    dot,
};

} // namespace nexus::engine
