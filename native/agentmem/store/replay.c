/* What the cold log says when the broker starts.
 *
 * After the machine was off, everything is made again from it: realms, durable agents, what they own and call
 * by name, and their units, cold. When the state was taken over from the process before, the log only has to
 * agree with it: records that no unit points at are dropped. The journal counts from its last whole snapshot
 * on. The log is read once; what it says is put in order before any of it is believed, because a unit may
 * stand before its agent. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>

struct line {
    struct am_log_head head;
    uint64_t address;
    void *payload;
}; /* of the journal, and dictionaries */

struct stored_unit {
    am_id id;
    uint8_t base[32];
    uint64_t address, raw_bytes;
    uint32_t realm, serial, payload_bytes, number, pieces;
    uint16_t importance;
    uint8_t type, form, coding;
};

struct replay {
    struct am_store *store;
    bool fresh;          /* nothing was taken over */
    uint64_t generation; /* the newest whole one */
    struct line *lines;
    struct stored_unit *units;
    size_t line_count, line_room, unit_count, unit_room;
};

static void *one_more(void **array, size_t *count, size_t *room, size_t each) {
    if (*count == *room) {
        size_t more = *room ? *room * 2 : 1024;
        void *made = realloc(*array, more * each);
        if (!made)
            return NULL;
        *array = made;
        *room = more;
    }
    return (uint8_t *)*array + each * (*count)++;
}

static int collect(void *context, uint64_t address, const struct am_log_head *head, const void *payload) {
    struct replay *replay = context;
    if (head->kind == AM_RECORD_UNIT) {
        struct am_stored stored;
        if (am_stored_head(payload, head->payload_bytes, &stored)) {
            am_cold_forget(replay->store, address);
            return 0;
        }
        struct stored_unit *unit =
            one_more((void **)&replay->units, &replay->unit_count, &replay->unit_room, sizeof *replay->units);
        if (!unit)
            return AM_ENOMEM;
        *unit = (struct stored_unit){.address = address,
                                     .raw_bytes = stored.raw_bytes,
                                     .realm = head->realm,
                                     .serial = head->space,
                                     .pieces = head->base_or_number,
                                     .payload_bytes = (uint32_t)head->payload_bytes,
                                     .importance = head->importance,
                                     .type = head->type,
                                     .form = head->form,
                                     .coding = stored.coding};
        memcpy(unit->id.bytes, head->id, 32);
        memcpy(unit->base, stored.base, 32);
        return 0;
    }
    struct line *line =
        one_more((void **)&replay->lines, &replay->line_count, &replay->line_room, sizeof *line);
    if (!line)
        return AM_ENOMEM;
    *line = (struct line){*head, address, malloc(head->payload_bytes ? head->payload_bytes : 1)};
    if (!line->payload)
        return AM_ENOMEM;
    if (head->payload_bytes)
        memcpy(line->payload, payload, head->payload_bytes);
    if (head->kind != AM_RECORD_DICTIONARY && head->time_ms > replay->store->generation)
        replay->store->generation = head->time_ms;
    if (head->kind == AM_RECORD_MARK && head->time_ms > replay->generation)
        replay->generation = head->time_ms;
    return 0;
}

static struct am_realm *realm_of(const struct replay *replay, uint32_t number) {
    return number < AM_REALMS ? replay->store->realm[number] : NULL;
}

static struct am_agent *agent_of(const struct replay *replay, uint32_t serial) {
    struct am_store *store = replay->store;
    for (uint32_t row = 0; serial && row < store->state->agent_high; row++)
        if (store->agent[row] && store->state->agents[row].serial == serial)
            return store->agent[row];
    return NULL;
}

