/* Reading a pack: everything that can be said about it is checked before the first entry is given.
 *
 * It trusts no length: each is compared with the bytes that are there before it is used. Invariant: after
 * am_pack_open, every record of the pack lies inside it, and every piece of a rope came before the rope. */
#include "blake3.h"
#include "codec.h"
#include "pack_format.h"

#include <stdlib.h>
#include <string.h>

struct am_pack_reader {
    const uint8_t *bytes;
    size_t at; /* of the next record */
    uint8_t key[32];
};

static int wrong(size_t at, const char *what)
{
    return pack_fail(AM_ECORRUPT, "not a whole pack: at byte %zu %s", at, what);
}

/* The frame around all entries: head, end, checksum. *end is the offset of the end. */
static int check_frame(const uint8_t *bytes, size_t length, size_t *end)
{
    struct pack_head head;
    struct pack_record last;
    uint8_t hash_of_all[32];
    struct am_blake3 hash;
    if (length < sizeof head + sizeof last)
        return wrong(length, "it ends, before a head and an end have room");
    memcpy(&head, bytes, sizeof head);
    if (memcmp(head.magic, PACK_MAGIC, sizeof head.magic) != 0)
        return wrong(0, "it does not begin with " PACK_MAGIC);
    if (head.version != PACK_VERSION || head.flags != 0)
        return pack_fail(AM_ECORRUPT,
                         "a pack of version %u with flags %u at byte 8; known is version %u with none",
                         head.version, head.flags, PACK_VERSION);
    *end = length - sizeof last;
    memcpy(&last, bytes + *end, sizeof last);
    if (last.kind != PACK_END || last.type != 0 || last.form != 0 || last.root != 0 || last.zero != 0 ||
        last.stored_bytes != 0)
        return wrong(*end, "no end stands");
    am_blake3_start(&hash);
    am_blake3_update(&hash, bytes, *end + offsetof(struct pack_record, id));
    am_blake3_finish(&hash, hash_of_all);
    if (memcmp(hash_of_all, last.id.bytes, sizeof hash_of_all) != 0)
        return wrong(*end, "the checksum is that of other bytes");
    return 0;
}

/* Every piece of this rope, a frame's worth at a time so that a lying length costs no memory. */
static int check_rope(const struct pack_ids *ids, const struct pack_record *record, const uint8_t *stored,
                      size_t at)
{
    if (record->raw_bytes % sizeof(am_piece) != 0 || record->raw_bytes > PACK_ROPE_LARGEST)
        return wrong(at, "a rope has a length that none can have");
    uint8_t *part = malloc(AM_FRAME);
    if (part == NULL)
        return pack_fail(AM_ENOMEM, "no memory to check a rope");
    int status = 0;
    for (uint64_t from = 0; from < record->raw_bytes && status == 0; from += AM_FRAME) {
        const uint64_t left = record->raw_bytes - from;
        const size_t length = left < AM_FRAME ? (size_t)left : AM_FRAME;
        status = am_decode_range(stored, (size_t)record->stored_bytes, NULL, from, part, length);
        if (status == AM_ENOMEM)
            pack_fail(status, "no memory to check a rope");
        else if (status != 0)
            wrong(at, "the bytes of a rope cannot be decoded");
        for (size_t i = 0; i < length && status == 0; i += sizeof(am_piece)) {
            am_piece piece;
            memcpy(&piece, part + i, sizeof piece);
            const char *what = pack_piece_wrong(ids, &piece);
            if (what != NULL)
                status = pack_fail(AM_ECORRUPT, "not a whole pack: piece %llu of the rope at byte %zu %s",
                                   (unsigned long long)((from + i) / sizeof piece), at, what);
        }
    }
    free(part);
    return status;
}

