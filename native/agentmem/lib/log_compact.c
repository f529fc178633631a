/* Compaction: the living are copied out of the segment with the least life, and the segment is given back.
 *
 * Knows of meanings only that a death (log_record.h) must stay while an older record of what it speaks of
 * lies in another segment: without it a replay would find that record alive again. Invariants: a copy has its
 * original's sequence; a segment is given back only after all copies are safe; what cannot be read keeps its
 * segment until its owner drops it. Memory: the largest record, and 8 bytes for each death in the segment.
 */
#include "agentmem.h"
#include "log_inside.h"

#include <stdlib.h>
#include <string.h>

#define FREED_AT_ONCE 8 /* segments given back in one step: each is a system call or three */

/* Keys of deaths, each with the sequence of the death; a table of open addressing. */
struct deaths {
    struct death {
        uint64_t key, sequence;
        bool used, needed;
    } *slots;
    size_t mask;
};

static struct death *slot(const struct deaths *deaths, uint64_t key)
{
    size_t at = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 20) & deaths->mask;
    while (deaths->slots[at].used && deaths->slots[at].key != key)
        at = (at + 1) & deaths->mask;
    return &deaths->slots[at];
}

/* Which deaths of a segment an older record elsewhere makes needed; the others are forgotten. AM_ENOMEM. */
static int ask(struct am_log *log, struct am_segment *segment)
{
    struct deaths deaths = {NULL, 0};
    size_t count = 0, room = 64; /* at least half of the slots stay free */
    for (size_t i = 0; i < segment->count; i++)
        count += segment->entries[i].alive && segment->entries[i].death;
    if (count == 0)
        return 0;
    while (room < count * 2)
        room *= 2;
    deaths.slots = calloc(room, sizeof *deaths.slots);
    deaths.mask = room - 1;
    if (deaths.slots == NULL)
        return AM_ENOMEM;
    for (size_t i = 0; i < segment->count; i++) { /* the latest death of a thing speaks for all */
        const struct am_entry *entry = &segment->entries[i];
        if (!entry->alive || !entry->death)
            continue;
        struct death *death = slot(&deaths, entry->key);
        if (!death->used || death->sequence < entry->sequence)
            *death = (struct death){entry->key, entry->sequence, true, false};
    }
    for (size_t i = 0; i < log->count; i++) {
        const struct am_segment *other = log->segments[i];
        for (size_t k = 0; k < other->count && other != segment; k++) {
            if (other->entries[k].death)
                continue;
            struct death *death = slot(&deaths, other->entries[k].key);
            if (death->used && other->entries[k].sequence < death->sequence)
                death->needed = true;
        }
    }
    pthread_mutex_lock(&log->lock);
    for (size_t i = 0; i < segment->count; i++) {
        struct am_entry *entry = &segment->entries[i];
        if (!entry->alive || !entry->death)
            continue;
        const struct death *death = slot(&deaths, entry->key);
        if (!death->needed || death->sequence != entry->sequence)
            am_segment_forget(segment, entry);
    }
    segment->asked = log->freed + 1;
    pthread_mutex_unlock(&log->lock);
    free(deaths.slots);
    return 0;
}

static uint64_t cost(const struct am_log *log, const struct am_segment *segment)
{
    return segment->live_bytes + (segment->asked == log->freed + 1 ? segment->death_bytes : 0);
}

/* The segment with the least life, of those less than half alive (in memory: three quarters, as room is dear
 * there and copying cheap); NULL: none. */
static int choose(struct am_log *log, struct am_segment **chosen)
{
    for (;;) {
        struct am_segment *best = NULL;
        double least = log->disk ? 0.5 : 0.75;
        for (size_t i = 0; i < log->count; i++) {
            struct am_segment *segment = log->segments[i];
            const double alive = (double)cost(log, segment) / (double)(segment->taken + 1);
            if (segment != log->active && !segment->stuck && alive < least) {
                best = segment;
                least = alive;
            }
        }
        *chosen = best;
        if (best == NULL || best->death_bytes == 0 || best->asked == log->freed + 1)
            return 0;
        const int status = ask(log, best); /* now its cost is known */
        if (status != 0)
            return status;
    }
}

/* Copy one record behind the last one. Bytes moved, or an error; an unreadable record stays where it is. */
static int64_t move(struct am_log *log, struct am_segment *segment, struct am_entry *entry,
                    am_log_moved *moved, void *context)
{
    const uint64_t bytes = am_entry_payload(entry), from = am_address(segment, am_entry_at(entry));
    struct am_mark mark;
    struct am_log_head head;
    uint64_t to;
    void *payload = bytes == 0 ? NULL : am_log_carry(log, bytes);
    if (bytes > 0 && payload == NULL)
        return AM_ENOMEM;
    int status = log->medium->read(log, segment, am_entry_at(entry), &mark, payload, bytes);
    if (status == 0)
        status = am_log_judge(segment, entry, &mark, payload, &head);
    if (status == AM_ECORRUPT || status == AM_EDISK) {
        pthread_mutex_lock(&log->lock);
        log->broken++;
        segment->stuck = true;
        pthread_mutex_unlock(&log->lock);
        return 0;
    }
    if (status == 0)
        status = am_log_put(log, &head, payload, true, &to);
    if (status != 0)
        return status;
    const bool death = entry->death;
    pthread_mutex_lock(&log->lock);
    am_segment_forget(segment, entry);
    log->compacted_bytes += am_record_bytes(bytes);
    pthread_mutex_unlock(&log->lock);
    if (!death && !moved(context, &head, from, to))
        am_log_drop(log, to);
    return (int64_t)am_record_bytes(bytes);
}

/* Everything is out of the victim, or cannot be read. */
static int finish(struct am_log *log)
{
    struct am_segment *segment = log->victim;
    if (segment->alive == 0) {
        int status = am_log_sync(log);
        if (status == 0)
            status = am_log_remove(log, segment);
        if (status != 0)
            return status;
    }
    log->victim = NULL;
    return 0;
}

int64_t am_log_compact(struct am_log *log, uint64_t bytes, am_log_moved *moved, void *context)
{
    int64_t sum = 0, step = 0;
    const uint64_t before = log->freed;
    while (step >= 0 && (uint64_t)sum < bytes && log->freed - before < FREED_AT_ONCE) {
        if (log->victim == NULL) {
            step = choose(log, &log->victim);
            log->victim_next = 0;
            if (step < 0 || log->victim == NULL)
                break;
        }
        if (log->victim_next >= log->victim->count) { /* more: a torn record was taken off its end */
            step = finish(log);
            continue;
        }
        struct am_entry *entry = &log->victim->entries[log->victim_next];
        step = entry->alive ? move(log, log->victim, entry, moved, context) : 0;
        if (step >= 0) {
            log->victim_next++;
            sum += step;
        }
    }
    if (step < 0 && sum == 0)
        return step;
    return sum == 0 && log->freed > before ? 1 : sum;
}
