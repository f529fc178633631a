/* A bare disk as a log's medium: segments in its slots, without a file system in between.
 *
 * Knows slots and bytes, not records; writing and reading are log_stage.c's and log_fetch.c's, as for files.
 * Invariant: a slot is given back when the last reader of its segment has ended, and is found by no later
 * open from am_slots_clear on; a slot that cannot be made out is let be and counts as broken.
 */
#include "agentmem.h"
#include "log_disk.h"
#include "log_sheet.h"
#include "log_slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_WANTED 16u          /* at least, of what may be taken */
#define SLOTS_MOST 20u            /* two to this power at most: each head is read at an open */
#define LIMIT_LEAST UINT64_C(4)   /* slots: below, hardly one could be written to */

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
    const struct am_slot_head head = head_of(log, segment, 0);
    return am_slots_clear(log->disk->slots, segment->base, &head);
}

/* First zeros where a torn record begins in the block of a whole one, then the head says where the segment
 * ends; so a head that does has nothing torn before that end. No segment is active: the stage is free. */
static int cut(struct am_log *log, struct am_segment *segment, uint64_t at)
{
    struct am_disk *disk = log->disk;
    const uint64_t used = am_block_up(at), last = segment->base + used - AM_BLOCK;
    int status = 0;
    if (at < used) {
        status = am_sheet_move(disk->blocks, false, disk->stage, AM_BLOCK, last);
        memset(disk->stage + at % AM_BLOCK, 0, used - at);
        if (status == 0)
            status = am_sheet_move(disk->blocks, true, disk->stage, AM_BLOCK, last);
        if (status == 0)
            status = am_sheet_flush(disk->blocks);
    }
    const struct am_slot_head head = head_of(log, segment, used);
    if (status == 0)
        status = am_slots_seal(disk->slots, segment->base, &head);
    if (status == 0) {
        pthread_mutex_lock(&log->lock);
        segment->bytes = segment->written = used;
        pthread_mutex_unlock(&log->lock);
    }
    return status;
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
    while (io.error == EIO && io.length > AM_BLOCK) { /* a bad block takes none of those before it along */
        io.length = am_block_up(io.length / 2);
        blocks->run(blocks, &io, 1);
    }
    if (io.error == 0)
        return (int64_t)io.moved;
    if (io.error != EIO)
        log->disk->silent = io.error;
    errno = io.error;
    return -1;
}

/* Slots whose heads could not be made out; segment 0 stands for them. */
static void name_broken(struct am_log *log, am_log_broken *broken, void *context)
{
    const struct am_slots *slots = log->disk->slots;
    for (uint32_t slot = 0; slot < am_slots_count(slots); slot++)
        if (am_slots_broken(slots, slot))
            broken(context, 0, am_slots_base(slots, slot), am_slots_bytes(slots),
                   "the head of this slot of the disk cannot be made out");
}

static const struct am_medium medium = {.make = make, .write = am_stage_write, .read = am_fetch,
                                        .sync = am_stage_sync, .seal = seal, .remove = remove_segment,
                                        .cut = cut, .release = release, .close = close_disk,
                                        .read_many = am_fetch_many, .peek = peek,
                                        .name_broken = name_broken};

/* A segment of an earlier process. */
static int adopt(struct am_log *log, uint32_t slot, const struct am_slot_head *head)
{
    struct am_slots *slots = log->disk->slots;
    struct am_segment *segment = am_segment_new(head->number, head->salt, 0);
    if (segment == NULL)
        return AM_ENOMEM;
    segment->base = am_slots_base(slots, slot);
    segment->taken = head->slots * am_slots_bytes(slots);
    segment->uncut = head->used >= log->first; /* it was synced to its end */
    segment->bytes = segment->uncut ? head->used : segment->taken;
    int status = am_log_index(log, segment);
    if (status == 0 && log->disk->silent != 0) { /* records would be missing that are there */
        errno = log->disk->silent;
        status = AM_EDISK;
    }
    if (status == 0) {
        segment->written = segment->bytes;
        status = am_log_adopt(log, segment);
    }
    if (status == 0)
        return 0;
    segment->taken = 0; /* the slots stay marked */
    am_segment_free(segment);
    if (status == AM_EINVAL) { /* two of one number: the second is left as it is */
        am_slots_mark(slots, slot, head->slots, true);
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
        am_slots_mark(slots, slot, count, there != 1);
        if (there == 1)
            status = adopt(log, slot, &head);
        else if (there == AM_ECORRUPT)
            log->broken++;
        else
            status = there;
    }
    return status;
}

int am_log_take_blocks(struct am_blocks *blocks, uint64_t limit, bool erase)
{
    const uint64_t most = limit != 0 && limit < blocks->bytes ? limit : blocks->bytes;
    uint64_t bytes = most / SLOTS_WANTED;
    if (bytes < blocks->bytes >> SLOTS_MOST)
        bytes = blocks->bytes >> SLOTS_MOST;
    bytes = bytes < AM_SLOT_LEAST ? AM_SLOT_LEAST : bytes < AM_SLOT_MOST ? am_block_up(bytes) : AM_SLOT_MOST;
    return am_slots_make(blocks, bytes, erase);
}

static int open_slots(struct am_blocks *blocks, uint64_t limit, struct am_log *log)
{
    struct am_disk *disk = log->disk;
    if (posix_memalign((void **)&disk->stage, AM_BLOCK, AM_STAGE) != 0) {
        disk->stage = NULL;
        return AM_ENOMEM;
    }
    const int status = am_slots_open(blocks, &disk->slots);
    if (status != 0)
        return status;
    disk->blocks = blocks; /* from here on its close closes them */
    log->segment_bytes = am_slots_bytes(disk->slots);
    const uint64_t room = am_slots_count(disk->slots) * log->segment_bytes;
    if (limit != 0 && limit / LIMIT_LEAST < log->segment_bytes) {
        errno = ERANGE;
        return AM_EDISK;
    }
    log->limit = limit != 0 && limit < room ? limit : room;
    return adopt_all(log);
}

int am_log_open_blocks(struct am_blocks *blocks, uint64_t limit, struct am_log **made)
{
    struct am_disk *disk = calloc(1, sizeof *disk);
    struct am_log *log = NULL;
    if (disk == NULL || am_log_create(&medium, 0, AM_BLOCK, &log) != 0) {
        free(disk);
        blocks->close(blocks);
        return AM_ENOMEM;
    }
    disk->folder = -1;
    log->disk = disk;
    const int status = open_slots(blocks, limit, log);
    if (status != 0) {
        const int error = errno;
        if (disk->slots == NULL)
            blocks->close(blocks);
        am_log_close(log);
        errno = error;
        return status;
    }
    *made = log;
    return 0;
}
