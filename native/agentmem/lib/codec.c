/* A unit's bytes as they are stored, and back. What frames are, codec_zstd.c knows; whose units, nobody here.
 *
 * Invariant: am_decode writes exactly head.raw_bytes or reports why not. Lengths in a head are believed only
 * after they fit the bytes that are there. */
#include "codec.h"

#include "agentmem.h"
#include "blake3.h"
#include "codec_zstd.h"

#include <stdlib.h>
#include <string.h>

#define BASE_ID 32u        /* bytes more in the head of a DELTA */
#define CHECK 8u           /* bytes of BLAKE3 behind a PLAIN unit */
#define FRAME_SMALLEST 11u /* magic, header, one block, checksum */

_Static_assert(sizeof(struct am_stored) == 48 && offsetof(struct am_stored, base) == AM_HEAD, "the format");

size_t am_stored_bound(size_t raw_bytes)
{
    return sizeof(struct am_stored) + raw_bytes + CHECK;
}

static size_t frames_of(uint64_t raw_bytes)
{
    return (size_t)((raw_bytes + AM_FRAME - 1) / AM_FRAME);
}

static size_t table_bytes(uint64_t raw_bytes)
{
    return raw_bytes > AM_FRAME ? 4 * frames_of(raw_bytes) : 0;
}

static void check_of(const void *raw, size_t raw_bytes, uint8_t out[CHECK])
{
    struct am_blake3 hash;
    uint8_t whole[32];
    am_blake3_start(&hash);
    am_blake3_update(&hash, raw, raw_bytes);
    am_blake3_finish(&hash, whole);
    memcpy(out, whole, CHECK);
}

static size_t encode_plain(const void *raw, size_t raw_bytes, uint8_t *out)
{
    const struct am_stored head = {.coding = AM_PLAIN, .raw_bytes = raw_bytes};
    memcpy(out, &head, AM_HEAD);
    if (raw_bytes > 0)
        memcpy(out + AM_HEAD, raw, raw_bytes);
    check_of(raw, raw_bytes, out + AM_HEAD + raw_bytes);
    return AM_HEAD + raw_bytes + CHECK;
}

/* What may follow the head: a sixteenth less than PLAIN takes. */
static size_t worth(size_t raw_bytes)
{
    return raw_bytes + CHECK - raw_bytes / 16;
}

size_t am_encode(const void *raw, size_t raw_bytes, const struct am_dictionary *dictionary, int level,
                 void *out)
{
    uint8_t *const table = (uint8_t *)out + AM_HEAD, *const end = table + worth(raw_bytes);
    uint8_t *to = table + table_bytes(raw_bytes);
    const struct am_frame_settings settings = {.level = level < 1            ? 1
                                                        : level >= AM_LEVELS ? AM_LEVELS - 1
                                                                             : level,
                                               .dictionary = dictionary};
    if (raw_bytes == 0 || to >= end)
        return encode_plain(raw, raw_bytes, out);
    const size_t frames = frames_of(raw_bytes);
    for (size_t i = 0; i < frames; i++) {
        const size_t at = i * AM_FRAME, length = raw_bytes - at < AM_FRAME ? raw_bytes - at : AM_FRAME;
        const size_t written =
            am_frame_encode(&settings, (const uint8_t *)raw + at, length, to, (size_t)(end - to));
        if (written == AM_NO_MEMORY)
            return 0;
        if (written == AM_NO_ROOM)
            return encode_plain(raw, raw_bytes, out);
        const uint32_t entry = (uint32_t)written;
        if (frames > 1)
            memcpy(table + 4 * i, &entry, 4);
        to += written;
    }
    const struct am_stored head = {.coding = AM_FRAMES,
                                   .level = (uint8_t)settings.level,
                                   .raw_bytes = raw_bytes,
                                   .dictionary = dictionary != NULL ? am_dictionary_number(dictionary) : 0};
    memcpy(out, &head, AM_HEAD);
    return (size_t)(to - (uint8_t *)out);
}

/* Above this, zstd's own tables are too small to know all of a base, and repeats are sought far back as
 * well. */
#define DELTA_SHORT (512u * 1024u)
#define DELTA_GROWN (8u << 20)
/* A delta is one frame, to be decoded as a whole: larger units are better off in frames. */
#define DELTA_LARGEST (4ull * AM_BASE_LARGEST)

size_t am_encode_delta(const void *raw, size_t raw_bytes, const void *base, size_t base_bytes,
                       const uint8_t base_id[32], void *out)
{
    if (worth(raw_bytes) <= BASE_ID || raw_bytes > DELTA_LARGEST || base_bytes == 0 ||
        base_bytes > AM_BASE_LARGEST)
        return am_encode(raw, raw_bytes, NULL, AM_LEVEL, out);
    const uint64_t reach = (uint64_t)base_bytes + raw_bytes;
    int window_log = 10;
    while ((1ull << window_log) < reach)
        window_log++;
    const struct am_frame_settings settings = {.level = AM_LEVEL,
                                               .window_log = window_log,
                                               .prefix = base,
                                               .prefix_bytes = base_bytes,
                                               .long_distance = reach > DELTA_SHORT};
    struct am_stored head = {.coding = AM_DELTA, .level = AM_LEVEL, .raw_bytes = raw_bytes};
    const size_t written =
        am_frame_encode(&settings, raw, raw_bytes, (uint8_t *)out + sizeof head, worth(raw_bytes) - BASE_ID);
    if (reach > DELTA_GROWN)
        am_zstd_shrink();
    if (written == AM_NO_MEMORY)
        return 0;
    if (written == AM_NO_ROOM)
        return am_encode(raw, raw_bytes, NULL, AM_LEVEL, out);
    memcpy(head.base, base_id, BASE_ID);
    memcpy(out, &head, sizeof head);
    return sizeof head + written;
}

