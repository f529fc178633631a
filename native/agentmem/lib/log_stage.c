/* Writing to a segment on disk: records are gathered in a stage and go to the file in whole blocks, past the
 * cache.
 *
 * Knows bytes, not records. Invariant: see log_disk.h; and when a write fails, everything before the
 * segment's end is still either in the stage or in the file, so that the same can be tried again.
 */
#include "agentmem.h"
#include "log_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PIECE (AM_STAGE / 4) /* bytes of one write to a bare disk: several are in flight */

/* The stage's first bytes into the file, where they belong: one write, because of several in flight a killed
 * process may leave the later one, and a hole before it that looks like damage. */
static int put_out(struct am_log *log, struct am_segment *segment, uint64_t bytes)
{
    struct am_disk *disk = log->disk;
    struct am_io ios[AM_STAGE / PIECE];
    size_t count = 0;
    const uint64_t piece = disk->blocks != NULL ? PIECE : AM_STAGE;
    for (uint64_t at = 0; at < bytes; at += piece)
        ios[count++] = (struct am_io){.fd = segment->fd, .write = true, .bytes = disk->stage + at,
                                      .length = bytes - at < piece ? bytes - at : piece,
                                      .offset = segment->base + disk->stage_at + at};
    for (int attempt = 0; attempt < 2; attempt++) {
        int error = 0;
        am_disk_run(disk, ios, count, true);
        for (size_t i = 0; i < count; i++)
            if (ios[i].error != 0)
                error = ios[i].error;
        if (error == 0)
            return 0;
        errno = error;
        if (disk->blocks != NULL)
            break;
        const int flags = fcntl(segment->fd, F_GETFL);
        if (error != EINVAL || flags < 0 || (flags & O_DIRECT) == 0 ||
            fcntl(segment->fd, F_SETFL, flags & ~O_DIRECT) != 0)
            break; /* else: this file system takes O_DIRECT when a file is opened and refuses it now */
    }
    return AM_EDISK;
}

/* Everything in the stage into the file; a block that is not full stays in the stage too. tail: write that
 * one. */
static int flush(struct am_log *log, struct am_segment *segment, bool tail)
{
    struct am_disk *disk = log->disk;
    const uint64_t whole = disk->used / AM_BLOCK * AM_BLOCK, to = tail ? am_block_up(disk->used) : whole;
    if (to == 0)
        return 0;
    memset(disk->stage + disk->used, 0, am_block_up(disk->used) - disk->used);
    const int status = put_out(log, segment, to);
    if (status != 0)
        return status;
    pthread_mutex_lock(&log->lock);
    memmove(disk->stage, disk->stage + whole, disk->used - whole);
    disk->stage_at += whole;
    disk->used -= whole;
    segment->written = disk->stage_at;
    pthread_mutex_unlock(&log->lock);
    return 0;
}

/* Behind what is in the stage; what is full goes out. */
static int pour(struct am_log *log, struct am_segment *segment, const void *bytes, uint64_t count)
{
    struct am_disk *disk = log->disk;
    const uint8_t *from = bytes;
    while (count > 0) {
        const uint64_t room = AM_STAGE - disk->used, part = count < room ? count : room;
        if (from != NULL)
            memcpy(disk->stage + disk->used, from, part);
        else
            memset(disk->stage + disk->used, 0, part);
        pthread_mutex_lock(&log->lock);
        disk->used += part;
        pthread_mutex_unlock(&log->lock);
        from = from == NULL ? NULL : from + part;
        count -= part;
        const int status = disk->used == AM_STAGE ? flush(log, segment, false) : 0;
        if (status != 0)
            return status;
    }
    return 0;
}

int am_stage_write(struct am_log *log, struct am_segment *segment, const struct am_mark *mark,
                   const void *payload)
{
    struct am_disk *disk = log->disk;
    const uint64_t bytes = am_record_bytes(mark->payload_bytes);
    if (disk->used + bytes > AM_STAGE) {
        const int status = flush(log, segment, false);
        if (status != 0)
            return status;
    }
    const uint64_t at = disk->stage_at, used = disk->used; /* if it goes wrong, from here again */
    uint8_t begun[AM_BLOCK];
    const bool streams = used + bytes > AM_STAGE; /* then less than a block is in the stage */
    if (streams)
        memcpy(begun, disk->stage, used);
    int status = pour(log, segment, mark, sizeof *mark);
    if (status == 0)
        status = pour(log, segment, payload, mark->payload_bytes);
    if (status == 0)
        status = pour(log, segment, NULL, bytes - sizeof *mark - mark->payload_bytes);
    if (status != 0) {
        pthread_mutex_lock(&log->lock);
        if (streams)
            memcpy(disk->stage, begun, used);
        disk->stage_at = segment->written = at;
        disk->used = used;
        pthread_mutex_unlock(&log->lock);
    }
    return status;
}

int am_stage_sync(struct am_log *log, struct am_segment *segment)
{
    struct am_disk *disk = log->disk;
    if (disk->failed)
        return AM_EDISK;
    if (disk->synced == segment->end)
        return 0;
    const int status = flush(log, segment, true);
    if (status != 0)
        return status;
    if (disk->blocks != NULL ? disk->blocks->flush(disk->blocks) != 0 : fdatasync(segment->fd) != 0) {
        disk->failed = true; /* a second one could say yes and mean nothing */
        return AM_EDISK;
    }
    disk->synced = segment->end;
    return 0;
}

int am_stage_seal(struct am_log *log, struct am_segment *segment)
{
    const struct am_disk *disk = log->disk;
    const int status = am_stage_sync(log, segment);
    if (status != 0)
        return status;
    const uint64_t bytes = am_block_up(segment->end);
    /* A file that cannot be cut takes more than it needs until it is compacted. */
    const bool cut = disk->blocks == NULL && bytes < segment->bytes &&
                     ftruncate(segment->fd, (off_t)bytes) == 0;
    pthread_mutex_lock(&log->lock);
    segment->written = bytes;
    if (cut)
        segment->bytes = segment->taken = bytes;
    pthread_mutex_unlock(&log->lock);
    return 0;
}
