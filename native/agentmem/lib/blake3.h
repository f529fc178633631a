/* BLAKE3 (O'Connor, Aumasson, Neves, Wilcox-O'Hearn, 2020): own C with AVX-512, AVX2 and plain paths, chosen once
 * at run time; all give the same bytes. 256-bit output, unkeyed, keyed, or derive-key. */
#ifndef AM_BLAKE3_H
#define AM_BLAKE3_H

#include <stddef.h>
#include <stdint.h>

struct am_blake3 {
    uint32_t key[8];
    uint8_t block[64];
    uint64_t chunk;        /* number of the chunk being filled */
    uint8_t block_bytes;
    uint8_t blocks;        /* compressed in this chunk */
    uint8_t flags;
    uint8_t depth;         /* chaining values on the stack */
    uint32_t value[8];     /* of the chunk so far */
    uint32_t stack[54][8];
};

void am_blake3_start(struct am_blake3 *hash);
void am_blake3_start_keyed(struct am_blake3 *hash, const uint8_t key[32]);
void am_blake3_start_derive(struct am_blake3 *hash, const char *context); /* then update with the key material */
void am_blake3_update(struct am_blake3 *hash, const void *data, size_t length);
void am_blake3_finish(const struct am_blake3 *hash, uint8_t out[32]); /* may be asked again, and updated further */

/* The id of a unit in a space: BLAKE3 keyed by the space over one byte of type, one byte of form, six zero bytes and
 * the content. The short prefix keeps a prompt and a tool of the same text apart. */
void am_unit_id(const uint8_t key[32], uint8_t type, uint8_t form, const void *data, size_t length, uint8_t out[32]);

/* For tests and benches: which path is used, and the way to take another. "avx512", "avx2", "plain". */
const char *am_blake3_path(void);
int am_blake3_use(const char *path); /* 0, or -1 when this processor has no such path */

#endif
