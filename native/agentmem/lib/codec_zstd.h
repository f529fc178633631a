/* What the coders share of zstd: contexts of this thread, the insides of a dictionary, and what errors
 * mean. */
#ifndef AM_CODEC_ZSTD_H
#define AM_CODEC_ZSTD_H

#include "codec.h"

#include <stdbool.h>
#include <zstd.h>

#define AM_LEVELS 20 /* 0 is not used */

/* This thread's, ready for new parameters; NULL when memory ran out. Lent until the next call of this
 * thread. */
ZSTD_CCtx *am_zstd_encoder(void);
ZSTD_DCtx *am_zstd_decoder(void);
/* This thread's encoder has grown for something large: give its memory back. */
void am_zstd_shrink(void);

/* The prepared dictionary for a level; made at its first use. NULL when memory ran out. */
const ZSTD_CDict *am_dictionary_encoder(const struct am_dictionary *dictionary, int level);
const ZSTD_DDict *am_dictionary_decoder(const struct am_dictionary *dictionary);

/* One frame with checksum, without the dictionary's number. The bytes written; AM_NO_ROOM where it needs
 * more than room, AM_NO_MEMORY. Prefix and dictionary: at most one of them. */
#define AM_NO_ROOM ((size_t)-1)
#define AM_NO_MEMORY ((size_t)-2)
struct am_frame_settings {
    int level;
    int window_log;     /* 0: as zstd chooses */
    bool long_distance; /* find what lies megabytes back */
    const struct am_dictionary *dictionary;
    const void *prefix;
    size_t prefix_bytes;
};
size_t am_frame_encode(const struct am_frame_settings *settings, const void *raw, size_t raw_bytes, void *out,
                       size_t room);
/* Exactly one frame of exactly raw_bytes: 0, AM_ECORRUPT or AM_ENOMEM. */
int am_frame_decode(const void *frame, size_t frame_bytes, const struct am_dictionary *dictionary,
                    const void *prefix, size_t prefix_bytes, void *raw, size_t raw_bytes);

#endif
