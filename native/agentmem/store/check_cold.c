/* Would everything that durable agents have be found again if the machine were off now, or as soon as what is
 * on its way is written? The invariants are told in cold.c. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

struct needs {
    struct am_realm *realm;
    uint8_t *mark; /* by number */
    uint32_t *todo, count;
    bool stands; /* what the rope at hand has stands in its cold record, or is written before it */
};
enum { NEEDED = 1, STANDS = 2 };

static void need(struct needs *needs, uint32_t number) {
    if (number && needs->stands)
        needs->mark[number] |= STANDS;
    if (number && !(needs->mark[number] & NEEDED)) {
        needs->mark[number] |= NEEDED;
        needs->todo[needs->count++] = number;
    }
}

static bool need_piece(void *context, const am_piece *piece, const uint8_t *content) {
    struct needs *needs = context;
    (void)content;
    need(needs, am_table_find(needs->realm, &piece->id));
    return true;
}

static void need_pieces(struct needs *needs, uint32_t rope) {
    const struct am_meta *meta = &needs->realm->meta[rope];
    bool folded = meta->folded & AM_FOLD_NOW;
    size_t bytes = am_length(needs->realm, rope);
    uint8_t *raw = folded ? am_folded_bytes(needs->realm, rope, &bytes) : am_unit_raw(needs->realm, rope);
    bool waits = !meta->cold && needs->realm->flag[rope] & AM_FLAG_UNSAVED;
    needs->stands = waits || (!folded && meta->folded & AM_FOLD_COLD);
    if (raw && folded)
        am_fold_references(needs->realm, rope, raw, bytes, need_piece, needs);
    for (size_t i = 0; raw && !folded && i < bytes / sizeof(am_piece); i++)
        need_piece(needs, &((const am_piece *)raw)[i], NULL);
    free(raw);
}

/* The number of one that would not, or 0; the count of them is added to *wrong. */
uint32_t am_check_cold(struct am_realm *realm, size_t *wrong) {
    struct am_store *store = realm->store;
    uint32_t high = atomic_load(&realm->header->unit_high), bad = 0;
    struct needs needs = {realm, calloc(high + 1, 1), calloc(high + 1, sizeof(uint32_t)), 0, false};
    for (uint32_t row = 0; needs.mark && needs.todo && row < store->state->agent_high; row++) {
        const struct am_agent *agent = store->agent[row];
        if (!agent || agent->realm != realm || !store->state->agents[row].durable)
            continue;
        for (uint32_t edge = agent->first_edge; edge != UINT32_MAX; edge = store->edge_next[edge])
            need(&needs, (uint32_t)am_word(&store->state->edges[edge]));
        for (uint32_t head = agent->first_head; head != UINT32_MAX; head = store->head_next[head])
            need(&needs, store->state->heads[head].unit);
    }
    while (needs.count) {
        uint32_t number = needs.todo[--needs.count];
        if (am_form_of(realm, number) == AM_ROPE)
            need_pieces(&needs, number);
    }
    for (uint32_t n = 1; needs.mark && n < high; n++)
        if (needs.mark[n] == NEEDED && !realm->meta[n].cold && !realm->meta[n].lost &&
            !(realm->flag[n] & (AM_FLAG_UNSAVED | AM_FLAG_FREEZING))) {
            ++*wrong;
            bad = n;
        }
    free(needs.mark);
    free(needs.todo);
    return bad;
}
