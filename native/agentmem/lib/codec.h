/* How a unit's bytes are stored when nobody maps them. Pure functions: no locks, safe from any thread.
 *
 * A stored unit is one of
 *   PLAIN   the bytes themselves and eight bytes of their BLAKE3: what does not shrink by a sixteenth
 *   FRAMES  zstd frames of AM_FRAME raw bytes each, every one readable by itself (with the dictionary, if
 *           one was used), so that a part of a large unit costs the decoding of the frames it lies in
 *   DELTA   one zstd frame with a base unit's bytes as prefix (45 bytes for a prompt with another date)
 * Every one begins with the first AM_HEAD bytes of struct am_stored, little-endian; a DELTA with all of it.
 * FRAMES of more than one frame have a table behind it: the stored length of each, uint32. The raw length is
 * exact and checked, each frame has a checksum of its raw bytes, and a decoder never writes past its room
 * whatever the bytes are.
 *
 * What a thread needs to code (some megabytes) it makes once and gives back when it ends. */
#ifndef AM_CODEC_H
#define AM_CODEC_H

#include <stddef.h>
#include <stdint.h>

enum am_coding { AM_PLAIN = 0, AM_FRAMES = 1, AM_DELTA = 2 };
/* Agent sessions, zstd level 3: 64 KiB frames shrink 3.5 times, 256 KiB 4.0, 1 MiB 4.6, whole sessions
 * 4.6; one of 1 MiB decodes in .6 ms. Smaller ones with the bytes before them as prefix shrink as well,
 * but must be read from the start of that prefix: the same work for reader and more for the writer. */
#define AM_FRAME (1024u * 1024u)
#define AM_LEVEL 3
#define AM_BASE_LARGEST (64u << 20) /* bytes of a base that a delta may lean on */
#define AM_DICTIONARY (256u * 1024u) /* the largest that training makes */
#define AM_HEAD 16u

struct am_stored {
    uint8_t coding, level, zero[2]; /* level 0 for PLAIN */
    uint32_t dictionary;   /* its number, given by who trained it; 0: none */
    uint64_t raw_bytes;
    uint8_t base[32];      /* DELTA: the base's id; else zero */
};

/* Prepared dictionaries: made once, used by any number of threads at a time. */
struct am_dictionary;
/* Train on samples laid end to end, in any order that is not sorted by kind: the last fifth judges which
 * size is best. NULL when there is too little to learn from or memory ran out. Seconds for some
 * megabytes; number is not 0. */
struct am_dictionary *am_dictionary_train(const void *samples, const size_t *lengths, size_t count,
                                          uint32_t number);
/* The bytes are copied. NULL for what is no dictionary, or when memory ran out. */
struct am_dictionary *am_dictionary_load(const void *bytes, size_t length, uint32_t number);
const void *am_dictionary_bytes(const struct am_dictionary *dictionary, size_t *length);
uint32_t am_dictionary_number(const struct am_dictionary *dictionary);
void am_dictionary_free(struct am_dictionary *dictionary);

/* The most bytes am_encode* can write for raw_bytes of content. */
size_t am_stored_bound(size_t raw_bytes);
/* Encode at a zstd level of 1 to 19; the bytes written to out (room am_stored_bound), or 0 when memory
 * ran out. dictionary may be NULL. */
size_t am_encode(const void *raw, size_t raw_bytes, const struct am_dictionary *dictionary, int level,
                 void *out);
/* As DELTA; as am_encode does it without a dictionary where the base is empty or larger than AM_BASE_LARGEST,
 * raw is more than four times as large as that, or does not shrink with it: the head tells. */
size_t am_encode_delta(const void *raw, size_t raw_bytes, const void *base, size_t base_bytes,
                       const uint8_t base_id[32], void *out);
/* Read the head only: 0, or AM_ECORRUPT. */
int am_stored_head(const void *stored, size_t stored_bytes, struct am_stored *head);
/* Decode all of it into out, which has head.raw_bytes: 0, AM_ECORRUPT (also: not this base, not this
 * dictionary), or AM_ENOMEM. base and dictionary as the head says, else NULL. After a failure out holds
 * anything. */
int am_decode(const void *stored, size_t stored_bytes, const void *base, size_t base_bytes,
              const struct am_dictionary *dictionary, void *out, size_t out_bytes);
/* Decode out_bytes from this offset of the raw bytes; AM_EINVAL for a DELTA or a range that is not in
 * the unit. */
int am_decode_range(const void *stored, size_t stored_bytes, const struct am_dictionary *dictionary,
                    uint64_t offset, void *out, size_t out_bytes);

/* A sketch: what a text's chunks are, in 8 numbers. Alike texts share most of them wherever their
 * difference lies (minimum of the hashes of content-defined chunks, FastCDC cutting, one permutation
 * with eight bins). Chunks are short, some 150 bytes, so that texts of a kilobyte have enough of them.
 * Real texts with 76 bytes of environment put in, the others' unlike it: 92 % of 1 KB, 97 % of 2 KB and
 * all from 16 KB on have AM_SKETCH_ALIKE; of texts that have nothing to do with each other fewer than 1
 * in 200 do. */
#define AM_SKETCH 8
#define AM_SKETCH_ALIKE 2 /* bins that agree: from here on a delta is worth trying */
struct am_sketch { uint64_t bin[AM_SKETCH]; }; /* 0 in a bin: nothing fell there */
void am_sketch(const void *data, size_t length, struct am_sketch *sketch);
/* Bins that agree and are not 0: 0 to 8. */
int am_sketch_agree(const struct am_sketch *a, const struct am_sketch *b);

#endif
