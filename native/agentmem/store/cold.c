/* Writing to the cold log. All of it happens in one job at a time, which holds cold_lock, because a write may
 * take milliseconds and a sync more; the loop only collects what is to be written and takes over what has
 * been.
 *
 * After the power went at any moment, what is found leads to whole things: the newest that were written, or
 * those before. Invariants:
 *   - A unit that a durable agent needs has a record, or waits for one (AM_FLAG_UNSAVED, AM_FLAG_FREEZING),
 *     or is a piece of a rope that was unfolded and whose folded record stands (AM_FOLD_COLD). Whoever gives
 *     up such a record says am_unsaved of the pieces. am_store_check looks (check_cold.c).
 *   - A record is written after those that it leans on: a delta after its base, a rope after all that it
 *     refers to (am_freeze_number). Within a job nothing overtakes what did not fit.
 *   - A record that is over (am_cold_forget) is dropped when a later point is there (point.c). So with a
 *     mark, which ends the lines of the generation before. Only a full disk does not wait: room comes first.
 *   - Of several records of one unit the newest counts; what is found and not wanted is freed (wanted.c). */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

#define AM_COMPACT_STEP (8u << 20)
#define AM_FULL_WAIT_MS 10000u

struct cold_job {
    struct am_job job;
    struct am_store *store;
    struct am_cold_entry *entries;
    size_t count;
    uint64_t *dropped;
    size_t dropped_count;
    bool compact, full; /* full: room first, whatever is not written yet */
    int64_t compacted;
    uint64_t marked; /* journal records of generations before it are not wanted */
    int status;
};

static bool grow(void **array, size_t *room, size_t count, size_t each) {
    if (count < *room)
        return true;
    size_t more = *room ? *room * 2 : 256;
    void *made = realloc(*array, more * each);
    if (!made)
        return false;
    *array = made;
    *room = more;
    return true;
}

static bool of_journal(uint8_t kind) {
    return kind == AM_RECORD_REALM || kind == AM_RECORD_AGENT || kind == AM_RECORD_HEAD ||
           kind == AM_RECORD_OWN || kind == AM_RECORD_MARK;
}

static bool entry_add(struct am_store *store, const struct am_cold_entry *entry, const void *payload,
                      size_t bytes) {
    if (!grow((void **)&store->journal, &store->journal_room, store->journal_count, sizeof *entry))
        return false;
    void *copy = malloc(bytes ? bytes : 1);
    if (!copy)
        return false;
    if (bytes)
        memcpy(copy, payload, bytes);
    struct am_cold_entry *made = &store->journal[store->journal_count++];
    *made = *entry;
    made->payload = copy;
    made->head.payload_bytes = bytes;
    return true;
}

void am_journal(struct am_store *store, uint8_t kind, struct am_realm *realm, uint32_t space, const am_id *id,
                uint32_t value, uint16_t importance, const void *payload, size_t bytes) {
    if (!store->cold || store->replaying)
        return;
    struct am_cold_entry entry = {.head = {.kind = kind,
                                           .realm = realm ? realm->number : 0,
                                           .base_or_number = value,
                                           .importance = importance,
                                           .time_ms = store->generation}};
    if (kind == AM_RECORD_DICTIONARY)
        entry.head.type = (uint8_t)space;
    else
        entry.head.space = space ? store->state->agents[space - 1].serial : 0;
    if (id)
        memcpy(entry.head.id, id->bytes, sizeof entry.head.id);
    if (!entry_add(store, &entry, payload, bytes))
        store->snapshot_due = true; /* no memory: a new snapshot mends it */
    else if (of_journal(kind))
        store->generation_count++;
}

/* A unit's stored payload, to be appended; it stays pinned until the job is done. */
bool am_cold_unit(struct am_realm *realm, uint32_t number, const struct am_log_head *head,
                  const void *payload, size_t bytes) {
    struct am_cold_entry entry = {.head = *head, .realm = realm->number, .unit = number};
    if (!entry_add(realm->store, &entry, payload, bytes))
        return false;
    am_unit_pin(realm, number);
    realm->flag[number] |= AM_FLAG_FREEZING;
    return true;
}

void am_cold_forget(struct am_store *store, uint64_t address) {
    if (grow((void **)&store->dropped, &store->dropped_room, store->dropped_count, sizeof *store->dropped))
        store->dropped[store->dropped_count++] = address;
}