static int check_entry(const struct pack_ids *ids, const struct pack_record *record, const uint8_t *stored,
                       size_t at, size_t room)
{
    struct am_stored head;
    if ((record->kind != PACK_UNIT && record->kind != PACK_KNOWN) || record->root > 1 || record->zero != 0)
        return wrong(at, "there is no entry");
    if (record->type < AM_CONVERSATION || record->type > AM_KV_PAGE ||
        (record->form != AM_RAW && record->form != AM_ROPE) || record->raw_bytes > AM_LARGEST_UNIT)
        return wrong(at, "an entry has a type, form or length that no unit has");
    if (record->stored_bytes > room || (record->kind == PACK_KNOWN && record->stored_bytes != 0))
        return wrong(at, "an entry is longer than the pack");
    if (pack_ids_find(ids, &record->id) != NULL)
        return wrong(at, "an id comes a second time");
    if (record->kind == PACK_KNOWN)
        return 0;
    if (am_stored_head(stored, (size_t)record->stored_bytes, &head) != 0 || head.coding == AM_DELTA ||
        head.dictionary != 0 || head.raw_bytes != record->raw_bytes)
        return wrong(at, "an entry's bytes are coded in another way or length than it says");
    return record->form == AM_ROPE ? check_rope(ids, record, stored, at) : 0;
}

static int check_entries(struct pack_ids *ids, const uint8_t *bytes, size_t end)
{
    struct pack_record record;
    int status = 0;
    size_t at = sizeof(struct pack_head);
    while (at < end && status == 0) {
        if (end - at < sizeof record)
            return wrong(at, "there is no room for an entry before the end");
        memcpy(&record, bytes + at, sizeof record);
        const size_t stored = at + sizeof record;
        status = check_entry(ids, &record, bytes + stored, at, end - stored);
        if (status == 0)
            status = pack_ids_add(ids, &record);
        at = stored + (size_t)record.stored_bytes;
    }
    if (status != 0)
        return status;
    memcpy(&record, bytes + end, sizeof record);
    if (record.raw_bytes != ids->count)
        return pack_fail(AM_ECORRUPT, "not a whole pack: at byte %zu it says %llu entries, but has %zu", end,
                         (unsigned long long)record.raw_bytes, ids->count);
    return 0;
}

int am_pack_open(const void *bytes, size_t length, struct am_pack_reader **reader)
{
    size_t end;
    struct pack_ids ids;
    int status = check_frame(bytes, length, &end);
    if (status != 0 || (status = pack_ids_start(&ids)) != 0)
        return status;
    status = check_entries(&ids, bytes, end);
    pack_ids_free(&ids);
    if (status != 0)
        return status;
    struct am_pack_reader *made = malloc(sizeof *made);
    if (made == NULL)
        return pack_fail(AM_ENOMEM, "no memory to read a pack");
    made->bytes = bytes;
    made->at = sizeof(struct pack_head);
    memcpy(made->key, made->bytes + offsetof(struct pack_head, key), sizeof made->key);
    *reader = made;
    return 0;
}

int am_pack_next(struct am_pack_reader *reader, struct am_pack_entry *entry)
{
    struct pack_record record;
    memcpy(&record, reader->bytes + reader->at, sizeof record);
    if (record.kind == PACK_END)
        return 0;
    *entry = (struct am_pack_entry){.id = record.id,
                                    .raw_bytes = record.raw_bytes,
                                    .type = record.type,
                                    .form = record.form,
                                    .root = record.root,
                                    .known = record.kind == PACK_KNOWN,
                                    .stored = reader->bytes + reader->at + sizeof record,
                                    .stored_bytes = (size_t)record.stored_bytes};
    reader->at += sizeof record + (size_t)record.stored_bytes;
    return 1;
}

int am_pack_decode(const struct am_pack_entry *entry, void *out, size_t room)
{
    if (entry->known)
        return pack_fail(AM_ENOTFOUND, "a known entry of %llu bytes has no bytes in the pack",
                         (unsigned long long)entry->raw_bytes);
    if (room < entry->raw_bytes)
        return pack_fail(AM_ESIZE, "room for %zu bytes, %llu needed", room,
                         (unsigned long long)entry->raw_bytes);
    const int status =
        am_decode(entry->stored, entry->stored_bytes, NULL, 0, NULL, out, (size_t)entry->raw_bytes);
    if (status != 0)
        pack_fail(status,
                  status == AM_ENOMEM ? "no memory to decode an entry" : "an entry's bytes are damaged");
    return status;
}

const uint8_t *am_pack_key(const struct am_pack_reader *reader)
{
    return reader->key;
}

void am_pack_close(struct am_pack_reader *reader)
{
    free(reader);
}
