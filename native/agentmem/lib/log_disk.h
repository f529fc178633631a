/* What a log on disk keeps beside its segments: the folder, the stage that gathers small records, the ring.
 *
 * Invariant: the stage holds the bytes of the active segment from stage_at, a multiple of 4096, to stage_at +
 * used; the file has at least everything before segment->written, and stage_at <= written while the segment
 * is active. A block that was synced half full is written again only with the same bytes and more behind
 * them, or zeros where a torn record began, so a write that is torn between sectors cannot harm what it held.
 * stage_at, used and written change under the log's lock.
 */
#ifndef AM_LOG_DISK_H
#define AM_LOG_DISK_H

#include "log_inside.h"
#include "blocks.h"

#define AM_STAGE (1u << 20)
#define AM_NAME_ROOM 40

struct am_disk {
    int folder;            /* locked with flock: one process has the log; -1: a bare disk */
    struct am_slots *slots; /* of a bare disk, else NULL */
    struct am_blocks *blocks; /* the bare disk */
    int silent;            /* of a bare disk: why it did not answer while it was opened; 0: it did */
    struct am_ring *ring;  /* NULL: reads one after another */
    uint8_t *stage;        /* AM_STAGE bytes, aligned */
    uint64_t stage_at, used;
    uint64_t synced;       /* of the active segment: bytes that survive */
    bool failed;           /* a sync failed: the kernel may have dropped what was to be written */
};

static inline uint64_t am_block_up(uint64_t bytes)
{
    return (bytes + AM_BLOCK - 1) / AM_BLOCK * AM_BLOCK;
}

/* Reads and writes: `many` may fly together. An offset on a bare disk counts from the disk's start. */
static inline void am_disk_run(struct am_disk *disk, struct am_io *ios, size_t count, bool many)
{
    if (disk->blocks != NULL)
        disk->blocks->run(disk->blocks, ios, count);
    else
        am_ring_run(many ? disk->ring : NULL, ios, count);
}

/* log_stage.c: writing. The functions of struct am_medium. */
int am_stage_write(struct am_log *log, struct am_segment *segment, const struct am_mark *mark,
                   const void *payload);
int am_stage_sync(struct am_log *log, struct am_segment *segment);
int am_stage_seal(struct am_log *log, struct am_segment *segment);

/* log_fetch.c: reading. */
int am_fetch(struct am_log *log, struct am_segment *segment, uint64_t at, struct am_mark *mark, void *payload,
             uint64_t bytes);
void am_fetch_many(struct am_log *log, struct am_log_want *wants, size_t count);

#endif
