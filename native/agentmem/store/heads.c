/* Heads: names that an agent gives to units, above all to the newest state of a conversation. A head keeps
 * its unit. */
#include "inside.h"

#include <string.h>

void am_head_link(struct am_store *store, uint32_t row) {
    struct am_agent *agent = store->agent[store->state->heads[row].agent];
    store->head_next[row] = agent->first_head;
    agent->first_head = row;
}

static void head_unlink(struct am_store *store, struct am_agent *agent, uint32_t row) {
    for (uint32_t *at = &agent->first_head; *at != UINT32_MAX; at = &store->head_next[*at])
        if (*at == row) {
            *at = store->head_next[row];
            return;
        }
}

static struct am_head_row *head_find(const struct am_store *store, const struct am_agent *agent,
                                     const char *name, size_t bytes) {
    for (uint32_t i = agent->first_head; i != UINT32_MAX; i = store->head_next[i]) {
        struct am_head_row *row = &store->state->heads[i];
        if (row->bytes == bytes && memcmp(row->name, name, bytes) == 0)
            return row;
    }
    return NULL;
}

static struct am_head_row *head_unused(struct am_store *store) {
    struct am_state *state = store->state;
    for (uint32_t n = 0; n < state->head_high && store->head_holes; n++) {
        store->head_hand = store->head_hand + 1 < state->head_high ? store->head_hand + 1 : 0;
        if (!state->heads[store->head_hand].bytes) {
            store->head_holes--;
            return &state->heads[store->head_hand];
        }
    }
    return state->head_high < AM_HEADS ? &state->heads[state->head_high++] : NULL;
}

int am_head_write(struct am_store *store, struct am_agent *agent, const char *name, size_t bytes,
                  const am_id *id) {
    static const am_id none;
    struct am_realm *realm = agent->realm;
    struct am_state *state = store->state;
    uint32_t number = 0;
    if (bytes == 0 || bytes >= AM_NAME_BYTES || memchr(name, 0, bytes))
        return am_fail(store, AM_EINVAL, "a head's name of %zu bytes: 1 to %d bytes without zeros are taken",
                       bytes, AM_NAME_BYTES - 1);
    bool remove = !id || memcmp(id, &none, sizeof none) == 0;
    if (!remove) {
        number = am_agent_sees(agent, id);
        if (!number)
            return am_fail(store, AM_ENOTFOUND,
                           "a head can only point at a unit that its agent sees; publish it first");
    }
    struct am_head_row *row = head_find(store, agent, name, bytes);
    if (remove && !row)
        return am_fail(store, AM_ENOTFOUND, "no head of this name");
    struct am_head_row *made = row ? NULL : head_unused(store);
    if (!row && !made)
        return am_fail(store, AM_EQUOTA, "%u heads, which is the limit; remove some", AM_HEADS);
    if (number)
        realm->meta[number]
            .parents++; /* the new one before the old one goes: they may need the same pieces */
    uint32_t before = row ? row->unit : 0;
    if (!row) {
        row = made;
        memcpy(row->name, name, bytes);
        row->name[bytes] = 0;
        row->agent = agent->row;
        row->realm = realm->number;
        row->unit = number;
        atomic_thread_fence(memory_order_release);
        row->bytes = (uint32_t)bytes;
        am_head_link(store, (uint32_t)(row - state->heads));
    } else {
        row->unit = number;
        if (remove) {
            row->bytes = 0;
            store->head_holes++;
            head_unlink(store, agent, (uint32_t)(row - state->heads));
        }
    }
    if (before && --realm->meta[before].parents == 0)
        am_unit_doom(realm, before);
    if (!state->agents[agent->row].durable)
        return 0;
    if (number)
        am_unsaved(realm, number);
    am_journal(store, AM_RECORD_HEAD, realm, agent->row + 1, remove ? &none : id, 0, 0, name, bytes);
    return 0;
}

int am_head_read(struct am_store *store, struct am_agent *agent, const char *name, size_t bytes,
                 struct am_placed *placed) {
    struct am_head_row *row = bytes && bytes < AM_NAME_BYTES ? head_find(store, agent, name, bytes) : NULL;
    if (!row)
        return am_fail(store, AM_ENOTFOUND, "agent %s has no head %.*s",
                       store->state->agents[agent->row].name, (int)bytes, name);
    am_unit_placed(agent->realm, row->unit, true, placed);
    return 0;
}
