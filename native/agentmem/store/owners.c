/* Who owns what: pairs of agent and unit, kept in the state memfd; lists by agent and a hash beside it in the
 * heap. Invariant: meta.owners of a unit is the number of pairs that name it. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

static uint64_t pair(const struct am_agent *agent, uint32_t unit) {
    return (uint64_t)agent->row << 40 | (uint64_t)agent->realm->number << 32 | unit;
}

static uint32_t spread(uint64_t value) { return (uint32_t)((value * 0x9e3779b97f4a7c15ull) >> 32); }

static uint32_t *cell(const struct am_store *store, uint64_t value) {
    uint32_t mask = store->edge_hash_room - 1, at = spread(value) & mask;
    while (store->edge_hash[at] != UINT32_MAX && am_word(&store->state->edges[store->edge_hash[at]]) != value)
        at = (at + 1) & mask;
    return &store->edge_hash[at];
}

/* Room for one more pair in the heap's arrays. */
int am_owners_room(struct am_store *store) {
    uint32_t high = store->state->edge_high;
    if (high < store->edge_room && store->edge_hash_room)
        return 0;
    uint32_t room = store->edge_room ? store->edge_room : 1024;
    while (room <= high)
        room *= 2;
    if (room > AM_EDGES)
        return am_fail(store, AM_ENOMEM, "%u pairs of agent and unit, which is the limit", AM_EDGES);
    uint32_t *next = realloc(store->edge_next, room * sizeof *next);
    store->edge_next = next ? next : store->edge_next;
    uint32_t *previous = realloc(store->edge_previous, room * sizeof *previous);
    store->edge_previous = previous ? previous : store->edge_previous;
    uint32_t *hash = malloc(room * 2 * sizeof *hash);
    if (!next || !previous || !hash) {
        free(hash);
        return am_fail(store, AM_ENOMEM, "no memory for %u owners", room);
    }
    store->edge_room = room;
    free(store->edge_hash);
    store->edge_hash = hash;
    store->edge_hash_room = room * 2;
    memset(hash, 0xff, room * 2 * sizeof *hash);
    for (uint32_t i = 0; i < high; i++)
        if (am_word(&store->state->edges[i]))
            *cell(store, am_word(&store->state->edges[i])) = i;
    return 0;
}

/* Put a pair that stands in the state into its agent's list. */
void am_owner_link(struct am_store *store, uint32_t edge) {
    uint64_t value = am_word(&store->state->edges[edge]);
    struct am_agent *agent = store->agent[value >> 40];
    store->edge_previous[edge] = UINT32_MAX;
    store->edge_next[edge] = agent->first_edge;
    if (agent->first_edge != UINT32_MAX)
        store->edge_previous[agent->first_edge] = edge;
    agent->first_edge = edge;
    agent->units++;
    agent->bytes += am_length(agent->realm, (uint32_t)value);
    agent->realm->meta[(uint32_t)value].owners++;
}

static bool free_edge(struct am_store *store, uint32_t *edge) {
    struct am_state *state = store->state;
    if (store->edge_free) { /* somewhere below there is a hole; look on from where the last was found */
        for (uint32_t n = 0; n < state->edge_high; n++) {
            store->edge_hand = store->edge_hand + 1 < state->edge_high ? store->edge_hand + 1 : 0;
            if (!am_word(&state->edges[store->edge_hand])) {
                *edge = store->edge_hand;
                store->edge_free--;
                return true;
            }
        }
    }
    if (state->edge_high >= AM_EDGES || am_owners_room(store))
        return false;
    *edge = state->edge_high++;
    return true;
}

bool am_owner_has(const struct am_store *store, const struct am_agent *agent, uint32_t unit) {
    return *cell(store, pair(agent, unit)) != UINT32_MAX;
}

int am_owner_add(struct am_store *store, struct am_agent *agent, uint32_t unit, bool *added) {
    uint64_t value = pair(agent, unit);
    *added = false;
    if (*cell(store, value) != UINT32_MAX)
        return 0;
    uint32_t edge;
    if (!free_edge(store, &edge))
        return am_fail(store, AM_ENOMEM, "%u pairs of agent and unit, which is the limit", AM_EDGES);
    atomic_store_explicit(&store->state->edges[edge], value, memory_order_release);
    *cell(store, value) = edge; /* asked again: room may have made another hash */
    am_owner_link(store, edge);
    *added = true;
    struct am_agent_row *row = &store->state->agents[agent->row];
    if (row->durable) {
        am_id id = am_record_id(agent->realm, unit);
        am_journal(store, AM_RECORD_OWN, agent->realm, agent->row + 1, &id, 0, 0, NULL, 0);
        am_unsaved(agent->realm, unit);
    }
    return 0;
}

/* Linear probing: close the gap that a removal leaves. */
static void unhash(struct am_store *store, uint32_t *gone) {
    uint32_t mask = store->edge_hash_room - 1, hole = (uint32_t)(gone - store->edge_hash);
    for (uint32_t at = (hole + 1) & mask; store->edge_hash[at] != UINT32_MAX; at = (at + 1) & mask) {
        uint32_t home = spread(am_word(&store->state->edges[store->edge_hash[at]])) & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            store->edge_hash[hole] = store->edge_hash[at];
            hole = at;
        }
    }
    store->edge_hash[hole] = UINT32_MAX;
}

bool am_owner_remove(struct am_store *store, struct am_agent *agent, uint32_t unit) {
    uint32_t *at = cell(store, pair(agent, unit));
    if (*at == UINT32_MAX)
        return false;
    uint32_t edge = *at, next = store->edge_next[edge], previous = store->edge_previous[edge];
    unhash(store, at);
    if (previous == UINT32_MAX)
        agent->first_edge = next;
    else
        store->edge_next[previous] = next;
    if (next != UINT32_MAX)
        store->edge_previous[next] = previous;
    if (store->state->agents[agent->row].durable) {
        am_id id = am_record_id(agent->realm, unit);
        am_journal(store, AM_RECORD_OWN, agent->realm, agent->row + 1, &id, 0, AM_DISOWNED, NULL, 0);
    }
    atomic_store_explicit(&store->state->edges[edge], 0, memory_order_release);
    store->edge_free++;
    agent->units--;
    agent->bytes -= am_length(agent->realm, unit);
    if (--agent->realm->meta[unit].owners == 0)
        am_unit_doom(agent->realm, unit);
    return true;
}

/* After the state was taken over: pairs whose agent or unit is gone are removed, the rest linked and counted.
 */
int am_owners_rebuild(struct am_store *store) {
    struct am_state *state = store->state;
    state->edge_high = state->edge_high >= AM_EDGES ? AM_EDGES - 1 : state->edge_high;
    int status = am_owners_room(store);
    for (uint32_t i = 0; i < state->edge_high && !status; i++) {
        uint64_t value = am_word(&state->edges[i]);
        uint32_t row = (uint32_t)(value >> 40), number = value >> 32 & 255, unit = (uint32_t)value;
        struct am_agent *agent = row < AM_AGENTS ? store->agent[row] : NULL;
        bool right = value && agent && agent->realm->number == number &&
                     unit < atomic_load(&agent->realm->header->unit_high) &&
                     am_state_of(agent->realm, unit) != AM_STATE_FREE;
        if (right)
            am_owner_link(store, i);
        else {
            atomic_store(&state->edges[i], 0);
            store->edge_free++;
        }
    }
    if (status)
        return status;
    store->edge_hash_room = 0; /* made again, from what is right */
    return am_owners_room(store);
}
