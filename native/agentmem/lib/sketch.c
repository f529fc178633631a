/* What a text is like, in eight numbers: the smallest hashes of its chunks, by eighths of all hashes.
 *
 * Chunks end where their content says so (a rolling hash over the last 64 bytes), so that what is put in or
 * taken out moves no border but the nearest; shorter ones end less easily than longer ones (FastCDC's
 * normalised cutting). Equal texts have equal sketches on every machine: the numbers may be kept. */
#include "codec.h"

#include <pthread.h>
#include <string.h>

enum { SHORTEST = 32, USUAL = 128, LONGEST = 1024 };
#define HARD (0x1ffull << 55) /* a border in 512 places, up to USUAL */
#define EASY (0x1full << 59)  /* in 32, from there */

static uint64_t gear[256];

/* Steele, Lea and Flood's SplitMix64: numbers for the table that are the same for ever. */
static void make_gear(void)
{
    uint64_t state = 0;
    for (int i = 0; i < 256; i++) {
        uint64_t word = state += 0x9e3779b97f4a7c15u;
        word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9u;
        word = (word ^ (word >> 27)) * 0x94d049bb133111ebu;
        gear[i] = word ^ (word >> 31);
    }
}

static size_t chunk_length(const uint8_t *data, size_t length)
{
    const size_t last = length < LONGEST ? length : LONGEST, usual = length < USUAL ? length : USUAL;
    uint64_t rolling = 0;
    size_t i = SHORTEST;
    for (; i < usual; i++)
        if (((rolling = (rolling << 1) + gear[data[i]]) & HARD) == 0)
            return i + 1;
    for (; i < last; i++)
        if (((rolling = (rolling << 1) + gear[data[i]]) & EASY) == 0)
            return i + 1;
    return last;
}

__extension__ typedef unsigned __int128 wide;

static uint64_t fold(uint64_t a, uint64_t b)
{
    const wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Multiplications folded in half; the numbers are those of pi. No defence against chosen texts: a sketch is a
 * hint. */
static uint64_t chunk_hash(const uint8_t *data, size_t length)
{
    uint64_t hash = 0x243f6a8885a308d3u ^ length, word;
    for (; length >= 8; data += 8, length -= 8) {
        memcpy(&word, data, 8);
        hash = fold(hash ^ word, 0xa4093822299f31d1u);
    }
    word = 0;
    memcpy(&word, data, length);
    return fold(fold(hash ^ word, 0x082efa98ec4e6c89u) ^ 0x452821e638d01377u, 0xbe5466cf34e90c6du);
}

void am_sketch(const void *data, size_t length, struct am_sketch *sketch)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_gear);
    memset(sketch, 0, sizeof *sketch);
    const uint8_t *at = data;
    for (size_t chunk; length > 0; at += chunk, length -= chunk) {
        chunk = chunk_length(at, length);
        const uint64_t hash = chunk_hash(at, chunk);
        uint64_t *bin = &sketch->bin[hash >> 61];
        /* An empty bin is 0, the largest of all once 1 is taken away. */
        if (hash - 1 < *bin - 1)
            *bin = hash;
    }
}

int am_sketch_agree(const struct am_sketch *a, const struct am_sketch *b)
{
    int agree = 0;
    for (int i = 0; i < AM_SKETCH; i++)
        agree += a->bin[i] != 0 && a->bin[i] == b->bin[i];
    return agree;
}
