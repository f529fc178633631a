/* Ropes: units whose bytes are a list of pieces. Checks what a client says of them; counts who needs whom. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

int am_rope_check(struct am_agent *agent, const am_piece *pieces, size_t count) {
    struct am_realm *realm = agent->realm;
    struct am_store *store = realm->store;
    for (size_t i = 0; i < count; i++) {
        am_piece piece;
        memcpy(&piece, (const uint8_t *)pieces + i * sizeof piece, sizeof piece); /* perhaps not aligned */
        uint32_t number = am_agent_sees(agent, &piece.id);
        if (!number)
            return am_fail(store, AM_ENOTFOUND,
                           "piece %zu of the rope is not a unit of this realm; publish it first", i);
        if (piece.type != am_type_of(realm, number) || piece.form != am_form_of(realm, number))
            return am_fail(store, AM_EINVAL,
                           "piece %zu of the rope is said to have type %u and form %u; it has %d and %d", i,
                           piece.type, piece.form, am_type_of(realm, number), am_form_of(realm, number));
        uint64_t length = am_length(realm, number), messages = !!(piece.flags & AM_MESSAGE_START), leaves = 1;
        if (piece.form == AM_ROPE) {
            uint8_t *raw = am_unit_raw(realm, number);
            if (!raw)
                return am_fail(store, AM_ECORRUPT, "piece %zu of the rope is a rope that cannot be read", i);
            size_t children = length / sizeof piece;
            length = messages = leaves = 0;
            for (size_t n = 0; n < children; n++) {
                const am_piece *child = (const am_piece *)raw + n;
                length += child->length;
                messages += child->messages;
                leaves += child->pieces;
            }
            free(raw);
        }
        if (piece.length != length || piece.messages != messages || piece.pieces != leaves ||
            piece.flags & ~AM_MESSAGE_START)
            return am_fail(
                store, AM_EINVAL,
                "piece %zu of the rope is said to have %llu bytes, %u messages, %u pieces; it has %llu, %llu, %llu",
                i, (unsigned long long)piece.length, piece.messages, piece.pieces, (unsigned long long)length,
                (unsigned long long)messages, (unsigned long long)leaves);
        for (size_t z = 0; z < sizeof piece.zero; z++)
            if (piece.zero[z])
                return am_fail(store, AM_EINVAL, "piece %zu of the rope has bytes set that must be zero", i);
    }
    return 0;
}

/* Pieces of a durable agent's rope that are not on the disk. */
void am_rope_unsaved(struct am_realm *realm, const am_piece *pieces, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint32_t number = am_table_find(realm, &pieces[i].id);
        if (number)
            am_unsaved(realm, number);
    }
}

/* What the rope's agent holds by it, folded or not. A rope of the realm's space is nobody's, but counts in
 * the realm. */
void am_rope_holds(struct am_realm *realm, uint32_t rope, const am_piece *piece, int change) {
    if (piece->form != AM_RAW || piece->type > AM_KV_PAGE)
        return;
    uint32_t space = realm->meta[rope].space, number = am_table_find(realm, &piece->id);
    struct am_agent *agent = space ? realm->store->agent[space - 1] : NULL;
    struct am_held *held[] = {&realm->held[piece->type], agent ? &agent->held[piece->type] : NULL};
    const uint64_t sign = (uint64_t)(int64_t)change;
    for (int i = 0; i < 2 && held[i]; i++) {
        held[i]->units += sign;
        held[i]->bytes += piece->length * sign;
        if (number && !realm->meta[number].space)
            held[i]->shared_bytes += piece->length * sign;
    }
}

void am_rope_children(struct am_realm *realm, uint32_t rope, const am_piece *pieces, size_t count,
                      int change) {
    for (size_t i = 0; i < count; i++) {
        am_piece piece;
        memcpy(&piece, (const uint8_t *)pieces + i * sizeof piece, sizeof piece); /* perhaps not aligned */
        am_rope_holds(realm, rope, &piece, change);
        uint32_t number = am_table_find(realm, &piece.id);
        if (!number)
            continue; /* after a crash: am_store_check names it */
        realm->meta[number].parents += (uint32_t)change;
        if (change < 0 && realm->meta[number].parents == 0)
            am_unit_doom(realm, number);
        else if (realm->meta[number].space)
            am_unsaved(realm, number); /* perhaps it stands on the disk only in the record of another rope */
    }
}
