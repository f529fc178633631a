/* BLAKE3's compression with AVX2: eight chunks or joins at a time.
 *
 * Its functions carry their instruction set themselves, so the file needs no compiler flags;
 * blake3_path.c sees to it that they are called only where the processor and the system allow them. */
#include "blake3_paths.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <string.h>

#define LANES 8u
#define INSTRUCTIONS __attribute__((target("avx2")))

#define ADD _mm256_add_epi32
#define XOR _mm256_xor_si256
/* Turns by whole bytes are shuffles; the others need two shifts. */
#define SHIFTS(w, bits) _mm256_or_si256(_mm256_srli_epi32(w, bits), _mm256_slli_epi32(w, 32 - (bits)))
#define TURN16(w) _mm256_shuffle_epi8(w, turn16)
#define TURN12(w) SHIFTS(w, 12)
#define TURN8(w) _mm256_shuffle_epi8(w, turn8)
#define TURN7(w) SHIFTS(w, 7)
#include "blake3_lanes.h"

/* Row i, column k becomes row k, column i. */
INSTRUCTIONS static inline void transpose(__m256i r[8])
{
    __m256i halves[8]; /* halves[k]: word k and word 4 + k of rows 0 to 3; halves[4 + k]: of rows 4 to 7 */
    for (unsigned i = 0; i < 2; i++) {
        const __m256i a = _mm256_unpacklo_epi32(r[4 * i], r[4 * i + 1]);
        const __m256i b = _mm256_unpackhi_epi32(r[4 * i], r[4 * i + 1]);
        const __m256i c = _mm256_unpacklo_epi32(r[4 * i + 2], r[4 * i + 3]);
        const __m256i d = _mm256_unpackhi_epi32(r[4 * i + 2], r[4 * i + 3]);
        halves[4 * i] = _mm256_unpacklo_epi64(a, c);
        halves[4 * i + 1] = _mm256_unpackhi_epi64(a, c);
        halves[4 * i + 2] = _mm256_unpacklo_epi64(b, d);
        halves[4 * i + 3] = _mm256_unpackhi_epi64(b, d);
    }
    for (unsigned k = 0; k < 4; k++) {
        r[k] = _mm256_permute2x128_si256(halves[k], halves[4 + k], 0x20);
        r[4 + k] = _mm256_permute2x128_si256(halves[k], halves[4 + k], 0x31);
    }
}

INSTRUCTIONS static void many(const uint8_t *const *from, unsigned count, size_t blocks,
                              const uint32_t key[8], uint64_t counter, unsigned step,
                              struct blake3_flags flags, uint32_t (*out)[8])
{
    const __m256i turn16 = _mm256_setr_epi8(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13,
                                            2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    const __m256i turn8 = _mm256_setr_epi8(1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12,
                                           1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12);
    const uint8_t *input[LANES];
    uint32_t low[LANES], high[LANES];
    for (unsigned lane = 0; lane < LANES; lane++) {
        const unsigned use = lane < count ? lane : count - 1; /* lanes too many repeat the last */
        input[lane] = from[use];
        low[lane] = (uint32_t)(counter + (uint64_t)use * step);
        high[lane] = (uint32_t)((counter + (uint64_t)use * step) >> 32);
    }
    __m256i value[8];
    for (unsigned i = 0; i < 8; i++)
        value[i] = _mm256_set1_epi32((int)key[i]);
    for (size_t block = 0; block < blocks; block++) {
        __m256i m[16];
        for (unsigned lane = 0; lane < LANES; lane++) {
            const uint8_t *at = input[lane] + block * BLAKE3_BLOCK;
            m[lane] = _mm256_loadu_si256((const __m256i *)at);
            m[8 + lane] = _mm256_loadu_si256((const __m256i *)(at + 32));
            _mm_prefetch((const char *)at + 256, _MM_HINT_T0);
        }
        transpose(m);
        transpose(m + 8);
        __m256i v[16] = {value[0], value[1], value[2], value[3], value[4], value[5], value[6], value[7],
                         _mm256_set1_epi32((int)BLAKE3_IV0), _mm256_set1_epi32((int)BLAKE3_IV1),
                         _mm256_set1_epi32((int)BLAKE3_IV2), _mm256_set1_epi32((int)BLAKE3_IV3),
                         _mm256_loadu_si256((const __m256i *)low), _mm256_loadu_si256((const __m256i *)high),
                         _mm256_set1_epi32((int)BLAKE3_BLOCK),
                         _mm256_set1_epi32((int)blake3_flags_of(flags, block, blocks))};
        BLAKE3_ROUNDS(ROUND_LANES)
        for (unsigned i = 0; i < 8; i++)
            value[i] = XOR(v[i], v[i + 8]);
    }
    transpose(value);
    for (unsigned lane = 0; lane < LANES; lane++)
        if (lane < count)
            _mm256_storeu_si256((__m256i *)out[lane], value[lane]);
}

const struct blake3_path blake3_avx2 = {"avx2", LANES, many};
#endif
