/* A record as it lies in a segment: the mark of 128 bytes, the payload, zeros up to a multiple of 64 bytes.
 *
 * Knows bytes, no segments and no files. Invariant: a mark names the place it was written to and the salt of
 * its segment, a random number that is told to nobody, so bytes of a payload that look like a record are
 * none, wherever they lie. Two checksums: `check` makes the mark believable by itself (a replay finds its way
 * by marks alone), `tag` covers mark and payload. Format: docs/formats/agentmem-log.md.
 */
#ifndef AM_LOG_RECORD_H
#define AM_LOG_RECORD_H

#include "log.h"

#define AM_STEP 64u
#define AM_MARK_BYTES 128u
#define AM_MARK_MAGIC 0x31304443524d4741ull /* "AGMRCD01" */

struct am_mark { /* little-endian */
    uint64_t magic, salt;
    uint32_t segment, step; /* where it lies: bytes from the segment's start, by 64 */
    uint64_t sequence, payload_bytes, time_ms;
    uint32_t realm, space, base_or_number;
    uint16_t importance;
    uint8_t kind, type, form, zero[7];
    uint8_t id[32];
    uint64_t check; /* first 8 bytes of BLAKE3 over all before it */
    uint8_t tag[16]; /* first 16 bytes of BLAKE3 over all before it, and the payload */
};
_Static_assert(sizeof(struct am_mark) == AM_MARK_BYTES, "the format");

/* Bytes that a record takes in its segment. */
static inline uint64_t am_record_bytes(uint64_t payload_bytes)
{
    return (AM_MARK_BYTES + payload_bytes + AM_STEP - 1) / AM_STEP * AM_STEP;
}

/* A record that says that an earlier one counts no more: GONE, and any other kind of importance 0xffff. */
static inline bool am_record_is_death(const struct am_log_head *head)
{
    return head->kind == AM_RECORD_GONE || (head->kind != AM_RECORD_UNIT && head->importance == 0xffff);
}

/* Equal for a record and its death: what is spoken of, in 64 bits. */
uint64_t am_record_key(const struct am_log_head *head);

/* sequence comes from the head. */
void am_mark_fill(struct am_mark *mark, const struct am_log_head *head, const void *payload, uint32_t segment,
                  uint64_t at, uint64_t salt);
/* Whether this is the mark of a record at this place; says nothing of its payload. */
bool am_mark_believed(const struct am_mark *mark, uint32_t segment, uint64_t at, uint64_t salt);
/* Whether mark and payload are what was written. */
bool am_mark_whole(const struct am_mark *mark, const void *payload);
void am_mark_head(const struct am_mark *mark, struct am_log_head *head);

#endif
