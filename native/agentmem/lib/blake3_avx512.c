/* BLAKE3's compression with AVX-512: sixteen chunks or joins at a time.
 *
 * Its functions carry their instruction set themselves, so the file needs no compiler flags;
 * blake3_path.c sees to it that they are called only where the processor and the system allow them. */
#include "blake3_paths.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define LANES 16u
#define INSTRUCTIONS __attribute__((target("avx512f,avx512vl,avx512bw")))

#define ADD _mm512_add_epi32
#define XOR _mm512_xor_si512
#define TURN16(w) _mm512_ror_epi32(w, 16)
#define TURN12(w) _mm512_ror_epi32(w, 12)
#define TURN8(w) _mm512_ror_epi32(w, 8)
#define TURN7(w) _mm512_ror_epi32(w, 7)
#include "blake3_lanes.h"

/* Row i, column k becomes row k, column i: sixteen blocks become their sixteen words, and back. */
INSTRUCTIONS static inline void transpose(__m512i rows[16])
{
    __m512i fours[16]; /* fours[4 * k + i]: in each quarter q, word 4 * q + k of rows 4 * i to 4 * i + 3 */
    for (unsigned i = 0; i < 4; i++) {
        const __m512i *r = rows + 4 * i;
        const __m512i a = _mm512_unpacklo_epi32(r[0], r[1]), b = _mm512_unpackhi_epi32(r[0], r[1]);
        const __m512i c = _mm512_unpacklo_epi32(r[2], r[3]), d = _mm512_unpackhi_epi32(r[2], r[3]);
        fours[i] = _mm512_unpacklo_epi64(a, c);
        fours[4 + i] = _mm512_unpackhi_epi64(a, c);
        fours[8 + i] = _mm512_unpacklo_epi64(b, d);
        fours[12 + i] = _mm512_unpackhi_epi64(b, d);
    }
    for (unsigned k = 0; k < 4; k++) {
        const __m512i *f = fours + 4 * k;
        const __m512i even = _mm512_shuffle_i32x4(f[0], f[1], 0x88);
        const __m512i odd = _mm512_shuffle_i32x4(f[0], f[1], 0xdd);
        const __m512i evens = _mm512_shuffle_i32x4(f[2], f[3], 0x88);
        const __m512i odds = _mm512_shuffle_i32x4(f[2], f[3], 0xdd);
        rows[k] = _mm512_shuffle_i32x4(even, evens, 0x88);
        rows[4 + k] = _mm512_shuffle_i32x4(odd, odds, 0x88);
        rows[8 + k] = _mm512_shuffle_i32x4(even, evens, 0xdd);
        rows[12 + k] = _mm512_shuffle_i32x4(odd, odds, 0xdd);
    }
}

INSTRUCTIONS static void many(const uint8_t *const *from, unsigned count, size_t blocks,
                              const uint32_t key[8], uint64_t counter, unsigned step,
                              struct blake3_flags flags, uint32_t (*out)[8])
{
    const uint8_t *input[LANES];
    uint32_t low[LANES], high[LANES];
    for (unsigned lane = 0; lane < LANES; lane++) {
        const unsigned use = lane < count ? lane : count - 1; /* lanes too many repeat the last */
        input[lane] = from[use];
        low[lane] = (uint32_t)(counter + (uint64_t)use * step);
        high[lane] = (uint32_t)((counter + (uint64_t)use * step) >> 32);
    }
    __m512i value[16];
    for (unsigned i = 0; i < 8; i++)
        value[i] = _mm512_set1_epi32((int)key[i]);
    for (size_t block = 0; block < blocks; block++) {
        __m512i m[16];
        for (unsigned lane = 0; lane < LANES; lane++) {
            m[lane] = _mm512_loadu_si512(input[lane] + block * BLAKE3_BLOCK);
            _mm_prefetch((const char *)input[lane] + block * BLAKE3_BLOCK + 256, _MM_HINT_T0);
        }
        transpose(m);
        __m512i v[16] = {value[0], value[1], value[2], value[3], value[4], value[5], value[6], value[7],
                         _mm512_set1_epi32((int)BLAKE3_IV0), _mm512_set1_epi32((int)BLAKE3_IV1),
                         _mm512_set1_epi32((int)BLAKE3_IV2), _mm512_set1_epi32((int)BLAKE3_IV3),
                         _mm512_loadu_si512(low), _mm512_loadu_si512(high),
                         _mm512_set1_epi32((int)BLAKE3_BLOCK),
                         _mm512_set1_epi32((int)blake3_flags_of(flags, block, blocks))};
        BLAKE3_ROUNDS(ROUND_LANES)
        for (unsigned i = 0; i < 8; i++)
            value[i] = XOR(v[i], v[i + 8]);
    }
    for (unsigned i = 8; i < 16; i++)
        value[i] = _mm512_setzero_si512();
    transpose(value);
    for (unsigned lane = 0; lane < LANES; lane++)
        if (lane < count)
            _mm256_storeu_si256((__m256i *)out[lane], _mm512_castsi512_si256(value[lane]));
}

const struct blake3_path blake3_avx512 = {"avx512", LANES, many};
#endif
