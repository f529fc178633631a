/* What an agent has, told one by one: its heads, and the units that it owns by itself. Reads only. */
#include "inside.h"

void am_agent_has(const struct am_agent *agent, am_had *head, am_had *owned, void *context) {
    const struct am_store *store = agent->store;
    const struct am_state *state = store->state;
    for (uint32_t row = head ? agent->first_head : UINT32_MAX; row != UINT32_MAX; row = store->head_next[row]) {
        const am_id id = am_record_id(agent->realm, state->heads[row].unit);
        head(context, state->heads[row].name, &id);
    }
    for (uint32_t edge = owned ? agent->first_edge : UINT32_MAX; edge != UINT32_MAX; edge = store->edge_next[edge]) {
        const am_id id = am_record_id(agent->realm, (uint32_t)am_word(&state->edges[edge]));
        owned(context, NULL, &id);
    }
}