static int realm_again(struct replay *replay, const struct line *line) {
    struct am_store *store = replay->store;
    uint32_t number = line->head.realm;
    uint64_t bytes = line->head.payload_bytes;
    if (number >= AM_REALMS || store->realm[number] || !bytes || bytes >= AM_NAME_BYTES)
        return 0;
    struct am_realm_row *row = &store->state->realms[number];
    memcpy(row->name, line->payload, bytes);
    row->name[bytes] = 0;
    row->bytes = (uint32_t)bytes;
    struct am_realm *realm = am_realm_make(store, number);
    int status = realm ? am_table_create(realm) : AM_ENOMEM;
    if (status) {
        row->bytes = 0;
        free(realm);
        return status;
    }
    store->realm[number] = realm;
    store->counted.realms++;
    return 0;
}

static int agent_again(struct replay *replay, const struct line *line) {
    struct am_store *store = replay->store;
    struct am_realm *realm = realm_of(replay, line->head.realm);
    uint64_t bytes = line->head.payload_bytes;
    if (!realm || agent_of(replay, line->head.space) || !bytes || bytes >= AM_NAME_BYTES ||
        am_agent_find(store, realm, line->payload, bytes))
        return 0;
    struct am_agent *agent;
    int status =
        am_agent_open(store, realm, line->payload, bytes, true, line->head.base_or_number, 0, 0, &agent);
    if (status)
        return status;
    struct am_agent_row *row = &store->state->agents[agent->row];
    agent->connections = 0;
    row->state = AM_IDLE;
    row->serial = line->head.space;
    if (store->state->next_serial < row->serial)
        store->state->next_serial = row->serial;
    return 0;
}

static int dictionary_again(struct replay *replay, const struct line *line) {
    struct am_store *store = replay->store;
    struct am_realm *realm = realm_of(replay, line->head.realm);
    uint32_t number = line->head.base_or_number, type = line->head.type;
    if (store->next_dictionary < number)
        store->next_dictionary = number;
    if (!realm || type > AM_KV_PAGE || realm->dictionaries[type] == AM_DICTIONARIES ||
        am_dictionary_numbered(realm, (int)type, number))
        return 0;
    struct am_dictionary *made = am_dictionary_load(line->payload, line->head.payload_bytes, number);
    if (!made)
        return AM_ENOMEM;
    uint32_t at = realm->dictionaries[type]++;
    realm->dictionary[type][at] = made;
    realm->dictionary_number[type][at] = number;
    return 0;
}

static int unit_again(struct replay *replay, struct stored_unit *unit) {
    struct am_store *store = replay->store;
    struct am_realm *realm = realm_of(replay, unit->realm);
    if (store->state->next_serial < unit->serial)
        store->state->next_serial = unit->serial;
    uint32_t number = realm ? am_table_find(realm, &unit->id) : 0;
    bool folded = unit->form == AM_FOLDED;
    if (!replay->fresh) {
        if (number && realm->meta[number].cold == unit->address + 1)
            realm->flag[number] |= AM_FLAG_ASKED; /* as it should be */
        else
            unit->number = number ? number : UINT32_MAX;
        return 0;
    }
    struct am_agent *agent = unit->serial ? agent_of(replay, unit->serial) : NULL;
    if (!realm || (unit->serial && !agent) || (folded && !agent)) { /* of an agent that is no more */
        am_cold_forget(store, unit->address);
        return 0;
    }
    if (number) { /* written twice: the later one stands for what it is now */
        am_cold_forget(store, realm->meta[number].cold - 1);
        realm->meta[number].cold = unit->address + 1;
        realm->meta[number].cold_bytes = unit->payload_bytes;
        realm->meta[number].folded = folded ? AM_FOLD_NOW | AM_FOLD_COLD : 0;
        unit->number = number;
        return 0;
    }
    if (folded) {
        unit->form = AM_ROPE;
        unit->raw_bytes = unit->pieces * sizeof(am_piece);
    }
    struct am_log_head head = {.importance = unit->importance, .type = unit->type, .form = unit->form};
    memcpy(head.id, unit->id.bytes, 32);
    int status = am_unit_away(realm, agent ? agent->row + 1 : 0, &head, unit->raw_bytes, &unit->number);
    if (status)
        return status;
    realm->meta[unit->number].cold = unit->address + 1;
    realm->meta[unit->number].cold_bytes = unit->payload_bytes;
    realm->meta[unit->number].folded = folded ? AM_FOLD_NOW | AM_FOLD_COLD : 0;
    return 0;
}

