/* Down from hot to warm: which units go (policy.h says), and how they are coded.
 *
 * A unit that still has a record in the warm or cold log just gives up its hot bytes: content does not
 * change. The others are coded by the pool, with a base or a dictionary where there is one, while their bytes
 * stay pinned. A unit that somebody refers to when its job is done stays hot, with its record: it goes down
 * the next time for nothing. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

#define AM_WINDOW_UNITS 16384u /* looked at in one call: about a millisecond */
#define AM_DELTA_GAIN                                                                                        \
    4u /* a delta must be a quarter of what the unit takes by itself, because it pins its base */

#define AM_BASE_COPY (256u << 10) /* bytes of a base that is restored for coding, on the loop's thread */

struct cool_job {
    struct am_job job;
    struct am_realm *realm;
    uint32_t number, base;
    const uint8_t *raw;
    uint64_t raw_bytes, base_bytes;
    const uint8_t *base_raw;
    uint8_t *base_copy; /* of a base that is not hot itself */
    am_id base_id;
    const struct am_dictionary *dictionary;
    uint8_t *out;
    size_t out_bytes;
    bool delta, stay; /* stay: it needs a record, not to go */
};

static void cool_run(struct am_job *job_base) {
    struct cool_job *job = (struct cool_job *)job_base;
    size_t bound = am_stored_bound(job->raw_bytes);
    uint8_t *out = malloc(bound), *delta = NULL;
    size_t bytes = out ? am_encode(job->raw, job->raw_bytes, job->dictionary, AM_LEVEL, out) : 0;
    if (bytes && job->base_raw && (delta = malloc(bound))) {
        size_t leaning = am_encode_delta(job->raw, job->raw_bytes, job->base_raw, job->base_bytes,
                                         job->base_id.bytes, delta);
        struct am_stored head;
        if (leaning && leaning * AM_DELTA_GAIN <= bytes && am_stored_head(delta, leaning, &head) == 0 &&
            head.coding == AM_DELTA) {
            free(out);
            out = delta;
            delta = NULL;
            bytes = leaning;
            job->delta = true;
        }
    }
    free(delta);
    job->out = bytes ? out : NULL;
    if (!bytes)
        free(out);
    job->out_bytes = bytes;
}

static void cool_done(struct am_job *job_base) {
    struct cool_job *job = (struct cool_job *)job_base;
    struct am_realm *realm = job->realm;
    struct am_store *store = realm->store;
    struct am_meta *meta = &realm->meta[job->number];
    am_unit_unpin(realm, job->number);
    if (job->base_raw)
        am_unit_unpin(realm, job->base);
    realm->flag[job->number] &= (uint8_t)~AM_FLAG_COOLING;
    store->cooling_bytes -= job->raw_bytes;
    store->jobs--;
    if (job->out && !meta->warm) {
        struct am_log_head head = {.payload_bytes = job->out_bytes,
                                   .time_ms = meta->used_ms,
                                   .realm = realm->number,
                                   .space = meta->space,
                                   .base_or_number = job->number,
                                   .importance = meta->importance,
                                   .kind = AM_RECORD_UNIT,
                                   .type = (uint8_t)am_type_of(realm, job->number),
                                   .form = (uint8_t)am_form_of(realm, job->number)};
        am_id id = am_record_id(realm, job->number);
        memcpy(head.id, id.bytes, sizeof head.id);
        uint64_t address;
        if (am_log_append(store->warm, &head, job->out, &address) == 0) {
            am_warm_grown(store); /* the supervisor has the segment before the hot bytes go */
            meta->warm = address + 1;
            meta->warm_bytes = (uint32_t)job->out_bytes;
            if (job->delta && !meta->base) {
                meta->base = job->base;
                realm->meta[job->base].parents++;
            }
            if (!job->stay && meta->folded & AM_FOLD_COLD) { /* that record stood for its pieces too */
                am_cold_drop(realm, job->number);
                am_unsaved(realm, job->number);
                am_rope_unsaved(realm, (const am_piece *)job->raw, job->raw_bytes / sizeof(am_piece));
            }
            if (!job->stay && am_unit_chill(realm, job->number))
                store->counted.evictions_warm++;
        }
    }
    am_unit_doom(realm, job->number); /* its last owner may have gone meanwhile; if not, this does nothing */
    free(job->base_copy);
    free(job->out);
    free(job);
}

