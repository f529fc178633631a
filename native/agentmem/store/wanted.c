/* After a start: which ropes are wanted, and what they need.
 *
 * The logs know no deaths of units: a record that was dropped is found again as long as its segment stands.
 * So there are more ropes than before, and only some of them are right to count their pieces. An owner or a
 * head wants a rope, and a rope that is wanted wants its pieces; what nobody wants is freed and has never
 * counted anything. A piece may lie in the record of a folded rope that nobody wants: it is taken from there.
 *
 * Invariant: when am_ropes_start returns, every rope there is counts its pieces, or those of them that there
 * are (partial: some are lost; when such a one goes, what it counted stays until the next start). */
#include "inside.h"

#include <stdlib.h>

/* Nothing is counted yet; pieces of folded ropes can be found. */
void am_ropes_begin(struct am_store *store) {
    for (uint32_t i = 0; i < AM_REALMS; i++) {
        struct am_realm *realm = store->realm[i];
        for (uint32_t n = 1; realm && n < atomic_load(&realm->header->unit_high); n++) {
            if (am_state_of(realm, n) == AM_STATE_FREE || am_form_of(realm, n) != AM_ROPE)
                continue;
            realm->meta[n].partial = AM_PARTIAL_UNCOUNTED;
            if (realm->meta[n].folded & AM_FOLD_NOW && !am_fold_tag(realm, n))
                realm->meta[n].lost = 1;
        }
    }
}

/* One rope counts. */
static void settle(struct am_realm *realm, uint32_t n) {
    struct am_meta *meta = &realm->meta[n];
    bool all;
    if (meta->folded & AM_FOLD_NOW) {
        all = am_fold_settle(realm, n);
    } else {
        uint8_t *raw = am_unit_raw(realm, n);
        size_t count = am_length(realm, n) / sizeof(am_piece);
        all = raw != NULL;
        for (size_t p = 0; raw && p < count; p++) {
            const am_id *id = &((const am_piece *)raw)[p].id;
            all &= am_table_find(realm, id) || am_fold_find(realm, id);
        }
        if (raw)
            am_rope_children(realm, n, (const am_piece *)raw, count, 1);
        else
            meta->lost = 1;
        free(raw);
    }
    meta->partial = all ? 0 : AM_PARTIAL_COUNTED;
    realm->store->counted.broken += !all;
}

/* What one rope counts may make another one wanted. */
static void settle_all(struct am_store *store, bool unwanted) {
    for (bool again = true; again;) {
        again = false;
        for (uint32_t i = 0; i < AM_REALMS; i++) {
            struct am_realm *realm = store->realm[i];
            for (uint32_t n = 1; realm && n < atomic_load(&realm->header->unit_high); n++)
                if (realm->meta[n].partial == AM_PARTIAL_UNCOUNTED &&
                    am_state_of(realm, n) != AM_STATE_FREE &&
                    (unwanted || realm->meta[n].owners || realm->meta[n].parents)) {
                    settle(realm, n);
                    again = true;
                }
        }
    }
}

void am_ropes_start(struct am_store *store) {
    settle_all(store, false);
    for (uint32_t i = 0; i < AM_REALMS; i++) {
        struct am_realm *realm = store->realm[i];
        for (uint32_t n = 1; realm && n < atomic_load(&realm->header->unit_high); n++)
            if (am_state_of(realm, n) != AM_STATE_FREE && !realm->meta[n].owners && !realm->meta[n].parents)
                am_unit_doom(realm, n);
        if (realm)
            am_units_free(realm, SIZE_MAX);
    }
    settle_all(store, true); /* a client still refers to it: it may own it again */
}
