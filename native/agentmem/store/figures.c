/* What there is and what it takes, counted anew when somebody asks. */
#include "inside.h"

#include <string.h>

static uint64_t stored_bytes(const struct am_realm *realm, uint32_t n) {
    const struct am_meta *meta = &realm->meta[n];
    if (am_state_of(realm, n) == AM_STATE_HOT)
        return am_length(realm, n) + meta->warm_bytes;
    return meta->warm ? meta->warm_bytes : meta->cold_bytes;
}

static int tier_of(const struct am_realm *realm, uint32_t n) {
    return am_state_of(realm, n) == AM_STATE_HOT ? AM_HOT : realm->meta[n].warm ? AM_WARM : AM_COLD;
}

static void add_realm(const struct am_realm *realm, struct am_store_figures *out) {
    uint32_t high = atomic_load(&realm->header->unit_high), log2 = atomic_load(&realm->header->index_log2);
    for (uint32_t n = 1; n < high; n++) {
        if (am_state_of(realm, n) == AM_STATE_FREE)
            continue;
        /* Owners each count it; what ropes hold of it is added below; deltas that lean on it do not count. */
        uint64_t length = am_length(realm, n), stored = stored_bytes(realm, n), needs = realm->meta[n].owners;
        if (am_form_of(realm, n) == AM_ROPE)
            needs = 0; /* bookkeeping: nobody would have it without us */
        else if (!needs && !realm->meta[n].parents)
            needs = 1;
        length += realm->meta[n].fold_bytes;
        struct am_tier_figures *tier = &out->tier[tier_of(realm, n)];
        struct am_type_figures *type = &out->type[am_type_of(realm, n)];
        tier->units++;
        tier->raw_bytes += length;
        tier->stored_bytes += stored;
        type->units++;
        type->logical_bytes += length * needs;
        type->unique_bytes += length;
        type->stored_bytes += stored;
        out->units++;
    }
    for (int i = AM_CONVERSATION; i <= AM_KV_PAGE; i++)
        out->type[i].logical_bytes += realm->held[i].bytes;
    out->table_bytes += (uint64_t)high * (sizeof(struct am_record) + sizeof(struct am_meta)) +
                        (16ull << log2) + (uint64_t)realm->room * (4 + sizeof(struct am_sketch)) +
                        realm->base_room * sizeof *realm->bases;
    for (uint32_t i = 0; i < realm->segment_high; i++)
        if (realm->segment[i].fd >= 0) {
            out->segment_bytes += realm->segment[i].end;
            out->retiring_bytes += realm->segment[i].end - realm->segment[i].live;
        }
}

void am_store_figures(const struct am_store *store, struct am_store_figures *out) {
    *out = store->counted;
    for (uint32_t i = 0; i < AM_REALMS; i++)
        if (store->realm[i])
            add_realm(store->realm[i], out);
    struct am_log_stats stats;
    am_log_stats(store->warm, &stats);
    out->warm_bytes = stats.bytes;
    if (store->cold) {
        pthread_mutex_lock((pthread_mutex_t *)&store->cold_lock);
        am_log_stats(store->cold, &stats);
        pthread_mutex_unlock((pthread_mutex_t *)&store->cold_lock);
        out->cold_bytes = stats.bytes;
    }
    out->agents = store->agents;
    out->readers = store->readers;
}

