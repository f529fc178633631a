/* A unit's life: made, filled, chilled, freed. The one place where records change their state.
 * Invariant: a unit is freed only when it has no owner, no parent, no reference and no job. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void am_unit_used(struct am_realm *realm, uint32_t number) {
    struct am_meta *meta = &realm->meta[number];
    uint64_t now = am_now(realm->store);
    if (now - meta->used_ms > 1000) /* uses within a second are one use */
        meta->before_ms = meta->used_ms;
    meta->used_ms = now;
}

/* What stays the same about a unit. Its version is odd. */
static void identify(struct am_realm *realm, uint32_t number, uint32_t space,
                     const struct am_content *content) {
    struct am_record *record = &realm->record[number];
    realm->meta[number] = (struct am_meta){.space = space, .importance = 50, .used_ms = am_now(realm->store)};
    realm->flag[number] = 0;
    realm->pins[number] = 0;
    for (int i = 0; i < 4; i++) {
        uint64_t word;
        memcpy(&word, content->id.bytes + 8 * i, 8);
        atomic_store_explicit(&record->id[i], word, memory_order_relaxed);
    }
    atomic_store_explicit(&record->size,
                          content->length << 16 | (uint64_t)content->type << 8 | (uint64_t)content->form << 4,
                          memory_order_relaxed);
}

int am_unit_make(struct am_realm *realm, uint32_t space, const struct am_content *content, uint32_t *out) {
    uint32_t number, segment;
    uint64_t offset = 0;
    uint8_t *bytes = NULL;
    int status = am_number_take(realm, &number);
    if (status)
        return status;
    if (content->fd >= 0)
        status = am_space_adopt_fd(realm, space, content->fd, content->length, &segment);
    else
        status = am_space_take(realm, space, content->length, &segment, &offset, &bytes);
    if (status) {
        am_number_give(realm, number);
        return status;
    }
    if (bytes && content->length)
        memcpy(bytes, content->bytes, content->length);
    am_record_begin(realm, number);
    identify(realm, number, space, content);
    am_record_place(realm, number, segment, offset, AM_STATE_HOT);
    realm->units++;
    if (space)
        realm->store->agent[space - 1]->private_units++;
    status = am_table_insert(realm, number, &content->id);
    am_record_end(realm, number);
    if (status) { /* as if it had never been */
        realm->units--;
        if (space)
            realm->store->agent[space - 1]->private_units--;
        am_space_give(realm, segment, content->length);
        am_record_begin(realm, number);
        am_record_place(realm, number, 0, 0, AM_STATE_FREE);
        am_record_end(realm, number);
        am_number_give(realm, number);
        return status;
    }
    *out = number;
    return 0;
}

int am_unit_away(struct am_realm *realm, uint32_t space, const struct am_log_head *head, uint64_t raw_bytes,
                 uint32_t *out) {
    uint32_t number;
    int status = am_number_take(realm, &number);
    if (status)
        return status;
    struct am_content content = {.length = raw_bytes, .type = head->type, .form = head->form};
    memcpy(content.id.bytes, head->id, sizeof content.id.bytes);
    am_record_begin(realm, number);
    identify(realm, number, space, &content);
    realm->meta[number].importance = (uint8_t)(head->importance > 100 ? 50 : head->importance);
    am_record_place(realm, number, 0, 0, AM_STATE_AWAY);
    realm->units++;
    if (space)
        realm->store->agent[space - 1]->private_units++;
    status = am_table_insert(realm, number, &content.id);
    am_record_end(realm, number);
    *out = number;
    return status;
}

int am_unit_fill(struct am_realm *realm, uint32_t number, const void *raw, int fd) {
    uint64_t length = am_length(realm, number), offset = 0;
    uint32_t segment, space = realm->meta[number].space;
    uint8_t *bytes = NULL;
    int status = fd >= 0 ? am_space_adopt_fd(realm, space, fd, length, &segment)
                         : am_space_take(realm, space, length, &segment, &offset, &bytes);
    if (status)
        return status;
    if (bytes && length)
        memcpy(bytes, raw, length);
    am_record_begin(realm, number);
    am_record_place(realm, number, segment, offset, AM_STATE_HOT);
    am_record_end(realm, number);
    return 0;
}

bool am_unit_chill(struct am_realm *realm, uint32_t number) {
    bool used;
    am_record_begin(realm, number);
    am_references_find(realm, &number, 1, &used);
    uint32_t segment = am_segment_of(realm, number);
    if (!used)
        am_record_place(realm, number, 0, 0, AM_STATE_AWAY);
    am_record_end(realm, number);
    if (!used)
        am_space_give(realm, segment, am_length(realm, number));
    return !used;
}

void am_unit_pin(struct am_realm *realm, uint32_t number) { realm->pins[number]++; }
void am_unit_unpin(struct am_realm *realm, uint32_t number) { realm->pins[number]--; }

static void leave_base(struct am_realm *realm, uint32_t number) {
    uint32_t base = realm->meta[number].base;
    realm->meta[number].base = 0;
    if (base && --realm->meta[base].parents == 0)
        am_unit_doom(realm, base);
}

void am_warm_drop(struct am_realm *realm, uint32_t number) {
    struct am_meta *meta = &realm->meta[number];
    if (!meta->warm)
        return;
    am_log_drop(realm->store->warm, meta->warm - 1);
    meta->warm = meta->warm_bytes = 0;
    if (!meta->cold)
        leave_base(realm, number);
}

