/* The inside of a log: its segments, its lock, and the small interface behind which memory and disk are
 * alike.
 *
 * Knows neither what records mean nor where bytes lie. Invariant: `segments` is in order of number; only the
 * last may be written to, and only while it is `active`; before another follows it, what a scan found torn at
 * its end is taken off, so that a later open does not take it for damage. `lock` guards the segments and the
 * counts; it is never held over a system call that may wait for a disk. Everything without a lock belongs to
 * the one thread that writes.
 */
#ifndef AM_LOG_INSIDE_H
#define AM_LOG_INSIDE_H

#include "log_segment.h"

#include <pthread.h>

struct am_ring;

struct am_medium {
    /* Room for segment->bytes, of which `taken` are taken now. AM_ENOMEM, AM_EFILES, AM_EDISK. */
    int (*make)(struct am_log *log, struct am_segment *segment);
    /* Put a record behind segment->end; on failure nothing before the end has changed. */
    int (*write)(struct am_log *log, struct am_segment *segment, const struct am_mark *mark,
                 const void *payload);
    /* A mark, and bytes of what follows it. Any thread, without the lock. AM_EDISK, AM_ENOMEM. */
    int (*read)(struct am_log *log, struct am_segment *segment, uint64_t at, struct am_mark *mark,
                void *payload, uint64_t bytes);
    int (*sync)(struct am_log *log, struct am_segment *segment); /* everything before its end survives */
    /* Nothing more will be written to it; synced. */
    int (*seal)(struct am_log *log, struct am_segment *segment);
    /* A later open will not find it; those who read it now still can. */
    int (*remove)(struct am_log *log, struct am_segment *segment);
    /* Take off what lies from `at` to the end, which is no record; while no segment is active. Safe on
     * return. Cut short, or failed, it leaves what lies before as it was, and some of the rest for a later
     * scan to find torn again. AM_EDISK, AM_ENOMEM. */
    int (*cut)(struct am_log *log, struct am_segment *segment, uint64_t at);
    void (*release)(struct am_log *log, struct am_segment *segment); /* the memory or the file descriptor */
    void (*close)(struct am_log *log); /* what the medium keeps beside segments */
    /* Bytes of a segment as they lie there, like pread; both multiples of 4096. NULL: pread of its fd. */
    int64_t (*peek)(struct am_log *log, struct am_segment *segment, uint8_t *bytes, uint64_t count,
                    uint64_t at);
    /* Names what was found at the open and belongs to no segment. NULL: nothing. */
    void (*name_broken)(struct am_log *log, am_log_broken *broken, void *context);
    /* NULL: each is read by itself. */
    void (*read_many)(struct am_log *log, struct am_log_want *wants, size_t count);
};

struct am_log {
    const struct am_medium *medium;
    uint64_t segment_bytes;
    uint64_t limit;             /* bytes that all segments may take; 0: none */
    bool tight;                 /* the active segment is what is kept for compaction and deaths */
    uint32_t first;             /* where a segment's first record lies */
    pthread_mutex_t lock;
    struct am_segment **segments;
    size_t count, room;
    struct am_segment *active;  /* the one written to, or NULL */
    uint64_t sequence;          /* of the last record */
    uint64_t hidden;            /* records that may lie, behind it, where nothing could be read at the open:
                                   their sequences are not given again */
    uint32_t number;            /* of the last segment */
    uint64_t freed;             /* segments given back */
    uint64_t gaps;              /* places without a record, as the last scan found them */
    struct am_segment *torn;    /* the newest, when a scan found it torn from torn_at on; or NULL */
    uint64_t torn_at;
    uint64_t broken, appended_bytes, compacted_bytes;
    struct am_segment *victim;  /* being compacted */
    size_t victim_next;         /* its first entry not looked at */
    void *carry;                /* a buffer for records on their way, carry_room bytes */
    size_t carry_room;
    struct am_disk *disk;       /* what the disk medium keeps */
};

static inline uint64_t am_address(const struct am_segment *segment, uint64_t at)
{
    return (uint64_t)segment->number << 32 | at / AM_STEP;
}

int am_log_create(const struct am_medium *medium, uint64_t segment_bytes, uint32_t first,
                  struct am_log **log);
/* Put a segment among the others, in order of number. AM_EINVAL when there is one of that number. */
int am_log_adopt(struct am_log *log, struct am_segment *segment);
/* Find a segment's records by their marks (log_index.c): entries, end, junk_end, the log's sequence. */
int am_log_index(struct am_log *log, struct am_segment *segment);
/* Append with the sequence that stands in the head; spare: may use what a full disk keeps for compaction. */
int am_log_put(struct am_log *log, const struct am_log_head *head, const void *payload, bool spare,
               uint64_t *address);
/* Hold a record's segment for reading: a copy of its entry, or NULL when there is no such record. */
struct am_segment *am_log_hold(struct am_log *log, uint64_t address, struct am_entry *entry);
void am_log_unhold(struct am_log *log, struct am_segment *segment);
/* Take a segment that is not active out of the log. */
int am_log_remove(struct am_log *log, struct am_segment *segment);
/* Whether mark and payload, read at this place, are the record: 0, AM_ECORRUPT. */
int am_log_judge(const struct am_segment *segment, const struct am_entry *entry, const struct am_mark *mark,
                 const void *payload, struct am_log_head *head);
/* The buffer for records on their way, at least so large; NULL when memory is short. */
void *am_log_carry(struct am_log *log, uint64_t bytes);

#endif