/* One look at all units, for all agents: what lies in the space of each. */
static void count_spaces(const struct am_store *store) {
    for (uint32_t row = 0; row < store->state->agent_high; row++)
        if (store->agent[row])
            store->agent[row]->space = (struct am_space_figures){0};
    for (uint32_t i = 0; i < AM_REALMS; i++) {
        const struct am_realm *realm = store->realm[i];
        const uint32_t high = realm ? atomic_load(&realm->header->unit_high) : 0;
        for (uint32_t n = 1; n < high; n++) {
            const uint32_t space = realm->meta[n].space;
            if (!space || am_state_of(realm, n) == AM_STATE_FREE || !store->agent[space - 1])
                continue;
            if (!realm->meta[n].owners && !realm->meta[n].parents)
                continue; /* somebody's reference is all that keeps it */
            struct am_space_figures *of = &store->agent[space - 1]->space;
            struct am_tier_figures *tier = &of->tier[tier_of(realm, n)];
            struct am_type_figures *type = &of->type[am_type_of(realm, n)];
            tier->units++;
            tier->raw_bytes += am_length(realm, n) + realm->meta[n].fold_bytes;
            tier->stored_bytes += stored_bytes(realm, n);
            type->units++;
            type->unique_bytes += am_length(realm, n) + realm->meta[n].fold_bytes;
            type->stored_bytes += stored_bytes(realm, n);
        }
    }
}

/* What it has by itself, and what its ropes hold. */
static void add_space(const struct am_agent *agent, struct am_agent_figures *out) {
    memcpy(out->tier, agent->space.tier, sizeof out->tier);
    memcpy(out->type, agent->space.type, sizeof out->type);
    for (int i = AM_CONVERSATION; i <= AM_KV_PAGE; i++) {
        out->type[i].logical_bytes = agent->held[i].bytes;
        out->logical_bytes += agent->held[i].bytes;
        out->shared_bytes += agent->held[i].shared_bytes;
        out->private_bytes += out->type[i].unique_bytes;
    }
}

bool am_agent_figures(const struct am_store *store, size_t n, struct am_agent_figures *out) {
    const struct am_state *state = store->state;
    uint32_t row = 0;
    for (size_t seen = 0; row < state->agent_high; row++)
        if (store->agent[row] && !store->agent[row]->ended && seen++ == n)
            break;
    if (row >= state->agent_high)
        return false;
    if (n == 0)
        count_spaces(store);
    const struct am_agent *agent = store->agent[row];
    const struct am_agent_row *said = &state->agents[row];
    *out = (struct am_agent_figures){.name = said->name,
                                     .realm = state->realms[agent->realm->number].name,
                                     .number = row,
                                     .space = row + 1,
                                     .importance = said->importance,
                                     .connections = agent->connections,
                                     .pid = said->pid,
                                     .state = (int)said->state,
                                     .durable = said->durable,
                                     .units = agent->units,
                                     .opened_ms = said->opened_ms,
                                     .used_ms = said->used_ms};
    add_space(agent, out);
    for (uint32_t edge = agent->first_edge; edge != UINT32_MAX; edge = store->edge_next[edge]) {
        uint32_t unit = (uint32_t)am_word(&state->edges[edge]);
        uint64_t length = am_length(agent->realm, unit);
        struct am_type_figures *type = &out->type[am_type_of(agent->realm, unit)];
        if (am_form_of(agent->realm, unit) != AM_ROPE) {
            type->logical_bytes += length;
            out->logical_bytes += length;
        }
        if (agent->realm->meta[unit].space)
            continue; /* counted with its space */
        struct am_tier_figures *tier = &out->tier[tier_of(agent->realm, unit)];
        tier->units++;
        tier->raw_bytes += length;
        tier->stored_bytes += stored_bytes(agent->realm, unit);
        if (agent->realm->meta[unit].owners > 1) {
            out->shared_bytes += length;
            continue;
        }
        out->private_bytes += length;
        type->units++;
        type->unique_bytes += length;
        type->stored_bytes += stored_bytes(agent->realm, unit);
    }
    for (const struct am_reader *reader = agent->realm->readers; reader; reader = reader->next) {
        uint32_t high = atomic_load(&reader->page->high);
        for (uint32_t i = 1; reader->agent == agent && i < high && i < AM_REFERENCES; i++)
            out->references += atomic_load_explicit(&reader->page->slot[i], memory_order_relaxed) != 0;
    }
    return true;
}