int am_stored_head(const void *stored, size_t stored_bytes, struct am_stored *head)
{
    struct am_stored read = {0};
    if (stored_bytes < AM_HEAD)
        return AM_ECORRUPT;
    memcpy(&read, stored, AM_HEAD);
    const size_t follows = stored_bytes - AM_HEAD;
    if (read.zero[0] != 0 || read.zero[1] != 0 || read.raw_bytes > AM_LARGEST_UNIT)
        return AM_ECORRUPT;
    const bool level = read.level >= 1 && read.level < AM_LEVELS && read.raw_bytes > 0;
    switch (read.coding) {
    case AM_PLAIN:
        if (read.level != 0 || read.dictionary != 0 || follows != read.raw_bytes + CHECK)
            return AM_ECORRUPT;
        break;
    case AM_FRAMES:
        if (!level || follows < table_bytes(read.raw_bytes) + frames_of(read.raw_bytes) * FRAME_SMALLEST)
            return AM_ECORRUPT;
        break;
    case AM_DELTA:
        if (!level || read.dictionary != 0 || follows < BASE_ID + FRAME_SMALLEST)
            return AM_ECORRUPT;
        memcpy(read.base, (const uint8_t *)stored + AM_HEAD, BASE_ID);
        break;
    default:
        return AM_ECORRUPT;
    }
    *head = read;
    return 0;
}

/* The frames that hold [from, to) of the raw bytes, which start at out; others are passed over. */
static int decode_frames(const struct am_stored *head, const uint8_t *stored, size_t stored_bytes,
                         const struct am_dictionary *dictionary, uint64_t from, uint64_t to, uint8_t *out)
{
    const size_t frames = frames_of(head->raw_bytes);
    const uint8_t *const table = stored + AM_HEAD;
    size_t at = AM_HEAD + table_bytes(head->raw_bytes);
    uint8_t *part = NULL;
    int status = 0;
    for (size_t i = 0; i < frames && status == 0; i++) {
        uint32_t length = (uint32_t)(stored_bytes - at);
        if (frames > 1)
            memcpy(&length, table + 4 * i, 4);
        const uint64_t start = (uint64_t)i * AM_FRAME;
        const uint64_t end = head->raw_bytes - start < AM_FRAME ? head->raw_bytes : start + AM_FRAME;
        if (length > stored_bytes - at || (i + 1 == frames && length != stored_bytes - at)) {
            status = AM_ECORRUPT;
        } else if (start < to && end > from) {
            const bool whole = start >= from && end <= to;
            if (!whole && part == NULL && (part = malloc(AM_FRAME)) == NULL)
                return AM_ENOMEM;
            uint8_t *const into = whole ? out + (start - from) : part;
            status = am_frame_decode(stored + at, length, dictionary, NULL, 0, into, (size_t)(end - start));
            if (status == 0 && !whole) {
                const uint64_t first = start > from ? start : from, last = end < to ? end : to;
                memcpy(out + (first - from), part + (first - start), (size_t)(last - first));
            }
        }
        at += length;
    }
    free(part);
    return status;
}

static bool plain_is_right(const struct am_stored *head, const uint8_t *stored)
{
    uint8_t check[CHECK];
    check_of(stored + AM_HEAD, (size_t)head->raw_bytes, check);
    return memcmp(check, stored + AM_HEAD + head->raw_bytes, CHECK) == 0;
}

static bool is_dictionary(const struct am_stored *head, const struct am_dictionary *dictionary)
{
    return head->dictionary == (dictionary != NULL ? am_dictionary_number(dictionary) : 0);
}

int am_decode(const void *stored, size_t stored_bytes, const void *base, size_t base_bytes,
              const struct am_dictionary *dictionary, void *out, size_t out_bytes)
{
    struct am_stored head;
    if (am_stored_head(stored, stored_bytes, &head) != 0 || out_bytes != head.raw_bytes)
        return AM_ECORRUPT;
    if (head.coding == AM_DELTA) {
        if (base == NULL || base_bytes > AM_BASE_LARGEST)
            return AM_ECORRUPT;
        return am_frame_decode((const uint8_t *)stored + sizeof head, stored_bytes - sizeof head, NULL, base,
                               base_bytes, out, out_bytes);
    }
    return am_decode_range(stored, stored_bytes, dictionary, 0, out, out_bytes);
}

int am_decode_range(const void *stored, size_t stored_bytes, const struct am_dictionary *dictionary,
                    uint64_t offset, void *out, size_t out_bytes)
{
    struct am_stored head;
    if (am_stored_head(stored, stored_bytes, &head) != 0)
        return AM_ECORRUPT;
    if (head.coding == AM_DELTA || offset > head.raw_bytes || out_bytes > head.raw_bytes - offset)
        return AM_EINVAL;
    if (head.coding == AM_PLAIN) {
        if (!plain_is_right(&head, stored))
            return AM_ECORRUPT;
        if (out_bytes > 0)
            memcpy(out, (const uint8_t *)stored + AM_HEAD + offset, out_bytes);
        return 0;
    }
    if (!is_dictionary(&head, dictionary))
        return AM_ECORRUPT;
    return decode_frames(&head, stored, stored_bytes, dictionary, offset, offset + out_bytes, out);
}
