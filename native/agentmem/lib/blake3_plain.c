/* BLAKE3's compression in portable C: every lone block, and everything on processors without wide
 * vectors. One block in the four rows of a 128-bit vector was measured and is slower here (1.4 us for 1
 * KiB, not 0.9): its instructions wait for each other. */
#include "blake3_paths.h"

#include <string.h>

static inline uint32_t turn(uint32_t word, unsigned bits)
{
    return word >> bits | word << (32 - bits);
}

#define MIX(a, b, c, d, x, y) \
    do { \
        v[a] += v[b] + m[x]; \
        v[d] = turn(v[d] ^ v[a], 16); \
        v[c] += v[d]; \
        v[b] = turn(v[b] ^ v[c], 12); \
        v[a] += v[b] + m[y]; \
        v[d] = turn(v[d] ^ v[a], 8); \
        v[c] += v[d]; \
        v[b] = turn(v[b] ^ v[c], 7); \
    } while (0);

#define ROUND(m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15) \
    MIX(0, 4, 8, 12, m0, m1) \
    MIX(1, 5, 9, 13, m2, m3) \
    MIX(2, 6, 10, 14, m4, m5) \
    MIX(3, 7, 11, 15, m6, m7) \
    MIX(0, 5, 10, 15, m8, m9) \
    MIX(1, 6, 11, 12, m10, m11) \
    MIX(2, 7, 8, 13, m12, m13) \
    MIX(3, 4, 9, 14, m14, m15)

void blake3_run(uint32_t value[8], const uint8_t *input, size_t blocks, unsigned bytes, uint64_t counter,
                struct blake3_flags flags)
{
    for (size_t block = 0; block < blocks; block++) {
        uint32_t m[16];
        memcpy(m, input + block * BLAKE3_BLOCK, sizeof m);
        uint32_t v[16] = {value[0], value[1], value[2], value[3], value[4], value[5], value[6], value[7],
                          BLAKE3_IV0, BLAKE3_IV1, BLAKE3_IV2, BLAKE3_IV3, (uint32_t)counter,
                          (uint32_t)(counter >> 32), bytes, blake3_flags_of(flags, block, blocks)};
        BLAKE3_ROUNDS(ROUND)
        for (unsigned i = 0; i < 8; i++)
            value[i] = v[i] ^ v[i + 8];
    }
}

static void many(const uint8_t *const *from, unsigned count, size_t blocks, const uint32_t key[8],
                 uint64_t counter, unsigned step, struct blake3_flags flags, uint32_t (*out)[8])
{
    for (unsigned lane = 0; lane < count; lane++) {
        uint32_t value[8];
        memcpy(value, key, sizeof value);
        const uint64_t number = counter + (uint64_t)lane * step;
        blake3_run(value, from[lane], blocks, BLAKE3_BLOCK, number, flags);
        memcpy(out[lane], value, sizeof value); /* not earlier: out may be the input of this lane */
    }
}

const struct blake3_path blake3_plain = {"plain", 1, many};
