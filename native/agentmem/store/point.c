/* Points: states to which a start can go back.
 *
 * An agent that goes on talking replaces its rope again and again, and none of them lives until it is
 * written. So now and then a point is begun: what is needed at that moment and not written is kept until it
 * is, although it may be replaced meanwhile. Then the point is there: with the journal up to its beginning
 * the log leads to everything that was needed then, and a later line that points at what is not there changes
 * nothing. Records that were over before a point began are dropped when it is there, and a snapshot that was
 * taken before it gets its mark. One point at a time; while the disk is full there are none.
 *
 * Invariant: what has AM_FLAG_KEPT stands in the list of the unsaved and is not freed. */
#include "inside.h"

#include <stdlib.h>

void am_held_take(struct am_store *store) {
    if (store->held_count)
        return;
    free(store->held);
    store->held = store->dropped;
    store->held_count = store->dropped_count;
    store->dropped = NULL;
    store->dropped_count = store->dropped_room = 0;
}

static void keep(struct am_store *store, bool keeps) {
    for (size_t i = 0; i < store->unsaved_count; i++) {
        struct am_realm *realm = store->realm[store->unsaved[i].realm];
        uint32_t unit = store->unsaved[i].unit;
        if (!realm || unit >= realm->room || am_state_of(realm, unit) == AM_STATE_FREE)
            continue;
        uint8_t kept = keeps && realm->flag[unit] & AM_FLAG_UNSAVED ? AM_FLAG_KEPT : 0;
        realm->flag[unit] = (uint8_t)((realm->flag[unit] & ~AM_FLAG_KEPT) | kept);
    }
}

void am_point_begin(struct am_store *store) {
    am_held_take(store);
    store->point = store->tickets + 1;
    store->mark_follows = store->mark_due;
    keep(store, true);
}

void am_point_end(struct am_store *store) {
    keep(store, false);
    store->point = 0;
    store->mark_follows = false;
}