static void lean_on_base(struct replay *replay, const struct stored_unit *unit) {
    if (!unit->number || unit->coding != AM_DELTA)
        return;
    struct am_realm *realm = replay->store->realm[unit->realm];
    if (realm->meta[unit->number].cold != unit->address + 1)
        return; /* a later record took its place */
    am_id id;
    memcpy(id.bytes, unit->base, 32);
    uint32_t base = am_table_find(realm, &id);
    if (base && base != unit->number) {
        realm->meta[unit->number].base = base;
        realm->meta[base].parents++;
    } else {
        realm->meta[unit->number].lost = 1;
        replay->store->counted.broken++;
    }
}

/* Records that no unit points at: of units that are gone, or moved by a compaction that the process before
 * did not live to hear of. And units that point at nothing. */
static void strays(struct replay *replay) {
    struct am_store *store = replay->store;
    for (size_t i = 0; i < replay->unit_count; i++) {
        const struct stored_unit *unit = &replay->units[i];
        struct am_realm *realm = realm_of(replay, unit->realm);
        if (!unit->number)
            continue;
        struct am_meta *meta = unit->number == UINT32_MAX ? NULL : &realm->meta[unit->number];
        am_id base = {{0}};
        if (meta && meta->base)
            base = am_record_id(realm, meta->base);
        if (!meta || !meta->cold || (unit->form == AM_FOLDED) != !!(meta->folded & AM_FOLD_COLD) ||
            (realm->flag[unit->number] & AM_FLAG_ASKED && realm->pins[unit->number] != 2) ||
            (unit->coding == AM_DELTA && (!meta->base || memcmp(base.bytes, unit->base, 32)))) {
            am_cold_forget(store, unit->address);
            continue;
        }
        if (realm->pins[unit->number] == 2) /* the latest that fits */
            am_cold_forget(store, meta->cold - 1);
        meta->cold = unit->address + 1;
        meta->cold_bytes = unit->payload_bytes;
        realm->flag[unit->number] |= AM_FLAG_ASKED;
        realm->pins[unit->number] = 2;
    }
    for (uint32_t i = 0; i < AM_REALMS; i++) {
        struct am_realm *realm = store->realm[i];
        for (uint32_t n = 1; realm && n < atomic_load(&realm->header->unit_high); n++) {
            struct am_meta *meta = &realm->meta[n];
            if (meta->cold && !(realm->flag[n] & AM_FLAG_ASKED)) {
                meta->cold = meta->cold_bytes = 0;
                meta->lost = am_state_of(realm, n) == AM_STATE_AWAY && !meta->warm;
                store->counted.broken += meta->lost;
            }
            realm->flag[n] &= (uint8_t)~AM_FLAG_ASKED;
            realm->pins[n] = 0;
        }
    }
}

static int pair_again(struct replay *replay, const struct line *line) {
    struct am_store *store = replay->store;
    struct am_agent *agent = agent_of(replay, line->head.space);
    if (!agent)
        return 0;
    am_id id;
    bool added;
    memcpy(id.bytes, line->head.id, 32);
    uint32_t number = am_agent_sees(agent, &id);
    if (line->head.kind == AM_RECORD_HEAD && line->head.payload_bytes < AM_NAME_BYTES)
        am_head_write(store, agent, line->payload, line->head.payload_bytes,
                      &id); /* false when its unit is lost */
    else if (line->head.kind == AM_RECORD_OWN && number && line->head.importance == AM_DISOWNED)
        am_owner_remove(store, agent, number);
    else if (line->head.kind == AM_RECORD_OWN && number)
        return am_owner_add(store, agent, number, &added);
    return 0;
}