void am_snapshot(struct am_store *store) {
    struct am_state *state = store->state;
    store->generation++;
    store->generation_count = 0;
    store->snapshot_due = false;
    store->mark_due = true;
    store->mark_follows = false;
    for (uint32_t i = 0; i < AM_REALMS; i++)
        if (store->realm[i])
            am_journal(store, AM_RECORD_REALM, store->realm[i], 0, NULL, 0, 0, state->realms[i].name,
                       state->realms[i].bytes);
    for (uint32_t row = 0; row < state->agent_high; row++) {
        struct am_agent *agent = store->agent[row];
        if (!agent || !state->agents[row].durable || agent->ended)
            continue;
        am_journal(store, AM_RECORD_AGENT, agent->realm, row + 1, NULL, state->agents[row].importance, 0,
                   state->agents[row].name, state->agents[row].bytes);
        for (uint32_t edge = agent->first_edge; edge != UINT32_MAX; edge = store->edge_next[edge]) {
            am_id id = am_record_id(agent->realm, (uint32_t)am_word(&state->edges[edge]));
            am_journal(store, AM_RECORD_OWN, agent->realm, row + 1, &id, 0, 0, NULL, 0);
        }
        for (uint32_t head = agent->first_head; head != UINT32_MAX; head = store->head_next[head]) {
            am_id id = am_record_id(agent->realm, state->heads[head].unit);
            am_journal(store, AM_RECORD_HEAD, agent->realm, row + 1, &id, 0, 0, state->heads[head].name,
                       state->heads[head].bytes);
        }
    }
}

struct moving {
    struct am_store *store;
    uint64_t marked;
};

static bool moved(void *context, const struct am_log_head *head, uint64_t from, uint64_t to) {
    struct moving *moving = context;
    struct am_store *store = moving->store;
    if (of_journal(head->kind) && head->time_ms < moving->marked)
        return false;
    if (!grow((void **)&store->moves, &store->move_room, store->move_count, sizeof *store->moves))
        abort(); /* a record that moves unnoticed would be lost; the supervisor starts a new broker from the
                    same memory */
    store->moves[store->move_count][0] = from;
    store->moves[store->move_count++][1] = to;
    return true;
}

static void cold_run(struct am_job *base) {
    struct cold_job *job = (struct cold_job *)base;
    struct am_store *store = job->store;
    pthread_mutex_lock(&store->cold_lock);
    for (size_t i = 0; job->full && i < job->dropped_count; i++)
        am_log_drop(store->cold, job->dropped[i]);
    for (size_t i = 0; i < job->count; i++) {
        struct am_cold_entry *entry = &job->entries[i];
        entry->status = job->status
                            ? job->status
                            : am_log_append(store->cold, &entry->head, entry->payload, &entry->address);
        if (entry->status)
            job->status = entry->status; /* what comes later must not overtake what did not fit */
    }
    int synced = am_log_sync(store->cold);
    job->status = job->status ? job->status : synced;
    for (size_t i = 0; !job->status && i < job->dropped_count; i++)
        am_log_drop(store->cold, job->dropped[i]);
    struct moving moving = {store, job->marked};
    if (job->compact)
        job->compacted = am_log_compact(store->cold, AM_COMPACT_STEP, moved, &moving);
    pthread_mutex_unlock(&store->cold_lock);
}

/* Where a record is that a compaction may have moved; under cold_lock. */
static uint64_t moved_to(const struct am_store *store, uint64_t address) {
    for (size_t i = 0; i < store->move_count; i++)
        if (store->moves[i][0] == address)
            address = store->moves[i][1];
    return address;
}

int am_cold_read(struct am_store *store, uint64_t address, struct am_log_head *head, void *payload,
                 size_t room) {
    pthread_mutex_lock(&store->cold_lock);
    int status = am_log_read(store->cold, moved_to(store, address), head, payload, room);
    pthread_mutex_unlock(&store->cold_lock);
    return status;
}

