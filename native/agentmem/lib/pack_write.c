/* Writing a pack: entry by entry to a file descriptor, hashed on the way.
 *
 * Invariant: the end, which makes it a pack, is written only after everything before it was. */
#include "blake3.h"
#include "codec.h"
#include "pack_format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define BUFFER_KEPT (4u << 20) /* a larger one goes back to the system */

struct am_pack_writer {
    int fd, status;
    uint8_t key[32];
    uint64_t count;
    struct am_blake3 hash;
    struct pack_ids ids;
    uint8_t *buffer;
    size_t room;
};

static int put(struct am_pack_writer *writer, const void *bytes, size_t length)
{
    am_blake3_update(&writer->hash, bytes, length);
    for (size_t done = 0; done < length;) {
        const ssize_t wrote = write(writer->fd, (const uint8_t *)bytes + done, length - done);
        if (wrote < 0 && errno != EINTR)
            return writer->status = pack_fail(AM_EDISK, "the pack could not be written: %s", strerror(errno));
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    return 0;
}

int am_pack_create(int fd, struct am_pack_writer **writer)
{
    struct am_pack_writer *made = calloc(1, sizeof *made);
    if (made == NULL || pack_ids_start(&made->ids) != 0) {
        free(made);
        return pack_fail(AM_ENOMEM, "no memory to write a pack");
    }
    made->fd = fd;
    am_blake3_start(&made->hash);
    struct pack_head head = {.magic = PACK_MAGIC, .version = PACK_VERSION};
    if (getrandom(made->key, sizeof made->key, 0) != sizeof made->key)
        made->status =
            pack_fail(AM_EBUSY, "the system has no random number for a pack's key: %s", strerror(errno));
    memcpy(head.key, made->key, sizeof head.key);
    if (made->status == 0 && put(made, &head, sizeof head) == 0) {
        *writer = made;
        return 0;
    }
    const int status = made->status;
    pack_ids_free(&made->ids);
    free(made);
    return status;
}

static int check(struct am_pack_writer *writer, uint8_t type, uint8_t form, uint64_t length)
{
    if (writer->status != 0)
        return writer->status;
    if (type < AM_CONVERSATION || type > AM_KV_PAGE || (form != AM_RAW && form != AM_ROPE) ||
        length > AM_LARGEST_UNIT)
        return writer->status = pack_fail(AM_EINVAL, "no unit: type %u, form %u, %llu bytes", type, form,
                                          (unsigned long long)length);
    return 0;
}

static int check_rope(struct am_pack_writer *writer, const uint8_t *raw, uint64_t length)
{
    if (length % sizeof(am_piece) != 0 || length > PACK_ROPE_LARGEST)
        return writer->status = pack_fail(AM_EINVAL, "%llu bytes are no rope", (unsigned long long)length);
    for (uint64_t at = 0; at < length; at += sizeof(am_piece)) {
        am_piece piece;
        memcpy(&piece, raw + at, sizeof piece);
        const char *wrong = pack_piece_wrong(&writer->ids, &piece);
        if (wrong != NULL)
            return writer->status = pack_fail(AM_EINVAL, "piece %llu of a rope %s; add its unit first",
                                              (unsigned long long)(at / sizeof piece), wrong);
    }
    return 0;
}

static int add(struct am_pack_writer *writer, const struct pack_record *record, const void *stored)
{
    if (put(writer, record, sizeof *record) != 0 || put(writer, stored, (size_t)record->stored_bytes) != 0)
        return writer->status;
    writer->count++;
    return writer->status = pack_ids_add(&writer->ids, record);
}

static int make_room(struct am_pack_writer *writer, size_t bytes)
{
    if (bytes <= writer->room)
        return 0;
    free(writer->buffer);
    writer->buffer = malloc(bytes);
    writer->room = writer->buffer != NULL ? bytes : 0;
    if (writer->buffer == NULL)
        return writer->status = pack_fail(AM_ENOMEM, "no memory to pack a unit: %zu bytes", bytes);
    return 0;
}

int am_pack_add(struct am_pack_writer *writer, uint8_t type, uint8_t form, bool root, const void *raw,
                uint64_t length, am_id *id)
{
    struct pack_record record = {
        .kind = PACK_UNIT, .type = type, .form = form, .root = root, .raw_bytes = length};
    if (check(writer, type, form, length) != 0 || (form == AM_ROPE && check_rope(writer, raw, length) != 0))
        return writer->status;
    am_unit_id(writer->key, type, form, raw, (size_t)length, record.id.bytes);
    const struct pack_record *there = pack_ids_find(&writer->ids, &record.id);
    if (there != NULL && root && !there->root)
        return writer->status = pack_fail(AM_EINVAL, "a unit of %llu bytes was added before, not as a root",
                                          (unsigned long long)length);
    if (there == NULL) {
        if (make_room(writer, am_stored_bound((size_t)length)) != 0)
            return writer->status;
        record.stored_bytes = am_encode(raw, (size_t)length, NULL, AM_LEVEL, writer->buffer);
        if (record.stored_bytes == 0)
            return writer->status = pack_fail(AM_ENOMEM, "no memory to pack a unit of %llu bytes",
                                              (unsigned long long)length);
        const int status = add(writer, &record, writer->buffer);
        if (writer->room > BUFFER_KEPT) {
            free(writer->buffer);
            writer->buffer = NULL;
            writer->room = 0;
        }
        if (status != 0)
            return status;
    }
    *id = record.id;
    return 0;
}

int am_pack_add_known(struct am_pack_writer *writer, uint8_t type, uint8_t form, const am_id *content_id,
                      uint64_t length, am_id *id)
{
    const struct pack_record record = {
        .kind = PACK_KNOWN, .type = type, .form = form, .raw_bytes = length, .id = *content_id};
    if (check(writer, type, form, length) != 0)
        return writer->status;
    if (pack_ids_find(&writer->ids, content_id) == NULL && add(writer, &record, "") != 0)
        return writer->status;
    *id = record.id;
    return 0;
}

int am_pack_finish(struct am_pack_writer *writer)
{
    struct pack_record end = {.kind = PACK_END, .raw_bytes = writer->count};
    if (writer->status == 0) {
        am_blake3_update(&writer->hash, &end, offsetof(struct pack_record, id));
        am_blake3_finish(&writer->hash, end.id.bytes);
        put(writer, &end, sizeof end);
    }
    const int status = writer->status;
    am_pack_discard(writer);
    return status;
}

void am_pack_discard(struct am_pack_writer *writer)
{
    pack_ids_free(&writer->ids);
    free(writer->buffer);
    free(writer);
}
