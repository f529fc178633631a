/* The paths of BLAKE3: one compression function, written for one lane, eight and sixteen. Internal to
 * blake3*.c.
 *
 * A path knows blocks and lanes, not chunks, trees or streams (blake3.c does those). Words are
 * little-endian in memory, so that chaining values and blocks are the same bytes. */
#ifndef AM_BLAKE3_PATHS_H
#define AM_BLAKE3_PATHS_H

#include <stddef.h>
#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "chaining values are used as bytes");

#define BLAKE3_BLOCK 64u
#define BLAKE3_CHUNK 1024u
#define BLAKE3_CHUNK_BLOCKS 16u
#define BLAKE3_LANES 16u

enum {
    BLAKE3_CHUNK_START = 1, BLAKE3_CHUNK_END = 2, BLAKE3_PARENT = 4, BLAKE3_ROOT = 8, BLAKE3_KEYED = 16,
    BLAKE3_DERIVE_CONTEXT = 32, BLAKE3_DERIVE_MATERIAL = 64,
};

#define BLAKE3_IV0 0x6a09e667u
#define BLAKE3_IV1 0xbb67ae85u
#define BLAKE3_IV2 0x3c6ef372u
#define BLAKE3_IV3 0xa54ff53au
#define BLAKE3_IV4 0x510e527fu
#define BLAKE3_IV5 0x9b05688cu
#define BLAKE3_IV6 0x1f83d9abu
#define BLAKE3_IV7 0x5be0cd19u

/* Seven rounds; the numbers are the message words in the order
 * in which the round's eight mixings take them. */
#define BLAKE3_ROUNDS(ROUND) \
    ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) \
    ROUND(2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8) \
    ROUND(3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1) \
    ROUND(10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6) \
    ROUND(12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4) \
    ROUND(9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7) \
    ROUND(11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13)

/* What marks the blocks of one run: all of them, its first and its last. */
struct blake3_flags { uint8_t all, first, last; };

/* `blocks` blocks in a row, of which only a lone one may be shorter than 64 bytes (`bytes`; the rest is
 * zero). */
void blake3_run(uint32_t value[8], const uint8_t *input, size_t blocks, unsigned bytes, uint64_t counter,
                struct blake3_flags flags);

struct blake3_path {
    const char *name;
    unsigned lanes; /* the most that `many` takes; at most BLAKE3_LANES */
    /* `count` (1 to lanes) runs side by side, each of `blocks` full blocks, started from `key`. The i-th
     * has counter + i * step. All input of a one-block call is read before out is written, so out may lie
     * on the first half of it. */
    void (*many)(const uint8_t *const *from, unsigned count, size_t blocks, const uint32_t key[8],
                 uint64_t counter, unsigned step, struct blake3_flags flags, uint32_t (*out)[8]);
};

extern const struct blake3_path blake3_plain;
#if defined(__x86_64__)
extern const struct blake3_path blake3_avx2;
extern const struct blake3_path blake3_avx512;
#endif

/* The path in use. */
const struct blake3_path *blake3_path(void);

static inline unsigned blake3_flags_of(struct blake3_flags flags, size_t block, size_t blocks)
{
    return flags.all | (block == 0 ? flags.first : 0u) | (block + 1 == blocks ? flags.last : 0u);
}

#endif
