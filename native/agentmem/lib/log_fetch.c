/* Reading records from segments on disk: aligned for O_DIRECT, from any thread, many at a time.
 *
 * Knows bytes and places. Invariant: what the file does not have yet comes from the stage, taken under the
 * log's lock; nothing beyond a segment's end is asked for. Memory: a megabyte for a record read by itself,
 * eight for many.
 */
#include "agentmem.h"
#include "log_disk.h"

#include <stdlib.h>
#include <string.h>

#define MANY 32u
#define MANY_BYTES (8u << 20)
#define ALONE (1u << 20) /* bytes read at once; larger records go by parts */

/* Bytes of a record, from `offset` in it, to where they belong. */
static void scatter(struct am_mark *mark, uint8_t *payload, uint64_t bytes, uint64_t offset,
                    const uint8_t *from, uint64_t count)
{
    if (offset < sizeof *mark) {
        const uint64_t part = count < sizeof *mark - offset ? count : sizeof *mark - offset;
        memcpy((uint8_t *)mark + offset, from, part);
        offset += part;
        from += part;
        count -= part;
    }
    if (count > 0 && offset - sizeof *mark < bytes) {
        const uint64_t left = bytes - (offset - sizeof *mark);
        memcpy(payload + (offset - sizeof *mark), from, count < left ? count : left);
    }
}

/* What the stage has of a record; the bytes before it, which the file has. */
static uint64_t from_stage(struct am_log *log, const struct am_segment *segment, uint64_t at,
                           struct am_mark *mark, void *payload, uint64_t bytes)
{
    const struct am_disk *disk = log->disk;
    const uint64_t wanted = sizeof *mark + bytes;
    pthread_mutex_lock(&log->lock);
    uint64_t in_file = segment->written > at ? segment->written - at : 0;
    if (in_file > wanted)
        in_file = wanted;
    if (in_file < wanted)
        scatter(mark, payload, bytes, in_file, disk->stage + (at + in_file - disk->stage_at),
                wanted - in_file);
    pthread_mutex_unlock(&log->lock);
    return in_file;
}

static bool given(const struct am_io *io, uint64_t least)
{
    return io->error == 0 && io->moved >= least;
}

int am_fetch(struct am_log *log, struct am_segment *segment, uint64_t at, struct am_mark *mark, void *payload,
             uint64_t bytes)
{
    const uint64_t in_file = from_stage(log, segment, at, mark, payload, bytes);
    if (in_file == 0)
        return 0;
    uint64_t begin = at / AM_BLOCK * AM_BLOCK;
    const uint64_t end = am_block_up(at + in_file), room = end - begin < ALONE ? end - begin : ALONE;
    uint8_t *window;
    if (posix_memalign((void **)&window, AM_BLOCK, room) != 0)
        return AM_ENOMEM;
    int status = 0;
    for (; begin < end && status == 0; begin += room) {
        const uint64_t length = end - begin < room ? end - begin : room;
        const uint64_t from = begin < at ? at : begin; /* of the record, [from, least) is in the window */
        const uint64_t least = begin + length < at + in_file ? begin + length : at + in_file;
        struct am_io io = {.fd = segment->fd, .bytes = window, .length = length,
                           .offset = segment->base + begin};
        am_disk_run(log->disk, &io, 1, false);
        if (given(&io, least - begin))
            scatter(mark, payload, bytes, from - at, window + (from - begin), least - from);
        else
            status = AM_EDISK;
    }
    free(window);
    return status;
}

/* A record that is read together with others. */
struct flight {
    struct am_log_want *want;
    struct am_segment *segment;
    struct am_entry entry;
    uint64_t bytes; /* of the payload that are wanted */
    size_t io;
};

/* Whether it can fly: lies in the file and is not too large. Otherwise it has been read. */
static bool board(struct am_log *log, struct am_log_want *want, struct flight *flight, struct am_io *io)
{
    flight->want = want;
    flight->segment = am_log_hold(log, want->address, &flight->entry);
    if (flight->segment == NULL) {
        want->status = AM_ENOTFOUND;
        return false;
    }
    const uint64_t at = am_entry_at(&flight->entry), begin = at / AM_BLOCK * AM_BLOCK;
    flight->bytes = want->payload == NULL ? 0 : am_entry_payload(&flight->entry);
    const uint64_t length = am_block_up(at + AM_MARK_BYTES + flight->bytes) - begin;
    pthread_mutex_lock(&log->lock);
    const bool written = at + AM_MARK_BYTES + flight->bytes <= flight->segment->written;
    pthread_mutex_unlock(&log->lock);
    *io = (struct am_io){.fd = flight->segment->fd, .length = length,
                         .offset = flight->segment->base + begin};
    if (written && length <= ALONE && flight->bytes <= want->room &&
        posix_memalign((void **)&io->bytes, AM_BLOCK, length) == 0)
        return true;
    am_log_unhold(log, flight->segment);
    want->status = am_log_read(log, want->address, &want->head, want->payload, want->room);
    return false;
}

static void land(struct am_log *log, const struct flight *flight, const struct am_io *io)
{
    struct am_log_want *want = flight->want;
    const uint64_t skip = flight->segment->base + am_entry_at(&flight->entry) - io->offset;
    struct am_mark mark;
    want->status = AM_EDISK;
    if (given(io, skip + sizeof mark + flight->bytes)) {
        scatter(&mark, want->payload, flight->bytes, 0, io->bytes + skip, sizeof mark + flight->bytes);
        want->status = am_log_judge(flight->segment, &flight->entry, &mark, want->payload, &want->head);
    }
    free(io->bytes);
    am_log_unhold(log, flight->segment);
}

void am_fetch_many(struct am_log *log, struct am_log_want *wants, size_t count)
{
    struct flight flights[MANY];
    struct am_io ios[MANY];
    for (size_t next = 0; next < count;) {
        size_t flying = 0;
        uint64_t bytes = 0;
        for (; next < count && flying < MANY && bytes < MANY_BYTES; next++)
            if (board(log, &wants[next], &flights[flying], &ios[flying]))
                bytes += ios[flying++].length;
        am_disk_run(log->disk, ios, flying, true);
        for (size_t i = 0; i < flying; i++)
            land(log, &flights[i], &ios[i]);
    }
}