void am_code_number(struct am_realm *realm, uint32_t number, bool stay) {
    struct am_store *store = realm->store;
    struct am_meta *meta = &realm->meta[number];
    if (am_state_of(realm, number) != AM_STATE_HOT || realm->flag[number] & AM_FLAG_COOLING)
        return;
    /* The cold record of a rope that was unfolded stands for its pieces too: it is no copy of the rope alone.
     */
    bool copy = meta->warm || (meta->cold && !(meta->folded & AM_FOLD_COLD));
    if (!stay && !meta->warm && am_fold(realm, number))
        return;
    if (copy || (stay && meta->cold)) {
        if (!stay && am_unit_chill(realm, number))
            store->counted.evictions_warm++;
        return;
    }
    uint64_t length = am_length(realm, number);
    struct cool_job *job = calloc(1, sizeof *job);
    if (!job)
        return;
    int type = am_type_of(realm, number);
    *job = (struct cool_job){.job = {.run = cool_run, .done = cool_done},
                             .realm = realm,
                             .number = number,
                             .raw = am_bytes_of(realm, number),
                             .raw_bytes = length,
                             .stay = stay};
    if (type != AM_KV_PAGE && realm->dictionaries[type])
        job->dictionary = realm->dictionary[type][realm->dictionaries[type] - 1];
    uint32_t base = am_base_for(realm, number);
    if (base == number)
        base = 0;
    /* The first of a family is often the first to go: who comes after it may lean on it all the same. */
    bool away = base && am_state_of(realm, base) != AM_STATE_HOT;
    if (away && realm->meta[base].warm && am_length(realm, base) <= AM_BASE_COPY)
        job->base_copy = am_unit_raw(realm, base);
    if (base && (!away || job->base_copy)) {
        job->base = base;
        job->base_raw = away ? job->base_copy : am_bytes_of(realm, base);
        job->base_bytes = am_length(realm, base);
        job->base_id = am_record_id(realm, base);
        am_unit_pin(realm, base);
    }
    am_unit_pin(realm, number);
    realm->flag[number] |= AM_FLAG_COOLING;
    store->cooling_bytes += length;
    store->jobs++;
    am_job_submit(store, &job->job);
}

void am_cool_number(struct am_realm *realm, uint32_t number) { am_code_number(realm, number, false); }

/* A small piece of one private rope: it goes down with that rope, in one record. */
static bool folds_soon(const struct am_realm *realm, uint32_t number) {
    const struct am_meta *meta = &realm->meta[number];
    return meta->space && !meta->owners && meta->parents == 1 && am_form_of(realm, number) == AM_RAW &&
           am_length(realm, number) <= AM_FOLD_PIECE;
}

/* For every unit the most awake of its owners, and whether it is among the newest of one. */
static void awake(struct am_store *store) {
    for (uint32_t i = 0; i < AM_REALMS; i++)
        if (store->realm[i])
            memset(store->realm[i]->awake, 0, store->realm[i]->room);
    for (uint32_t row = 0; row < store->state->agent_high; row++) {
        struct am_agent *agent = store->agent[row];
        if (!agent)
            continue;
        uint8_t *of = agent->realm->awake, state = (uint8_t)store->state->agents[row].state;
        for (uint32_t edge = agent->first_edge; edge != UINT32_MAX; edge = store->edge_next[edge]) {
            uint8_t *unit = &of[(uint32_t)am_word(&store->state->edges[edge])];
            uint8_t before = *unit & 15;
            *unit = (uint8_t)((*unit & 16) | (before && before < state ? before : state));
        }
        for (uint32_t n = 0; n < AM_POLICY_RECENT; n++)
            if (agent->newest[n])
                of[agent->newest[n]] |= 16;
    }
}

struct candidate {
    double keep;
    uint32_t realm, unit;
    uint64_t bytes;
};

static int by_keep(const void *a, const void *b) {
    double x = ((const struct candidate *)a)->keep, y = ((const struct candidate *)b)->keep;
    return (x > y) - (x < y);
}