static void broken(void *context, uint32_t segment, uint64_t offset, uint64_t bytes, const char *what) {
    struct am_store *store = ((struct replay *)context)->store;
    store->counted.broken++;
    if (store->options.broken)
        store->options.broken(store->options.context, segment, offset, bytes, what);
}

/* All lines of these two kinds, in order. Pairs of an earlier generation than the last whole one are over. */
static int lines(struct replay *replay, uint8_t kind, uint8_t other,
                 int (*again)(struct replay *, const struct line *)) {
    int status = 0;
    for (size_t i = 0; i < replay->line_count && !status; i++) {
        const struct line *line = &replay->lines[i];
        bool over = kind != AM_RECORD_DICTIONARY && line->head.time_ms < replay->generation;
        if (kind == AM_RECORD_REALM && line->head.kind == kind && !over)
            for (size_t n = i + 1; n < replay->line_count && !over; n++) /* the number was given again */
                over = replay->lines[n].head.kind == kind && replay->lines[n].head.realm == line->head.realm;
        if ((line->head.kind == kind || line->head.kind == other) && !over)
            status = again(replay, line);
    }
    return status;
}

static int again(struct replay *replay) {
    struct am_store *store = replay->store;
    int status = 0;
    if (replay->fresh)
        status = lines(replay, AM_RECORD_REALM, 0, realm_again);
    if (!status && replay->fresh)
        status = lines(replay, AM_RECORD_AGENT, 0, agent_again);
    if (!status)
        status = lines(replay, AM_RECORD_DICTIONARY, 0, dictionary_again);
    for (size_t i = 0; i < replay->unit_count && !status; i++)
        status = unit_again(replay, &replay->units[i]);
    for (size_t i = 0; i < replay->line_count;
         i++) /* a snapshot follows: all that stands there is over then */
        if (replay->lines[i].head.kind != AM_RECORD_DICTIONARY)
            am_cold_forget(store, replay->lines[i].address);
    if (!replay->fresh)
        strays(replay);
    if (status || !replay->fresh)
        return status;
    for (size_t i = 0; i < replay->unit_count; i++)
        lean_on_base(replay, &replay->units[i]);
    am_ropes_begin(store);
    return lines(replay, AM_RECORD_OWN, AM_RECORD_HEAD, pair_again);
}

/* What should be on the disk and is not: the process before did not come to it. Pieces of ropes are counted
 * in, whoever's they are: to ask which of them a durable agent needs costs more than to write some in vain.
 */
static void unsaved(struct am_store *store) {
    for (uint32_t i = 0; i < AM_REALMS; i++) {
        struct am_realm *realm = store->realm[i];
        for (uint32_t n = 1; realm && n < atomic_load(&realm->header->unit_high); n++)
            if (am_state_of(realm, n) != AM_STATE_FREE && realm->meta[n].parents)
                am_unsaved(realm, n);
    }
    for (uint32_t row = 0; row < store->state->agent_high; row++)
        if (store->agent[row] && store->state->agents[row].durable)
            for (uint32_t edge = store->agent[row]->first_edge; edge != UINT32_MAX;
                 edge = store->edge_next[edge])
                am_unsaved(store->agent[row]->realm, (uint32_t)am_word(&store->state->edges[edge]));
}

int am_cold_replay(struct am_store *store) {
    struct replay replay = {.store = store, .fresh = !store->adopted};
    store->replaying = true;
    int status = am_log_scan(store->cold, collect, broken, &replay);
    if (!status)
        status = again(&replay);
    if (!status && store->adopted)
        am_ropes_begin(store);
    if (!status)
        am_ropes_start(store);
    store->replaying = false;
    store->marked = replay.generation;
    if (!status) {
        unsaved(store);
        am_snapshot(store);
    }
    for (size_t i = 0; i < replay.line_count; i++)
        free(replay.lines[i].payload);
    free(replay.lines);
    free(replay.units);
    return status ? am_fail(store, status, "the cold log cannot be read (status %d)", status) : 0;
}
