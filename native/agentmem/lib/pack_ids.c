/* The ids that came by in a pack: a table with open addressing, at most half full.
 *
 * The ids of a pack are a stranger's choice, so where they fall is decided by a number that the stranger does
 * not know; the table takes memory in proportion to the entries that are there, not to what a head says. */
#include "pack_format.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static _Thread_local char said[256] = "nothing failed";

const char *am_pack_error(void)
{
    return said;
}

int pack_fail(int status, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(said, sizeof said, format, values);
    va_end(values);
    return status;
}

int pack_ids_start(struct pack_ids *ids)
{
    *ids = (struct pack_ids){.room = 64};
    if (getrandom(&ids->seed, sizeof ids->seed, 0) != sizeof ids->seed)
        ids->seed = (uint64_t)(uintptr_t)ids; /* never seen; at worst the table is slow */
    ids->slots = calloc(ids->room, sizeof *ids->slots);
    return ids->slots != NULL ? 0 : pack_fail(AM_ENOMEM, "no memory for the ids of a pack");
}

static size_t place(const struct pack_ids *ids, const am_id *id)
{
    uint64_t words[4], hash = ids->seed;
    memcpy(words, id, sizeof words);
    for (int i = 0; i < 4; i++) {
        hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
        hash += ids->seed;
    }
    size_t at = (size_t)(hash % ids->room);
    while (ids->slots[at].kind != 0 && memcmp(&ids->slots[at].id, id, sizeof *id) != 0)
        at = at + 1 < ids->room ? at + 1 : 0;
    return at;
}

const struct pack_record *pack_ids_find(const struct pack_ids *ids, const am_id *id)
{
    const struct pack_record *slot = &ids->slots[place(ids, id)];
    return slot->kind != 0 ? slot : NULL;
}

int pack_ids_add(struct pack_ids *ids, const struct pack_record *record)
{
    if (2 * (ids->count + 1) > ids->room) {
        struct pack_ids larger = {.room = 2 * ids->room, .count = ids->count, .seed = ids->seed};
        larger.slots = calloc(larger.room, sizeof *larger.slots);
        if (larger.slots == NULL)
            return pack_fail(AM_ENOMEM, "no memory for the ids of a pack of %zu entries", ids->count);
        for (size_t i = 0; i < ids->room; i++)
            if (ids->slots[i].kind != 0)
                larger.slots[place(&larger, &ids->slots[i].id)] = ids->slots[i];
        free(ids->slots);
        *ids = larger;
    }
    ids->slots[place(ids, &record->id)] = *record;
    ids->count++;
    return 0;
}

void pack_ids_free(struct pack_ids *ids)
{
    free(ids->slots);
    ids->slots = NULL;
}

const char *pack_piece_wrong(const struct pack_ids *ids, const am_piece *piece)
{
    static const uint8_t zero[sizeof piece->zero];
    const struct pack_record *record = pack_ids_find(ids, &piece->id);
    if (record == NULL)
        return "is not among the entries before it";
    if (record->type != piece->type || record->form != piece->form)
        return "has another type or form than its entry";
    if (record->form == AM_RAW && (record->raw_bytes != piece->length || piece->pieces != 1))
        return "has another length than its entry";
    if (memcmp(piece->zero, zero, sizeof zero) != 0 || (piece->flags & ~AM_MESSAGE_START) != 0)
        return "has a flag that is none";
    return NULL;
}