static double keep(struct am_realm *realm, uint32_t number, uint64_t now) {
    const struct am_meta *meta = &realm->meta[number];
    uint64_t length = am_length(realm, number);
    struct am_policy_unit unit = {.idle_ms = now - meta->used_ms,
                                  .before_ms = meta->before_ms ? meta->used_ms - meta->before_ms : UINT64_MAX,
                                  .bytes = length,
                                  .restore_us = 20 + length / 1500,
                                  .importance = meta->importance,
                                  .sharers = meta->owners,
                                  .agent = realm->awake[number] & 15,
                                  .type = (uint8_t)am_type_of(realm, number),
                                  .newest = realm->awake[number] >> 4};
    return am_policy_keep(&unit, &am_policy_default);
}

/* Go on over the units of all realms from where the last call stopped, in turns of AM_WINDOW_UNITS, and send
 * down what is old, and, when `bytes` are wanted, what is least worth keeping of the window. */
void am_cool(struct am_store *store, uint64_t bytes, uint64_t now, int pressure) {
    static const uint64_t soon = 2000;
    if (now - store->awake_ms > soon || !store->awake_ms) {
        awake(store);
        store->awake_ms = now;
    }
    if (store->cooling_bytes >= bytes && bytes)
        return; /* enough is on its way */
    bytes -= bytes ? store->cooling_bytes : 0;
    struct candidate *window = bytes ? malloc(AM_WINDOW_UNITS * sizeof *window) : NULL;
    size_t count = 0;
    uint32_t seen = 0, realms = 0;
    while (seen < AM_WINDOW_UNITS && realms <= AM_REALMS) {
        struct am_realm *realm = store->realm[store->hand_realm];
        uint32_t high = realm ? atomic_load(&realm->header->unit_high) : 0;
        if (store->hand_unit >= high) {
            store->hand_realm = (store->hand_realm + 1) % AM_REALMS;
            store->hand_unit = 1;
            realms++;
            continue;
        }
        uint32_t number = store->hand_unit++;
        seen++;
        if (am_state_of(realm, number) == AM_STATE_FREE)
            continue;
        if (!realm->meta[number].owners && !realm->meta[number].parents)
            am_unit_doom(realm, number); /* in case no memory was left when it lost its last owner */
        if (am_state_of(realm, number) != AM_STATE_HOT || realm->pins[number] ||
            realm->flag[number] & AM_FLAG_COOLING)
            continue;
        if (folds_soon(realm, number) && pressure < 2 &&
            now - realm->meta[number].used_ms < 4 * store->options.warm_after_ms)
            continue;
        if (now - realm->meta[number].used_ms >= store->options.warm_after_ms)
            am_cool_number(realm, number);
        else if (window)
            window[count++] = (struct candidate){keep(realm, number, now), store->hand_realm, number,
                                                 am_length(realm, number)};
    }
    if (window) {
        qsort(window, count, sizeof *window, by_keep);
        uint64_t going = 0;
        for (size_t i = 0; i < count && going < bytes; i++) {
            /* Under mild need the better half of a window stays; the next window may have worse. */
            if (pressure < 2 && i > count / 2 && going)
                break;
            am_cool_number(store->realm[window[i].realm], window[i].unit);
            going += window[i].bytes;
        }
        free(window);
    }
}

void am_cool_agent(struct am_store *store, struct am_agent *agent) {
    am_units_free(agent->realm, 16384);
    for (uint32_t edge = agent->first_edge; edge != UINT32_MAX; edge = store->edge_next[edge]) {
        uint32_t unit = (uint32_t)am_word(&store->state->edges[edge]);
        if (agent->realm->meta[unit].owners == 1)
            am_cool_number(agent->realm, unit);
    }
    uint32_t high =
        atomic_load(&agent->realm->header->unit_high); /* what only ropes keep: all of its space */
    for (uint32_t unit = 1; unit < high; unit++)
        if (agent->realm->meta[unit].space == agent->row + 1 && !folds_soon(agent->realm, unit) &&
            am_state_of(agent->realm, unit) == AM_STATE_HOT)
            am_cool_number(agent->realm, unit);
}

static void nobody(void *context, int status, const struct am_placed *placed) {
    (void)context, (void)status, (void)placed;
}

void am_heat_agent(struct am_agent *agent) {
    for (uint32_t n = 0; n < AM_POLICY_RECENT; n++)
        if (agent->newest[n] && am_state_of(agent->realm, agent->newest[n]) == AM_STATE_AWAY &&
            am_agent_may(agent, agent->newest[n]))
            am_heat_number(agent->realm, agent->newest[n], nobody, NULL);
}