static int by_from(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void follow(const struct am_store *store, uint64_t *address) {
    const uint64_t *at;
    while ((at = bsearch(address, store->moves, store->move_count, sizeof *store->moves, by_from)) != NULL)
        *address = at[1]; /* perhaps more than once: addresses do not come again */
}

static void take_moves(struct am_store *store) {
    if (!store->move_count)
        return;
    qsort(store->moves, store->move_count, sizeof *store->moves, by_from);
    for (uint32_t i = 0; i < AM_REALMS; i++) {
        struct am_realm *realm = store->realm[i];
        for (uint32_t n = 1; realm && n < atomic_load(&realm->header->unit_high); n++)
            if (realm->meta[n].cold) {
                uint64_t address = realm->meta[n].cold - 1;
                follow(store, &address);
                realm->meta[n].cold = address + 1;
            }
    }
    for (size_t i = 0; i < store->journaled_count; i++)
        follow(store, &store->journaled[i]);
    for (size_t i = 0; i < store->dropped_count; i++)
        follow(store, &store->dropped[i]);
    for (size_t i = 0; i < store->held_count; i++)
        follow(store, &store->held[i]);
    store->move_count = 0;
}

static void unit_written(struct am_store *store, struct am_cold_entry *entry) {
    struct am_realm *realm = store->realm[entry->realm];
    struct am_meta *meta = &realm->meta[entry->unit];
    realm->flag[entry->unit] &= (uint8_t)~AM_FLAG_FREEZING;
    am_unit_unpin(realm, entry->unit);
    if (entry->status) {
        am_unsaved(realm, entry->unit); /* with a later job */
    } else {
        if (entry->head.form == AM_FOLDED && !(meta->folded & AM_FOLD_NOW))
            am_warm_drop(realm, entry->unit); /* unfolded meanwhile: what lies there is another form */
        meta->cold = entry->address + 1;
        meta->cold_bytes = (uint32_t)entry->head.payload_bytes;
        meta->folded =
            (uint8_t)((meta->folded & AM_FOLD_NOW) | (entry->head.form == AM_FOLDED ? AM_FOLD_COLD : 0));
        if (am_state_of(realm, entry->unit) == AM_STATE_HOT && !meta->base)
            am_warm_drop(realm, entry->unit); /* coded only to be written */
        if (am_state_of(realm, entry->unit) == AM_STATE_AWAY && meta->warm &&
            meta->warm_bytes == meta->cold_bytes) {
            am_warm_drop(realm, entry->unit);
            store->counted.evictions_cold++;
        }
    }
    am_unit_doom(realm, entry->unit);
}

static void cold_done(struct am_job *base) {
    struct cold_job *job = (struct cold_job *)base;
    struct am_store *store = job->store;
    store->cold_busy = store->cold_compacting = false;
    store->cold_full = job->status != 0;
    for (size_t i = 0; job->status && !job->full && i < job->dropped_count; i++)
        am_cold_forget(store, job->dropped[i]);
    if (job->status)
        am_point_end(store);
    if (job->compact)
        store->compact_due = job->compacted > 0; /* until there is nothing left to move */
    size_t again = 0;
    for (size_t i = 0; i < job->count; i++) {
        struct am_cold_entry *entry = &job->entries[i];
        if (entry->unit) {
            unit_written(store, entry);
        } else if (entry->status) { /* the journal must not have holes: it is written with the next job */
            job->entries[again++] = *entry;
            continue;
        } else if (of_journal(entry->head.kind)) {
            if (grow((void **)&store->journaled, &store->journaled_room, store->journaled_count,
                     sizeof *store->journaled))
                store->journaled[store->journaled_count++] = entry->address;
            if (entry->head.kind == AM_RECORD_MARK && entry->head.time_ms > store->marked) {
                store->marked = entry->head.time_ms;
                store->snapshot_count = entry->head.base_or_number;
                size_t old = store->journaled_count > store->snapshot_count
                                 ? store->journaled_count - store->snapshot_count
                                 : 0;
                for (size_t n = 0; n < old; n++)
                    am_cold_forget(store, store->journaled[n]);
                memmove(store->journaled, store->journaled + old,
                        (store->journaled_count - old) * sizeof *store->journaled);
                store->journaled_count -= old;
            }
        }
        free(entry->payload);
    }
    take_moves(store);
    bool room = true;
    while (room && again && store->journal_room <= store->journal_count + again)
        room = grow((void **)&store->journal, &store->journal_room, store->journal_count + again,
                    sizeof *store->journal);
    for (size_t i = 0; !room && i < again; i++)
        free(job->entries[i].payload);
    store->snapshot_due |= !room;
    if (again && room) { /* in front of what has come meanwhile */
        memmove(store->journal + again, store->journal, store->journal_count * sizeof *store->journal);
        memcpy(store->journal, job->entries, again * sizeof *store->journal);
        store->journal_count += again;
    }
    if (job->status) {
        store->cold_retry_ms = am_now(store) + AM_FULL_WAIT_MS;
        am_fail(store, job->status,
                "the disk of the cold tier takes no more; units stay in memory until it does");
    }
    store->jobs--;
    free(job->entries);
    free(job->dropped);
    free(job);
    am_cold_waiters(store);
}

void am_cold_step(struct am_store *store, bool now) {
    if (!store->cold || store->cold_busy || (store->cold_retry_ms > am_now(store) && !now))
        return;
    if (store->snapshot_due ||
        (!store->mark_due && store->journaled_count > 4096 + 4 * store->snapshot_count))
        am_snapshot(store);
    if (store->cold_full)
        am_held_take(store);
    else if (!store->point)
        am_point_begin(store);
    am_freeze(store, am_now(store), store->closing);
    bool there = store->point && (!store->unsaved_count || store->unsaved[0].ticket >= store->point);
    size_t over = there || store->cold_full ? store->held_count : 0;
    if (there && store->mark_follows && !store->snapshot_due) {
        am_journal(store, AM_RECORD_MARK, NULL, 0, NULL, (uint32_t)store->generation_count + 1, 0, NULL, 0);
        store->mark_due = false;
    }
    if (there)
        am_point_end(store);
    store->compact_due |= over > 0;
    bool compact = store->compact_due && !store->cold_reads && !store->closing;
    if (!store->journal_count && !over && !compact)
        return;
    struct cold_job *job = calloc(1, sizeof *job);
    if (!job)
        return;
    *job = (struct cold_job){.job = {.run = cold_run, .done = cold_done},
                             .store = store,
                             .entries = store->journal,
                             .count = store->journal_count,
                             .dropped = over ? store->held : NULL,
                             .dropped_count = over,
                             .compact = compact,
                             .full = store->cold_full,
                             .marked = store->marked};
    store->journal = NULL;
    store->journal_count = store->journal_room = 0;
    if (over) {
        store->held = NULL;
        store->held_count = 0;
    }
    store->cold_busy = true;
    store->cold_compacting = compact;
    store->jobs++;
    am_job_submit(store, &job->job);
}
