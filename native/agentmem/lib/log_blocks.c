/* A bare disk as a log's medium: segments in its slots, without a file system in between.
 *
 * Knows slots and bytes, not records; writing and reading are log_stage.c's and log_fetch.c's, as for files.
 * Invariant: a slot is given back when the last reader of its segment has ended, and is found by no later
 * open from am_slots_clear on; a slot that cannot be made out is let be and counts as broken.
 */
#include "agentmem.h"
#include "log_disk.h"
#include "log_slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENT_BYTES (64u << 20)
#define SEGMENT_LEAST (1u << 20)

static struct am_slot_head head_of(const struct am_log *log, const struct am_segment *segment, uint64_t used)
{
    const uint64_t slots = segment->taken / am_slots_bytes(log->disk->slots);
    return (struct am_slot_head){.salt = segment->salt, .used = used, .number = segment->number,
                                 .slots = (uint32_t)slots};
}

static int make(struct am_log *log, struct am_segment *segment)
{
    struct am_disk *disk = log->disk;
    struct am_slot_head head = head_of(log, segment, 0);
    const int status = am_slots_take(disk->slots, segment->bytes, &head, &segment->base);
    if (status != 0)
        return status;
    segment->bytes = segment->taken = head.slots * am_slots_bytes(disk->slots);
    pthread_mutex_lock(&log->lock);
    segment->written = segment->end; /* the head's block */
    disk->stage_at = disk->synced = segment->end;
    disk->used = 0;
    pthread_mutex_unlock(&log->lock);
    return 0;
}

/* Synced, and the head says where it ends: a later open looks no further. */
static int seal(struct am_log *log, struct am_segment *segment)
{
    int status = am_stage_seal(log, segment);
    const uint64_t used = am_block_up(segment->end);
    if (status == 0) {
        const struct am_slot_head head = head_of(log, segment, used);
        status = am_slots_seal(log->disk->slots, segment->base, &head);
    }
    if (status == 0) {
        pthread_mutex_lock(&log->lock);
        segment->bytes = used;
        pthread_mutex_unlock(&log->lock);
    }
    return status;
}

static int remove_segment(struct am_log *log, struct am_segment *segment)
{
    return am_slots_clear(log->disk->slots, segment->base);
}

static void release(struct am_log *log, struct am_segment *segment)
{
    if (segment->taken != 0)
        am_slots_give(log->disk->slots, segment->base, segment->taken);
    segment->taken = 0;
}

static void close_disk(struct am_log *log)
{
    am_slots_close(log->disk->slots);
    free(log->disk->stage);
    free(log->disk);
}

static int64_t peek(struct am_log *log, struct am_segment *segment, uint8_t *bytes, uint64_t count,
                    uint64_t at)
{
    struct am_blocks *blocks = log->disk->blocks;
    const uint64_t left = at < segment->bytes ? am_block_up(segment->bytes) - at : 0;
    struct am_io io = {.fd = -1, .bytes = bytes, .length = count < left ? count : left,
                       .offset = segment->base + at};
    blocks->run(blocks, &io, 1);
    if (io.error != 0 && io.moved == 0) {
        errno = io.error;
        return -1;
    }
    return (int64_t)io.moved;
}

static const struct am_medium medium = {.make = make, .write = am_stage_write, .read = am_fetch,
                                        .sync = am_stage_sync, .seal = seal, .remove = remove_segment,
                                        .release = release, .close = close_disk,
                                        .read_many = am_fetch_many, .peek = peek};

/* A segment of an earlier process. */
static int adopt(struct am_log *log, uint32_t slot, const struct am_slot_head *head)
{
    struct am_slots *slots = log->disk->slots;
    struct am_segment *segment = am_segment_new(head->number, head->salt, 0);
    if (segment == NULL)
        return AM_ENOMEM;
    segment->base = am_slots_base(slots, slot);
    segment->taken = head->slots * am_slots_bytes(slots);
    segment->bytes = head->used >= log->first ? head->used : segment->taken;
    int status = am_log_index(log, segment);
    if (status == 0) {
        segment->written = segment->bytes;
        status = am_log_adopt(log, segment);
    }
    if (status == 0)
        return 0;
    segment->taken = 0; /* the slots stay marked */
    am_segment_free(segment);
    if (status == AM_EINVAL) { /* two of one number: the second is left as it is */
        log->broken++;
        status = 0;
    }
    return status;
}

static int adopt_all(struct am_log *log)
{
    struct am_slots *slots = log->disk->slots;
    int status = 0;
    for (uint32_t slot = 0, count = 1; status == 0 && slot < am_slots_count(slots); slot += count) {
        struct am_slot_head head;
        const int there = am_slots_look(slots, slot, &head);
        count = there == 1 ? head.slots : 1;
        if (there == 0)
            continue;
        am_slots_mark(slots, slot, count);
        if (there == 1)
            status = adopt(log, slot, &head);
        else
            log->broken++;
    }
    return status;
}

int am_log_open_blocks(struct am_blocks *blocks, uint64_t limit, struct am_log **made)
{
    const uint64_t most = limit != 0 && limit < blocks->bytes ? limit : blocks->bytes;
    uint64_t bytes = most / 16 / AM_BLOCK * AM_BLOCK;
    struct am_disk *disk = calloc(1, sizeof *disk);
    struct am_log *log = NULL;
    bytes = bytes < SEGMENT_LEAST ? SEGMENT_LEAST : bytes < SEGMENT_BYTES ? bytes : SEGMENT_BYTES;
    if (disk == NULL || posix_memalign((void **)&disk->stage, AM_BLOCK, AM_STAGE) != 0) {
        blocks->close(blocks);
        free(disk);
        return AM_ENOMEM;
    }
    int status = am_slots_open(blocks, limit == UINT64_MAX ? 0 : bytes, &disk->slots);
    if (status == 0)
        status = am_log_create(&medium, am_slots_bytes(disk->slots), AM_BLOCK, &log);
    if (status != 0) {
        const int error = errno;
        if (disk->slots != NULL)
            am_slots_close(disk->slots);
        else
            blocks->close(blocks);
        free(disk->stage);
        free(disk);
        errno = error;
        return status;
    }
    disk->folder = -1;
    disk->blocks = blocks;
    log->disk = disk;
    const uint64_t room = am_slots_count(disk->slots) * am_slots_bytes(disk->slots);
    log->limit = limit != 0 && limit < room ? limit : room;
    status = adopt_all(log);
    if (status != 0) {
        am_log_close(log);
        return status;
    }
    *made = log;
    return 0;
}