void am_cold_drop(struct am_realm *realm, uint32_t number) {
    struct am_meta *meta = &realm->meta[number];
    struct am_store *store = realm->store;
    if (!meta->cold)
        return;
    am_cold_forget(store,
                   meta->cold - 1); /* a restart that still finds the record finds nobody who owns it */
    meta->cold = meta->cold_bytes = 0;
    meta->folded &= (uint8_t)~AM_FOLD_COLD;
    if (!meta->warm)
        leave_base(realm, number);
}

void am_unit_doom(struct am_realm *realm, uint32_t number) {
    if (realm->flag[number] & AM_FLAG_DOOMED)
        return;
    if (realm->doomed_count == realm->doomed_room) {
        uint32_t room = realm->doomed_room ? realm->doomed_room * 2 : 256;
        uint32_t *made = realloc(realm->doomed, room * sizeof *made);
        if (!made)
            return; /* the sweep of am_store_tick finds it again */
        realm->doomed = made;
        realm->doomed_room = room;
    }
    realm->flag[number] |= AM_FLAG_DOOMED;
    realm->doomed[realm->doomed_count++] = number;
}

static void end(struct am_realm *realm, uint32_t number) {
    struct am_meta *meta = &realm->meta[number];
    int state = am_state_of(realm, number);
    if (meta->folded & AM_FOLD_NOW) {
        am_fold_end(realm, number);
    } else if (am_form_of(realm, number) == AM_ROPE && !meta->partial) {
        uint8_t *raw = am_unit_raw(realm, number);
        if (raw)
            am_rope_children(realm, number, (const am_piece *)raw,
                             am_length(realm, number) / sizeof(am_piece), -1);
        free(raw);
    }
    am_forget_sketch(realm, number);
    am_table_remove(realm, number);
    if (state == AM_STATE_HOT) {
        uint32_t segment = am_segment_of(realm, number);
        am_record_place(realm, number, 0, 0, AM_STATE_FREE);
        am_space_give(realm, segment, am_length(realm, number));
    } else {
        am_record_place(realm, number, 0, 0, AM_STATE_FREE);
    }
    am_warm_drop(realm, number);
    am_cold_drop(realm, number);
    uint32_t space = meta->space;
    *meta = (struct am_meta){0};
    if (space)
        realm->store->agent[space - 1]->private_units--;
    realm->flag[number] = 0;
    realm->units--;
    realm->store->counted.freed++;
    am_record_end(realm, number);
    am_number_give(realm, number);
}

static bool needed(const struct am_realm *realm, uint32_t number) {
    return realm->meta[number].owners || realm->meta[number].parents;
}

/* One pass over what is doomed. What is still referred to waits for the next pass. */
static size_t pass(struct am_realm *realm, size_t most) {
    uint32_t *doomed = realm->doomed, count = realm->doomed_count, batch[1024];
    bool used[1024];
    size_t freed = 0;
    realm->doomed = NULL;
    realm->doomed_count = realm->doomed_room = 0;
    for (uint32_t i = 0; i < count; i++)
        realm->flag[doomed[i]] &= (uint8_t)~AM_FLAG_DOOMED;
    for (uint32_t i = 0; i < count;) {
        size_t batched = 0;
        for (; i < count && batched < 1024; i++) {
            if (am_state_of(realm, doomed[i]) == AM_STATE_FREE || needed(realm, doomed[i]))
                continue;
            if (freed >= most) {
                am_unit_doom(realm, doomed[i]);
                continue;
            }
            am_record_begin(realm, doomed[i]);
            batch[batched++] = doomed[i];
        }
        am_references_find(realm, batch, batched, used);
        for (size_t n = 0; n < batched; n++) {
            if (used[n] || realm->flag[batch[n]] & AM_FLAG_KEPT) {
                am_record_end(realm, batch[n]);
                am_unit_doom(realm, batch[n]);
            } else {
                end(realm, batch[n]); /* may doom what it needed */
                freed++;
            }
        }
    }
    free(doomed);
    return freed;
}

size_t am_units_free(struct am_realm *realm, size_t most) {
    size_t freed = 0;
    while (freed < most && realm->doomed_count) {
        size_t more = pass(realm, most - freed);
        if (!more)
            break;
        freed += more;
    }
    return freed;
}

bool am_agent_may(const struct am_agent *agent, uint32_t unit) {
    uint32_t space = agent->realm->meta[unit].space;
    return space == 0 || space == agent->row + 1;
}

uint32_t am_agent_sees(const struct am_agent *agent, const am_id *id) {
    uint32_t number = am_table_find(agent->realm, id);
    if (!number)
        number = am_fold_find(agent->realm, id);
    return number && am_agent_may(agent, number) ? number : 0;
}

void am_unit_placed(const struct am_realm *realm, uint32_t number, bool existed, struct am_placed *placed) {
    const struct am_record *record = &realm->record[number];
    const struct am_meta *meta = &realm->meta[number];
    bool hot = am_state_of(realm, number) == AM_STATE_HOT;
    uint64_t place = am_word(&record->place);
    *placed = (struct am_placed){.id = am_record_id(realm, number),
                                 .length = am_length(realm, number),
                                 .number = number,
                                 .type = (uint8_t)am_type_of(realm, number),
                                 .form = (uint8_t)am_form_of(realm, number),
                                 .existed = existed,
                                 .tier = hot          ? AM_HOT
                                         : meta->warm ? AM_WARM
                                                      : AM_COLD,
                                 .segment = (uint32_t)place,
                                 .generation = (uint32_t)(place >> 32),
                                 .offset = am_word(&record->offset),
                                 .version = am_word(&record->version)};
}
