/* Replay: every readable record in order of sequence, and every place that holds none although it should.
 *
 * Knows nothing of what records mean. Invariant: a record is visited once, even when compaction was killed
 * after it had copied it, and only when its tag is right; what is not visited and not dropped is named.
 * Memory: 16 bytes for each record, and the largest payload.
 */
#include "agentmem.h"
#include "log_inside.h"

#include <stdlib.h>

struct place {
    uint64_t sequence, address;
};

/* Of the newest segment. */
struct tail {
    uint64_t torn_at; /* what is torn at its end begins here; UINT64_MAX: nothing is */
    uint64_t damaged; /* the last place that is broken, but not torn, ends here */
};

static int in_order(const void *a, const void *b)
{
    const struct place *left = a, *right = b;
    if (left->sequence != right->sequence)
        return left->sequence < right->sequence ? -1 : 1;
    return left->address < right->address ? -1 : left->address > right->address;
}

/* Where every record lies that was not dropped. */
static int list(struct am_log *log, struct place **places, size_t *count)
{
    int status = 0;
    size_t room = 0;
    *count = 0;
    pthread_mutex_lock(&log->lock);
    for (size_t i = 0; i < log->count; i++)
        room += log->segments[i]->alive;
    *places = malloc((room + 1) * sizeof **places);
    if (*places == NULL)
        status = AM_ENOMEM;
    for (size_t i = 0; status == 0 && i < log->count; i++) {
        const struct am_segment *segment = log->segments[i];
        for (size_t k = 0; k < segment->count; k++)
            if (segment->entries[k].alive)
                (*places)[(*count)++] = (struct place){
                    segment->entries[k].sequence, am_address(segment, am_entry_at(&segment->entries[k]))};
    }
    pthread_mutex_unlock(&log->lock);
    if (status == 0)
        qsort(*places, *count, sizeof **places, in_order);
    return status;
}

/* What lies between records and behind the last one. Entries of segments change only on this thread. */
static uint64_t name_gaps(const struct am_log *log, am_log_broken *broken, void *context, struct tail *tail)
{
    uint64_t count = 0;
    for (size_t i = 0; i < log->count; i++) {
        const struct am_segment *segment = log->segments[i];
        const bool newest = i + 1 == log->count;
        uint64_t at = log->first;
        for (size_t k = 0; k < segment->count; k++) {
            const uint64_t begins = am_entry_at(&segment->entries[k]);
            if (begins > at) {
                broken(context, segment->number, at, begins - at, "no record can be made out");
                count++;
                if (newest)
                    tail->damaged = begins;
            }
            at = begins + (uint64_t)segment->entries[k].steps * AM_STEP;
        }
        if (segment->junk_end > at) {
            broken(context, segment->number, at, segment->junk_end - at,
                   newest ? AM_LOG_TORN : "no record can be made out at the end");
            count += !newest;
            if (newest)
                tail->torn_at = at;
        }
    }
    return count;
}

/* Count a record that is there twice, or cannot be read, as dead. */
static void forget(struct am_log *log, uint64_t address)
{
    struct am_entry entry;
    struct am_segment *segment = am_log_hold(log, address, &entry);
    pthread_mutex_lock(&log->lock);
    am_segment_forget(segment, am_segment_find(segment, am_entry_at(&entry)));
    pthread_mutex_unlock(&log->lock);
    am_log_unhold(log, segment);
}

/* *whole: the record could be read, or was dropped by a visit before this one. */
static int visit_one(struct am_log *log, uint64_t address, am_log_visit *visit, am_log_broken *broken,
                     void *context, struct tail *tail, bool *whole)
{
    struct am_entry entry;
    struct am_mark mark;
    struct am_log_head head;
    struct am_segment *segment = am_log_hold(log, address, &entry);
    *whole = true;
    if (segment == NULL || !entry.alive) {
        if (segment != NULL)
            am_log_unhold(log, segment);
        return 0;
    }
    const uint64_t bytes = am_entry_payload(&entry), at = am_entry_at(&entry);
    void *payload = bytes == 0 ? NULL : am_log_carry(log, bytes);
    int status = bytes > 0 && payload == NULL ? AM_ENOMEM : 0;
    if (status == 0)
        status = log->medium->read(log, segment, at, &mark, payload, bytes);
    const bool unreadable = status == AM_EDISK;
    if (status == 0)
        status = am_log_judge(segment, &entry, &mark, payload, &head);
    const uint64_t end = at + (uint64_t)entry.steps * AM_STEP;
    const bool newest = segment->number == log->number, last = newest && end == segment->end;
    am_log_unhold(log, segment);
    if (status == AM_ECORRUPT || unreadable) {
        broken(context, segment->number, at, end - at,
               unreadable ? "the disk does not give it back" : last ? AM_LOG_TORN : "the tag is wrong");
        pthread_mutex_lock(&log->lock);
        log->broken += unreadable || !last;
        pthread_mutex_unlock(&log->lock);
        if (last && !unreadable)
            tail->torn_at = at;
        else if (newest && end > tail->damaged)
            tail->damaged = end;
        forget(log, address);
        *whole = false;
        return 0;
    }
    return status != 0 ? status : visit(context, address, &head, payload);
}

static void ignore(void *context, uint32_t segment, uint64_t offset, uint64_t bytes, const char *what)
{
    (void)context, (void)segment, (void)offset, (void)bytes, (void)what;
}

/* What is torn goes before the next append (log.c), unless what lies before it is broken too: then it may be
 * more than a crash, and stays to be seen. A scan by itself changes nothing on the medium. */
static void remember(struct am_log *log, const struct tail *tail)
{
    struct am_segment *segment = log->count == 0 ? NULL : log->segments[log->count - 1];
    if (log->torn != NULL || tail->torn_at == UINT64_MAX || segment->number != log->number)
        return;
    if (tail->damaged > 0 && tail->damaged >= tail->torn_at)
        segment->uncut = true;
    if (segment->uncut)
        return;
    log->torn = segment;
    log->torn_at = tail->torn_at;
}

const char AM_LOG_TORN[] = "the last record was not written to its end";

int am_log_scan(struct am_log *log, am_log_visit *visit, am_log_broken *broken, void *context)
{
    struct place *places;
    size_t count;
    int status = list(log, &places, &count);
    if (status != 0)
        return status;
    if (broken == NULL)
        broken = ignore;
    struct tail tail = {.torn_at = UINT64_MAX};
    const uint64_t gaps = name_gaps(log, broken, context, &tail);
    if (log->medium->name_broken != NULL)
        log->medium->name_broken(log, broken, context);
    pthread_mutex_lock(&log->lock);
    log->gaps = gaps;
    pthread_mutex_unlock(&log->lock);
    for (size_t i = 0, next; i < count && status == 0; i = next) {
        for (next = i + 1; next < count && places[next].sequence == places[i].sequence;)
            next++;
        bool whole = false; /* of two, the later is compaction's copy, perhaps cut short by a crash */
        for (size_t k = next; k-- > i && status == 0;) {
            if (whole)
                forget(log, places[k].address);
            else
                status = visit_one(log, places[k].address, visit, broken, context, &tail, &whole);
        }
    }
    free(places);
    if (status == 0)
        remember(log, &tail);
    return status;
}
