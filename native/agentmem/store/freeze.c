/* Which units are written to the cold log: what is old, what the warm tier has no room for, and what durable
 * agents own, soon after they own it. A unit goes there in its coded form; what a delta leans on goes first.
 */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

#define AM_FREEZE_UNITS 512u /* of one writing job */
#define AM_FREEZE_WINDOW 16384u

void am_unsaved(struct am_realm *realm, uint32_t number) {
    struct am_store *store = realm->store;
    uint32_t space = realm->meta[number].space;
    if (!store->cold || store->replaying || realm->meta[number].cold ||
        realm->flag[number] & AM_FLAG_UNSAVED || (space && !store->state->agents[space - 1].durable))
        return;
    if (store->unsaved_count == store->unsaved_room) {
        size_t room = store->unsaved_room ? store->unsaved_room * 2 : 256;
        struct am_unsaved *made = realloc(store->unsaved, room * sizeof *made);
        if (!made)
            return; /* it is written when it ages */
        store->unsaved = made;
        store->unsaved_room = room;
    }
    store->unsaved[store->unsaved_count++] = (struct am_unsaved){realm->number, number, ++store->tickets};
    realm->flag[number] |= AM_FLAG_UNSAVED;
}

struct leading {
    struct am_realm *realm;
    bool all;
};

static bool child_first(void *context, const am_piece *piece, const uint8_t *content) {
    struct leading *leading = context;
    struct am_realm *realm = leading->realm;
    uint32_t number = am_table_find(realm, &piece->id);
    (void)content;
    if (!number || realm->meta[number].cold || realm->meta[number].lost ||
        realm->flag[number] & AM_FLAG_FREEZING)
        return true;
    am_unsaved(realm, number);
    leading->all = false;
    return true;
}

/* Has everything that a durable agent's rope refers to a record? If not, it gets one first. */
static bool leads_on(struct am_realm *realm, uint32_t rope) {
    struct leading leading = {realm, true};
    uint32_t space = realm->meta[rope].space;
    if (space && !realm->store->state->agents[space - 1].durable)
        return true;
    bool folded = realm->meta[rope].folded & AM_FOLD_NOW;
    size_t bytes = am_length(realm, rope);
    uint8_t *raw = folded ? am_folded_bytes(realm, rope, &bytes) : am_unit_raw(realm, rope);
    if (raw && folded)
        am_fold_references(realm, rope, raw, bytes, child_first, &leading);
    for (size_t i = 0; raw && !folded && i < bytes / sizeof(am_piece); i++)
        child_first(&leading, &((const am_piece *)raw)[i], NULL);
    free(raw);
    return leading.all;
}

/* True when it is written or on its way; false: ask again later. */
bool am_freeze_number(struct am_realm *realm, uint32_t number) {
    struct am_store *store = realm->store;
    struct am_meta *meta = &realm->meta[number];
    if (am_state_of(realm, number) == AM_STATE_FREE || meta->cold || meta->lost)
        return true;
    if (realm->flag[number] & AM_FLAG_FREEZING)
        return true;
    if (!meta->warm) {
        am_code_number(realm, number, true);
        return false;
    }
    if (meta->base && !realm->meta[meta->base].cold) {
        am_freeze_number(realm, meta->base);
        return false;
    }
    if (am_form_of(realm, number) == AM_ROPE && !leads_on(realm, number))
        return false;
    struct am_log_head head;
    uint8_t *payload = malloc(meta->warm_bytes ? meta->warm_bytes : 1);
    if (!payload)
        return false;
    bool taken = false;
    if (am_log_read(store->warm, meta->warm - 1, &head, payload, meta->warm_bytes) == 0) {
        head.time_ms = meta->used_ms;
        head.space = meta->space ? store->state->agents[meta->space - 1].serial : 0;
        head.importance = meta->importance;
        taken = am_cold_unit(realm, number, &head, payload, meta->warm_bytes);
    } else {
        meta->lost = am_state_of(realm, number) == AM_STATE_AWAY;
        store->counted.broken++;
        taken = true;
    }
    free(payload);
    return taken;
}

static void save(struct am_store *store, bool everything) {
    size_t kept = 0, looked = 0, most = everything ? SIZE_MAX : AM_FREEZE_UNITS;
    for (; looked < store->unsaved_count && looked < most; looked++) {
        struct am_unsaved at = store->unsaved[looked];
        struct am_realm *realm = store->realm[at.realm]; /* gone: nothing was left in it */
        if (!realm || at.unit >= realm->room)
            continue;
        if (am_freeze_number(realm, at.unit))
            realm->flag[at.unit] &= (uint8_t)~(AM_FLAG_UNSAVED | AM_FLAG_KEPT);
        else
            store->unsaved[kept++] = at;
    }
    if (looked)
        memmove(store->unsaved + kept, store->unsaved + looked,
                (store->unsaved_count - looked) * sizeof *store->unsaved);
    store->unsaved_count -= looked - kept;
}

void am_freeze(struct am_store *store, uint64_t now, bool everything) {
    save(store, everything);
    struct am_log_stats warm;
    am_log_stats(store->warm, &warm);
    uint64_t over =
        warm.live_bytes > store->options.warm_bytes ? warm.live_bytes - store->options.warm_bytes : 0;
    uint32_t seen = 0, realms = 0;
    for (size_t taken = 0; seen < AM_FREEZE_WINDOW && realms <= AM_REALMS && taken < AM_FREEZE_UNITS;) {
        struct am_realm *realm = store->realm[store->freeze_realm];
        uint32_t high = realm ? atomic_load(&realm->header->unit_high) : 0;
        if (store->freeze_unit >= high) {
            store->freeze_realm = (store->freeze_realm + 1) % AM_REALMS;
            store->freeze_unit = 1;
            realms++;
            continue;
        }
        uint32_t number = store->freeze_unit++;
        struct am_meta *meta = &realm->meta[number];
        seen++;
        if (!meta->warm || am_state_of(realm, number) == AM_STATE_FREE ||
            realm->flag[number] & AM_FLAG_COOLING)
            continue;
        bool hot = am_state_of(realm, number) == AM_STATE_HOT,
             old = now - meta->used_ms >= store->options.cold_after_ms;
        if (!over && !old)
            continue;
        uint64_t bytes = meta->warm_bytes;
        if ((hot && !meta->base) || meta->cold) /* a second copy: let it go */
            am_warm_drop(realm, number);
        else if (!hot && am_freeze_number(realm, number))
            taken++;
        else
            continue;
        over -= over < bytes ? over : bytes;
    }
}
