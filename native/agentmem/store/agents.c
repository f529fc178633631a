/* Agents: their rows, their keys, their end. Knows no process; who holds one calls am_agent_close when it
 * died. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

/* The key of an agent's private space: another agent cannot compute ids in it. */
static void agent_key(struct am_agent *agent) {
    const struct am_agent_row *row = &agent->store->state->agents[agent->row];
    struct am_blake3 hash;
    uint8_t process[12] = {0};
    am_blake3_start_derive(&hash, "NexusOS AgentMem 2026 agent key");
    am_blake3_update(&hash, agent->realm->key, 32);
    am_blake3_update(&hash, row->name, row->bytes);
    if (!row->durable) { /* two processes of one name are two agents */
        memcpy(process, &row->pid, 4);
        memcpy(process + 4, &row->opened_ms, 8);
    }
    am_blake3_update(&hash, process, sizeof process);
    am_blake3_finish(&hash, agent->key);
}

struct am_agent *am_agent_make(struct am_store *store, struct am_realm *realm, uint32_t row) {
    struct am_agent *agent = calloc(1, sizeof *agent);
    if (!agent)
        return NULL;
    *agent = (struct am_agent){.store = store,
                               .realm = realm,
                               .row = row,
                               .first_edge = UINT32_MAX,
                               .open_segment = UINT32_MAX,
                               .first_head = UINT32_MAX};
    agent_key(agent);
    store->agent[row] = agent;
    store->agents++;
    return agent;
}

struct am_agent *am_agent_find(struct am_store *store, struct am_realm *realm, const char *name,
                               size_t bytes) {
    struct am_state *state = store->state;
    for (uint32_t i = 0; i < state->agent_high; i++)
        if (state->agents[i].bytes == bytes && state->agents[i].realm == realm->number &&
            state->agents[i].state != AM_KILLED && memcmp(state->agents[i].name, name, bytes) == 0)
            return store->agent[i];
    return NULL;
}

static struct am_agent *again(struct am_store *store, struct am_realm *realm, const char *name, size_t bytes,
                              bool durable, int32_t pid, uint64_t pid_start) {
    struct am_state *state = store->state;
    for (uint32_t i = 0; i < state->agent_high; i++) {
        const struct am_agent_row *row = &state->agents[i];
        if (row->bytes != bytes || row->realm != realm->number || memcmp(row->name, name, bytes) ||
            row->durable != durable || row->state == AM_KILLED)
            continue;
        if (durable || (pid && row->pid == pid && row->pid_start == pid_start))
            return store->agent[i];
    }
    return NULL;
}

int am_agent_open(struct am_store *store, struct am_realm *realm, const char *name, size_t bytes,
                  bool durable, uint32_t importance, int32_t pid, uint64_t pid_start, struct am_agent **out) {
    struct am_state *state = store->state;
    if (bytes == 0 || bytes >= AM_NAME_BYTES || memchr(name, 0, bytes))
        return am_fail(store, AM_EINVAL,
                       "an agent's name of %zu bytes: 1 to %d bytes without zeros are taken", bytes,
                       AM_NAME_BYTES - 1);
    if (importance > 100)
        return am_fail(store, AM_EINVAL, "importance %u: it is 0 to 100", importance);
    struct am_agent *agent = again(store, realm, name, bytes, durable, pid, pid_start);
    if (!agent) {
        uint32_t i = 0;
        while (i < state->agent_high && state->agents[i].bytes)
            i++;
        if (i == AM_AGENTS)
            return am_fail(store, AM_EBUSY, "%u agents, which is the limit; end some", AM_AGENTS);
        struct am_agent_row *row = &state->agents[i];
        *row = (struct am_agent_row){.realm = realm->number,
                                     .durable = durable,
                                     .state = AM_ACTIVE,
                                     .opened_ms = am_now(store),
                                     .used_ms = am_now(store),
                                     .serial = ++state->next_serial};
        memcpy(row->name, name, bytes);
        row->pid = pid;
        row->pid_start = pid_start;
        atomic_thread_fence(memory_order_release);
        row->bytes = (uint32_t)bytes;
        state->agent_high = state->agent_high > i + 1 ? state->agent_high : i + 1;
        agent = am_agent_make(store, realm, i);
        if (!agent) {
            row->bytes = 0;
            return am_fail(store, AM_ENOMEM, "no memory for an agent");
        }
    }
    struct am_agent_row *row = &state->agents[agent->row];
    row->importance = importance;
    row->pid = pid;
    row->pid_start = pid_start;
    row->state = AM_ACTIVE;
    agent->connections++;
    for (struct am_reader *reader = realm->readers; reader; reader = reader->next)
        if (reader->agent == agent && reader->adopted) /* its client is back and takes its references again */
            reader->until_ms = am_now(store) + 30000;
    if (durable)
        am_journal(store, AM_RECORD_AGENT, realm, agent->row + 1, NULL, importance, 0, name, bytes);
    *out = agent;
    return 0;
}

