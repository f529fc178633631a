/* A log: records appended to its last segment, read by address, dropped by a bit.
 *
 * Knows nothing of disks, memory or what records mean. Invariant: a record is found by its address exactly
 * from the moment am_log_append returned 0 until its segment is given back; numbers of segments do not come
 * again, so an old address leads to nothing, never to another record.
 */
#include "agentmem.h"
#include "log_inside.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define PAYLOAD_MOST (AM_LARGEST_UNIT + (1u << 20)) /* a unit, and what its coding adds */

int am_log_create(const struct am_medium *medium, uint64_t segment_bytes, uint32_t first,
                  struct am_log **made)
{
    struct am_log *log = calloc(1, sizeof *log);
    if (log == NULL)
        return AM_ENOMEM;
    log->medium = medium;
    log->segment_bytes = segment_bytes;
    log->first = first;
    pthread_mutex_init(&log->lock, NULL);
    *made = log;
    return 0;
}

void am_log_close(struct am_log *log)
{
    if (log == NULL)
        return;
    for (size_t i = 0; i < log->count; i++) {
        log->medium->release(log, log->segments[i]);
        am_segment_free(log->segments[i]);
    }
    if (log->medium->close != NULL)
        log->medium->close(log);
    free(log->segments);
    free(log->carry);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

int am_log_adopt(struct am_log *log, struct am_segment *segment)
{
    int status = 0;
    pthread_mutex_lock(&log->lock);
    size_t at = log->count;
    while (at > 0 && log->segments[at - 1]->number > segment->number)
        at--;
    if (at > 0 && log->segments[at - 1]->number == segment->number) {
        status = AM_EINVAL;
    } else if (log->count == log->room) {
        const size_t room = log->room == 0 ? 16 : log->room * 2;
        struct am_segment **segments = realloc(log->segments, room * sizeof(struct am_segment *));
        if (segments == NULL) {
            status = AM_ENOMEM;
        } else {
            log->segments = segments;
            log->room = room;
        }
    }
    if (status == 0) {
        memmove(log->segments + at + 1, log->segments + at, (log->count - at) * sizeof(struct am_segment *));
        log->segments[at] = segment;
        log->count++;
        if (segment->number > log->number)
            log->number = segment->number;
    }
    pthread_mutex_unlock(&log->lock);
    return status;
}

/* The place of a segment among the others, or where it would stand. Under the lock. */
static size_t place(const struct am_log *log, uint32_t number)
{
    size_t low = 0, high = log->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (log->segments[middle]->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct am_segment *find(const struct am_log *log, uint64_t address, struct am_entry **entry)
{
    const size_t at = place(log, (uint32_t)(address >> 32));
    if (at == log->count || log->segments[at]->number != address >> 32)
        return NULL;
    *entry = am_segment_find(log->segments[at], (address & UINT32_MAX) * AM_STEP);
    return *entry == NULL ? NULL : log->segments[at];
}

struct am_segment *am_log_hold(struct am_log *log, uint64_t address, struct am_entry *entry)
{
    struct am_entry *found;
    pthread_mutex_lock(&log->lock);
    struct am_segment *segment = find(log, address, &found);
    if (segment != NULL) {
        segment->readers++;
        *entry = *found;
    }
    pthread_mutex_unlock(&log->lock);
    return segment;
}

void am_log_unhold(struct am_log *log, struct am_segment *segment)
{
    pthread_mutex_lock(&log->lock);
    const bool last = --segment->readers == 0 && segment->removed;
    pthread_mutex_unlock(&log->lock);
    if (last) {
        log->medium->release(log, segment);
        am_segment_free(segment);
    }
}

/* Whether the limit allows a segment of so many bytes. One segment stays for compaction, which gives more
 * back. */
static bool may_take(struct am_log *log, uint64_t bytes, bool spare)
{
    uint64_t taken = bytes + (spare ? 0 : log->segment_bytes);
    pthread_mutex_lock(&log->lock);
    for (size_t i = 0; i < log->count; i++)
        taken += log->segments[i]->taken;
    pthread_mutex_unlock(&log->lock);
    return log->limit == 0 || taken <= log->limit;
}

int am_log_remove(struct am_log *log, struct am_segment *segment)
{
    const int status = log->medium->remove(log, segment);
    if (status != 0)
        return status;
    pthread_mutex_lock(&log->lock);
    const size_t at = place(log, segment->number);
    memmove(log->segments + at, log->segments + at + 1, (log->count - at - 1) * sizeof(struct am_segment *));
    log->count--;
    log->freed++;
    segment->removed = true;
    segment->readers++; /* this call is one of its readers, perhaps the last */
    pthread_mutex_unlock(&log->lock);
    am_log_unhold(log, segment);
    log->tight = log->tight && !may_take(log, 0, false);
    if (log->torn == segment)
        log->torn = NULL;
    return 0;
}

/* What a crash left torn at the end of the newest segment goes before another is the newest, where it would
 * look like damage. If it cannot, nothing is lost by it; the next segment tries again. */
static void take_off(struct am_log *log)
{
    if (log->torn == NULL || log->medium->cut(log, log->torn, log->torn_at) != 0)
        return;
    pthread_mutex_lock(&log->lock);
    am_segment_cut(log->torn, log->torn_at);
    pthread_mutex_unlock(&log->lock);
    log->torn = NULL;
}

/* A new active segment with room for a record of so many bytes. The one before is sealed first. */
static int begin(struct am_log *log, uint64_t bytes, bool spare)
{
    const uint64_t room = log->first + bytes > log->segment_bytes ? log->first + bytes : log->segment_bytes;
    uint64_t salt;
    if (log->active != NULL) {
        const int status = log->medium->seal(log, log->active);
        if (status != 0)
            return status;
        log->active = NULL;
    }
    take_off(log);
    if (!may_take(log, room, spare))
        return AM_EDISK;
    if (getrandom(&salt, sizeof salt, 0) != (ssize_t)sizeof salt)
        return AM_EBUSY;
    struct am_segment *segment = am_segment_new(log->number + 1, salt, room);
    if (segment == NULL)
        return AM_ENOMEM;
    segment->end = log->first;
    segment->uncut = true;
    int status = log->medium->make(log, segment);
    if (status == 0 && (status = am_log_adopt(log, segment)) != 0) {
        log->medium->remove(log, segment);
        log->medium->release(log, segment);
    }
    if (status != 0) {
        am_segment_free(segment);
        return status;
    }
    log->active = segment;
    log->tight = !may_take(log, 0, false);
    return 0;
}

int am_log_put(struct am_log *log, const struct am_log_head *head, const void *payload, bool spare,
               uint64_t *address)
{
    if (head->kind == 0 || head->payload_bytes > PAYLOAD_MOST || (payload == NULL && head->payload_bytes > 0))
        return AM_EINVAL;
    const uint64_t bytes = am_record_bytes(head->payload_bytes);
    if (log->tight && !spare)
        return AM_EDISK;
    if (log->active == NULL || log->active->end + bytes > log->active->bytes) {
        const int status = begin(log, bytes, spare);
        if (status != 0)
            return status;
    }
    struct am_segment *segment = log->active;
    pthread_mutex_lock(&log->lock);
    const bool reserved = am_segment_reserve(segment);
    pthread_mutex_unlock(&log->lock);
    if (!reserved)
        return AM_ENOMEM;
    struct am_mark mark;
    am_mark_fill(&mark, head, payload, segment->number, segment->end, segment->salt);
    const int status = log->medium->write(log, segment, &mark, payload);
    if (status != 0)
        return status;
    pthread_mutex_lock(&log->lock);
    *address = am_address(segment, segment->end);
    am_segment_add(segment, head, segment->end);
    pthread_mutex_unlock(&log->lock);
    return 0;
}

int am_log_append(struct am_log *log, const struct am_log_head *head, const void *payload, uint64_t *address)
{
    struct am_log_head numbered = *head;
    numbered.sequence = log->sequence + log->hidden + 1;
    /* A death may always be written: it is what lets room be made. */
    const int status = am_log_put(log, &numbered, payload, am_record_is_death(head), address);
    if (status == 0) {
        pthread_mutex_lock(&log->lock);
        log->sequence = numbered.sequence;
        log->hidden = 0;
        log->appended_bytes += am_record_bytes(head->payload_bytes);
        pthread_mutex_unlock(&log->lock);
    }
    return status;
}

int am_log_judge(const struct am_segment *segment, const struct am_entry *entry, const struct am_mark *mark,
                 const void *payload, struct am_log_head *head)
{
    if (!am_mark_believed(mark, segment->number, am_entry_at(entry), segment->salt) ||
        mark->payload_bytes != am_entry_payload(entry) ||
        ((payload != NULL || mark->payload_bytes == 0) && !am_mark_whole(mark, payload)))
        return AM_ECORRUPT;
    if (head != NULL)
        am_mark_head(mark, head);
    return 0;
}

int am_log_read(struct am_log *log, uint64_t address, struct am_log_head *head, void *payload, size_t room)
{
    struct am_entry entry;
    struct am_mark mark;
    struct am_segment *segment = am_log_hold(log, address, &entry);
    if (segment == NULL)
        return AM_ENOTFOUND;
    const uint64_t bytes = payload == NULL ? 0 : am_entry_payload(&entry);
    int status = bytes > room ? AM_ESIZE : 0;
    if (status == 0)
        status = log->medium->read(log, segment, am_entry_at(&entry), &mark, payload, bytes);
    if (status == 0)
        status = am_log_judge(segment, &entry, &mark, payload, head);
    am_log_unhold(log, segment);
    return status;
}

void am_log_read_many(struct am_log *log, struct am_log_want *wants, size_t count)
{
    if (log->medium->read_many != NULL) {
        log->medium->read_many(log, wants, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        wants[i].status =
            am_log_read(log, wants[i].address, &wants[i].head, wants[i].payload, wants[i].room);
}

void am_log_drop(struct am_log *log, uint64_t address)
{
    struct am_entry *entry;
    pthread_mutex_lock(&log->lock);
    struct am_segment *segment = find(log, address, &entry);
    if (segment != NULL)
        am_segment_drop(segment, entry);
    pthread_mutex_unlock(&log->lock);
}

int am_log_sync(struct am_log *log)
{
    return log->active == NULL ? 0 : log->medium->sync(log, log->active);
}

void *am_log_carry(struct am_log *log, uint64_t bytes)
{
    if (bytes > log->carry_room) {
        const size_t room = bytes < (1u << 16) ? 1u << 16 : bytes;
        free(log->carry);
        log->carry_room = 0;
        log->carry = malloc(room);
        if (log->carry != NULL)
            log->carry_room = room;
    }
    return log->carry;
}

void am_log_stats(const struct am_log *log, struct am_log_stats *stats)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&log->lock; /* the only thing that a look at a log changes */
    memset(stats, 0, sizeof *stats);
    pthread_mutex_lock(lock);
    stats->segments = log->count;
    stats->broken = log->broken + log->gaps;
    stats->appended_bytes = log->appended_bytes;
    stats->compacted_bytes = log->compacted_bytes;
    for (size_t i = 0; i < log->count; i++) {
        const struct am_segment *segment = log->segments[i];
        stats->bytes += segment->taken;
        stats->live_bytes += segment->live_bytes + segment->death_bytes;
        stats->records += segment->count;
        stats->live_records += segment->alive;
    }
    pthread_mutex_unlock(lock);
}
