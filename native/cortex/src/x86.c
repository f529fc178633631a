/* The kernels for AVX2 and AVX-512 VNNI. Each function is compiled for its own instruction set, so the
 * file needs no -march and the library starts on any x86-64. */
#include "kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

enum { AHEAD = 8 }; /* rows that are fetched before they are needed */

__attribute__((target("avx2"))) static int32_t total8(__m256i sums)
{
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, _MM_SHUFFLE(1, 0, 3, 2)));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, _MM_SHUFFLE(2, 3, 0, 1))));
}

/* |row| * sign(row, question) keeps each pair of products within 2 * 128 * 127, so that the 16-bit sums
 * of maddubs cannot saturate. */
__attribute__((target("avx2"))) void nx_dots_avx2(const int8_t *codes, size_t width,
                                                  const uint32_t *picked, size_t count,
                                                  const int8_t *question, int32_t *products)
{
    const __m256i ones = _mm256_set1_epi16(1);
    for (size_t i = 0; i < count; i++) {
        const int8_t *row = codes + (size_t)picked[i] * width;
        __m256i a = _mm256_setzero_si256(), b = a;
        for (size_t j = 0; j < width; j += 64) {
            __m256i x = _mm256_load_si256((const __m256i *)(row + j));
            __m256i y = _mm256_load_si256((const __m256i *)(row + j + 32));
            __m256i p = _mm256_load_si256((const __m256i *)(question + j));
            __m256i q = _mm256_load_si256((const __m256i *)(question + j + 32));
            p = _mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(p, x));
            q = _mm256_maddubs_epi16(_mm256_abs_epi8(y), _mm256_sign_epi8(q, y));
            a = _mm256_add_epi32(a, _mm256_madd_epi16(p, ones));
            b = _mm256_add_epi32(b, _mm256_madd_epi16(q, ones));
        }
        products[i] = total8(_mm256_add_epi32(a, b));
    }
}

/* VNNI multiplies unsigned by signed bytes. The row becomes unsigned by adding 128 to each code, which
 * adds 128 * (sum of the question) to every product. */
__attribute__((target("avx512f,avx512vnni"))) void nx_dots_avx512vnni(const int8_t *codes, size_t width,
                                                                      const uint32_t *picked,
                                                                      size_t count,
                                                                      const int8_t *question,
                                                                      int32_t *products)
{
    const __m512i flip = _mm512_set1_epi32((int)0x80808080U);
    int32_t surplus = 0;
    for (size_t j = 0; j < width; j++)
        surplus += 128 * question[j];
    for (size_t i = 0; i < count; i++) {
        const int8_t *row = codes + (size_t)picked[i] * width;
        const int8_t *next = codes + (size_t)picked[i + AHEAD < count ? i + AHEAD : i] * width;
        __m512i a = _mm512_setzero_si512(), b = a;
        size_t j = 0;
        for (size_t k = 0; k < width; k += 64)
            _mm_prefetch((const char *)(next + k), _MM_HINT_NTA);
        for (; j + 128 <= width; j += 128) {
            __m512i x = _mm512_xor_si512(_mm512_load_si512(row + j), flip);
            __m512i y = _mm512_xor_si512(_mm512_load_si512(row + j + 64), flip);
            a = _mm512_dpbusd_epi32(a, x, _mm512_load_si512(question + j));
            b = _mm512_dpbusd_epi32(b, y, _mm512_load_si512(question + j + 64));
        }
        if (j < width) {
            __m512i x = _mm512_xor_si512(_mm512_load_si512(row + j), flip);
            a = _mm512_dpbusd_epi32(a, x, _mm512_load_si512(question + j));
        }
        products[i] = _mm512_reduce_add_epi32(_mm512_add_epi32(a, b)) - surplus;
    }
}

/* A token's 64 codes as 32 pairs of int16, each pair in one int32. */
__attribute__((target("avx2"))) static void widen(const int8_t *token, int32_t pairs[NX_PAIRS])
{
    for (size_t j = 0; j < NX_TOKEN_WIDTH; j += 16) {
        __m128i codes = _mm_loadu_si128((const __m128i *)(token + j));
        _mm256_store_si256((__m256i *)(pairs + j / 2), _mm256_cvtepi8_epi16(codes));
    }
}

__attribute__((target("avx2"))) void nx_best_avx2(const struct nx_token_block *block, const int8_t *tokens,
                                                  size_t count, int32_t best[NX_LANES])
{
    _Alignas(32) int32_t pairs[NX_PAIRS];
    __m256i low = _mm256_set1_epi32(INT32_MIN), high = low;
    for (size_t i = 0; i < count; i++, tokens += NX_TOKEN_WIDTH) {
        __m256i a = _mm256_setzero_si256(), b = a;
        widen(tokens, pairs);
        for (size_t j = 0; j < NX_PAIRS; j++) {
            const __m256i *lanes = (const __m256i *)block->value[j];
            __m256i pair = _mm256_set1_epi32(pairs[j]);
            a = _mm256_add_epi32(a, _mm256_madd_epi16(_mm256_load_si256(lanes), pair));
            b = _mm256_add_epi32(b, _mm256_madd_epi16(_mm256_load_si256(lanes + 1), pair));
        }
        low = _mm256_max_epi32(low, a);
        high = _mm256_max_epi32(high, b);
    }
    memcpy(best, &low, sizeof low);
    memcpy(best + NX_LANES / 2, &high, sizeof high);
}

__attribute__((target("avx2,avx512f,avx512vnni"))) void
nx_best_avx512vnni(const struct nx_token_block *block, const int8_t *tokens, size_t count,
                   int32_t best[NX_LANES])
{
    _Alignas(32) int32_t pairs[NX_PAIRS];
    __m512i greatest = _mm512_set1_epi32(INT32_MIN);
    for (size_t i = 0; i < count; i++, tokens += NX_TOKEN_WIDTH) {
        /* Four sums, because each instruction waits for the one before it on the same sum. */
        __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
        widen(tokens, pairs);
        for (size_t j = 0; j < NX_PAIRS; j += 4) {
            a = _mm512_dpwssd_epi32(a, _mm512_load_si512(block->value[j]), _mm512_set1_epi32(pairs[j]));
            b = _mm512_dpwssd_epi32(b, _mm512_load_si512(block->value[j + 1]),
                                    _mm512_set1_epi32(pairs[j + 1]));
            c = _mm512_dpwssd_epi32(c, _mm512_load_si512(block->value[j + 2]),
                                    _mm512_set1_epi32(pairs[j + 2]));
            d = _mm512_dpwssd_epi32(d, _mm512_load_si512(block->value[j + 3]),
                                    _mm512_set1_epi32(pairs[j + 3]));
        }
        a = _mm512_add_epi32(_mm512_add_epi32(a, b), _mm512_add_epi32(c, d));
        greatest = _mm512_max_epi32(greatest, a);
    }
    memcpy(best, &greatest, sizeof greatest);
}
#else
typedef int nx_x86_is_not_here; /* ISO C wants a declaration in every file */
#endif