int am_agent_disown_all(struct am_store *store, struct am_agent *agent) {
    struct am_state *state = store->state;
    while (agent->first_head != UINT32_MAX) {
        struct am_head_row row = state->heads[agent->first_head];
        am_head_write(store, agent, row.name, row.bytes, NULL);
    }
    while (agent->first_edge != UINT32_MAX)
        am_owner_remove(store, agent, (uint32_t)am_word(&state->edges[agent->first_edge]));
    return 0;
}

void am_agent_forgotten(struct am_store *store, struct am_agent *agent) {
    if (!agent->connections && !agent->ended) {
        am_agent_end(store, agent);
        store->snapshot_due = true; /* what it says of this agent is over: a snapshot follows */
    }
}

void am_agent_end(struct am_store *store, struct am_agent *agent) {
    struct am_realm *realm = agent->realm;
    am_agent_disown_all(store, agent);
    for (struct am_reader *reader = realm->readers, *next; reader; reader = next) {
        next = reader->next;
        if (reader->agent == agent && reader->adopted)
            am_reader_close(store, reader);
    }
    am_units_free(realm, 8192); /* the rest with the next ticks */
    store->state->agents[agent->row].state = AM_KILLED;
    agent->ended = true;
    am_agent_reap(store, agent);
}

/* The row may be used again when no unit of its space is left: a reference of another connection can hold
 * one. */
void am_agent_reap(struct am_store *store, struct am_agent *agent) {
    if (agent->open_segment != UINT32_MAX && agent->realm->segment[agent->open_segment].units == 0)
        am_segment_end(agent->realm, agent->open_segment);
    for (uint32_t i = 0; i < agent->realm->segment_high; i++)
        if (agent->realm->segment[i].fd >= 0 && agent->realm->segment[i].space == agent->row + 1)
            return;
    if (agent->private_units)
        return;
    store->state->agents[agent->row].bytes = 0;
    store->agent[agent->row] = NULL;
    store->agents--;
    free(agent);
}

void am_agent_close(struct am_store *store, struct am_agent *agent) {
    if (agent->connections && --agent->connections)
        return;
    if (store->state->agents[agent->row].durable)
        store->state->agents[agent->row].state = AM_IDLE;
    else
        am_agent_end(store, agent);
}

int am_agent_set(struct am_store *store, struct am_agent *agent, int state, uint32_t importance) {
    struct am_agent_row *row = &store->state->agents[agent->row];
    if (state < 0 || state > AM_PAUSED)
        return am_fail(store, AM_EINVAL, "%d is not a state that an agent can be given", state);
    if (importance != UINT32_MAX && importance > 100)
        return am_fail(store, AM_EINVAL, "importance %u: it is 0 to 100", importance);
    if (importance != UINT32_MAX)
        row->importance = importance;
    if (state && row->state != (uint32_t)state) {
        row->state = (uint32_t)state;
        if (state == AM_PAUSED)
            am_cool_agent(store, agent);
        if (state == AM_ACTIVE)
            am_heat_agent(agent);
    }
    return 0;
}
