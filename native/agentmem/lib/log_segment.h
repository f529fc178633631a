/* A segment of a log: one memfd, file or part of a bare disk, and what is known of the records in it.
 *
 * Knows nothing of how bytes come and go; a medium (log_medium.h) does. Invariant: entries stand in order of
 * place and cover what lies before `end` but for broken places; live_bytes is the sum over living ones that
 * are no deaths. The log's lock guards all fields but fd and map, which stay as they are from the making to
 * the end.
 */
#ifndef AM_LOG_SEGMENT_H
#define AM_LOG_SEGMENT_H

#include "log_record.h"

struct am_entry { /* 24 bytes for each record that lies in the log */
    uint64_t key;
    uint64_t sequence : 56;
    uint64_t padding : 6; /* zeros behind the payload */
    uint64_t alive : 1;
    uint64_t death : 1;
    uint32_t step, steps;
};

struct am_segment {
    uint32_t number;     /* never given twice by one log while an older segment is there */
    uint32_t readers;    /* threads that read it now */
    uint64_t salt;
    uint64_t bytes;      /* that fit in it */
    uint64_t taken;      /* that it takes from the machine */
    uint64_t end;        /* what lies before it may be read */
    uint64_t junk_end;   /* bytes that are no record reach this far behind the last one; 0: none */
    uint64_t live_bytes, death_bytes;
    uint64_t asked;      /* log->freed when its deaths were found to be needed still, plus 1; 0: not asked */
    struct am_entry *entries;
    size_t count, room, alive; /* alive: also deaths that are needed */
    bool removed;        /* from the log: the last reader gives it back */
    bool stuck;          /* holds a living record that cannot be read */
    bool uncut;          /* nothing is ever taken off its end: this process wrote it, the medium says that a
                            sync covered all of it, or a part of it could not be read when it was opened */
    int fd;
    uint8_t *map;        /* of a memory segment */
    uint64_t written;    /* of a disk segment: the file has everything before it */
    uint64_t base;       /* where it begins on a bare disk; 0 in a file of its own */
};

static inline uint64_t am_entry_payload(const struct am_entry *entry)
{
    return (uint64_t)entry->steps * AM_STEP - AM_MARK_BYTES - entry->padding;
}
static inline uint64_t am_entry_at(const struct am_entry *entry)
{
    return (uint64_t)entry->step * AM_STEP;
}

struct am_segment *am_segment_new(uint32_t number, uint64_t salt, uint64_t bytes); /* NULL: no memory */
void am_segment_free(struct am_segment *segment);
bool am_segment_reserve(struct am_segment *segment); /* room for one entry more */
/* Room must be reserved; the record is alive afterwards and end stands behind it. */
void am_segment_add(struct am_segment *segment, const struct am_log_head *head, uint64_t at);
struct am_entry *am_segment_find(const struct am_segment *segment, uint64_t at);
/* False when it was dead already, or is a death. */
bool am_segment_drop(struct am_segment *segment, struct am_entry *entry);
/* What cannot be read counts as neither life nor death. */
void am_segment_forget(struct am_segment *segment, struct am_entry *entry);
/* The segment ends here: what lay behind is no record any more. */
void am_segment_cut(struct am_segment *segment, uint64_t at);

#endif
