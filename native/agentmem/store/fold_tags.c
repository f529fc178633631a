/* Where folded pieces are: a multimap from four bytes of a piece's id to the rope that holds it, open
 * addressing. Knows no content: who looks here unfolds the rope and sees. An entry without a rope was
 * removed; it stays until the next growth so that probing goes on behind it. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

static uint32_t tag_of(const am_id *id) {
    uint32_t tag;
    memcpy(&tag, id->bytes + 12, 4);
    return tag ? tag : 1;
}

static void add(struct am_realm *realm, uint32_t tag, uint32_t rope) {
    uint32_t mask = realm->fold_room - 1, at = tag & mask;
    while (realm->folds[at].tag)
        at = (at + 1) & mask;
    realm->folds[at] = (struct am_fold_tag){tag, rope};
    realm->fold_used++;
    realm->fold_alive++;
}

bool am_fold_tags_room(struct am_realm *realm, uint32_t more) {
    if (realm->fold_room && realm->fold_used + more < realm->fold_room / 2)
        return true;
    struct am_fold_tag *old = realm->folds;
    uint32_t old_room = realm->fold_room, room = 1024;
    while (room < 4ull * (realm->fold_alive + more + 1))
        room *= 2;
    struct am_fold_tag *made = calloc(room, sizeof *made);
    if (!made)
        return false;
    realm->folds = made;
    realm->fold_room = room;
    realm->fold_used = realm->fold_alive = 0;
    for (uint32_t i = 0; i < old_room; i++)
        if (old[i].unit)
            add(realm, old[i].tag, old[i].unit);
    free(old);
    return true;
}

bool am_fold_tag_add(struct am_realm *realm, const am_id *id, uint32_t rope) {
    if (!am_fold_tags_room(realm, 1))
        return false;
    add(realm, tag_of(id), rope);
    return true;
}

void am_fold_tag_remove(struct am_realm *realm, const am_id *id, uint32_t rope) {
    if (!realm->fold_room)
        return;
    uint32_t mask = realm->fold_room - 1, tag = tag_of(id);
    for (uint32_t at = tag & mask; realm->folds[at].tag; at = (at + 1) & mask)
        if (realm->folds[at].tag == tag && realm->folds[at].unit == rope) {
            realm->folds[at].unit = 0;
            realm->fold_alive--;
            return;
        }
}

/* The n-th rope that may hold a piece of this id; 0: there are no more. */
uint32_t am_fold_tag_rope(const struct am_realm *realm, const am_id *id, uint32_t n) {
    uint32_t mask = realm->fold_room - 1, tag = tag_of(id);
    if (!realm->fold_room)
        return 0;
    for (uint32_t at = tag & mask; realm->folds[at].tag; at = (at + 1) & mask)
        if (realm->folds[at].tag == tag && realm->folds[at].unit && n-- == 0)
            return realm->folds[at].unit;
    return 0;
}
