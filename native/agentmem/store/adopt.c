/* Taking over from a broker that died: its memory files, kept by the supervisor, are the state; the heap is
 * made again.
 *
 * What was half done is finished or taken back: an odd version becomes even; a unit whose bytes or record are
 * gone is lost or freed; counts of owners and parents are counted anew; segments are filled no further
 * (nobody can map a sealed file writable again) and empty with time. */
#include "inside.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int kept_fd(const struct am_store *store, uint32_t kind, uint32_t realm, size_t *at) {
    for (; *at < store->options.kept_count; (*at)++) {
        const struct am_kept_fd *kept = &store->options.kept[*at];
        if (kept->what.kind == kind && (realm == UINT32_MAX || kept->what.realm == realm))
            return kept->fd;
    }
    return -1;
}

/* Every number below high: even version, a place that exists, a free list of the rest. */
static void mend_units(struct am_realm *realm) {
    uint32_t high = atomic_load(&realm->header->unit_high);
    for (uint32_t n = 1; n < high; n++) {
        struct am_record *record = &realm->record[n];
        struct am_meta *meta = &realm->meta[n];
        if (am_word(&record->version) & 1)
            am_record_end(realm, n);
        meta->owners = meta->parents = 0;
        int state = am_state_of(realm, n);
        if (state == AM_STATE_HOT && meta->folded & AM_FOLD_NOW) { /* folding or unfolding was cut short */
            meta->folded &= (uint8_t)~AM_FOLD_NOW;
            meta->warm = meta->warm_bytes = 0;
        }
        if (state == AM_STATE_HOT) {
            uint64_t place = am_word(&record->place), length = am_length(realm, n);
            uint32_t number = (uint32_t)place;
            struct am_segment *segment = number < realm->segment_high ? &realm->segment[number] : NULL;
            if (segment && segment->fd >= 0 && atomic_load(&realm->generation[number]) == place >> 32 &&
                am_word(&record->offset) + length <= segment->bytes) {
                segment->live += length;
                segment->units++;
                segment->space = meta->space;
                segment->own = segment->bytes == length;
                uint64_t end = (am_word(&record->offset) + length + 15) & ~15ull;
                segment->end = end > segment->end ? end : segment->end;
            } else {
                state = meta->warm || meta->cold ? AM_STATE_AWAY : AM_STATE_FREE;
                am_record_place(realm, n, 0, 0, state);
            }
        } else if (state == AM_STATE_AWAY && !meta->warm && !meta->cold) {
            state = AM_STATE_FREE;
            am_record_place(realm, n, 0, 0, state);
        }
        if (state == AM_STATE_FREE) {
            *meta = (struct am_meta){0};
            am_number_give(realm, n);
        } else {
            realm->units++;
            if (meta->space && meta->space <= AM_AGENTS && realm->store->agent[meta->space - 1])
                realm->store->agent[meta->space - 1]->private_units++;
        }
    }
}

/* What lies in them counts; what nobody is in goes. */
static void mend_segments(struct am_realm *realm) {
    for (uint32_t i = 0; i < realm->segment_high; i++)
        if (realm->segment[i].fd >= 0) {
            realm->store->hot_bytes += realm->segment[i].end;
            if (realm->segment[i].units == 0)
                am_segment_end(realm, i);
        }
}

static int warm_visit(void *context, uint64_t address, const struct am_log_head *head, const void *payload) {
    struct am_store *store = context;
    struct am_realm *realm = head->realm < AM_REALMS ? store->realm[head->realm] : NULL;
    am_id id;
    memcpy(id.bytes, head->id, sizeof id.bytes);
    if (realm && head->kind == AM_RECORD_DICTIONARY && head->type <= AM_KV_PAGE &&
        realm->dictionaries[head->type] < AM_DICTIONARIES) {
        uint32_t at = realm->dictionaries[head->type];
        realm->dictionary[head->type][at] =
            am_dictionary_load(payload, head->payload_bytes, head->base_or_number);
        if (!realm->dictionary[head->type][at])
            return AM_ENOMEM;
        realm->dictionary_number[head->type][at] = head->base_or_number;
        realm->dictionaries[head->type]++;
        if (head->base_or_number > store->next_dictionary)
            store->next_dictionary = head->base_or_number;
        return 0;
    }
    uint32_t number = realm ? am_table_find(realm, &id) : 0;
    if (head->kind == AM_RECORD_UNIT && number && realm->meta[number].warm == address + 1)
        realm->pins[number] = 1; /* seen */
    return 0;
}

/* The second look: records that no unit points at. A unit whose own was not seen takes the latest that fits:
 * a compaction was cut short between moving it and saying so. */
static int warm_strays(void *context, uint64_t address, const struct am_log_head *head, const void *payload) {
    struct am_store *store = context;
    struct am_realm *realm = head->realm < AM_REALMS ? store->realm[head->realm] : NULL;
    struct am_stored stored;
    am_id id, base = {{0}};
    memcpy(id.bytes, head->id, sizeof id.bytes);
    uint32_t number = realm ? am_table_find(realm, &id) : 0;
    struct am_meta *meta = number ? &realm->meta[number] : NULL;
    if (head->kind == AM_RECORD_DICTIONARY ||
        (number && realm->pins[number] == 1 && meta->warm == address + 1))
        return 0;
    if (number && meta->base)
        base = am_record_id(realm, meta->base);
    if (head->kind != AM_RECORD_UNIT || !number || !meta->warm || realm->pins[number] == 1 ||
        (head->form == AM_FOLDED) != !!(meta->folded & AM_FOLD_NOW) ||
        am_stored_head(payload, head->payload_bytes, &stored) ||
        (stored.coding == AM_DELTA && (!meta->base || memcmp(base.bytes, stored.base, 32) != 0))) {
        am_log_drop(store->warm, address);
        return 0;
    }
    if (realm->pins[number] == 2)
        am_log_drop(store->warm, meta->warm - 1);
    meta->warm = address + 1;
    meta->warm_bytes = (uint32_t)head->payload_bytes;
    realm->pins[number] = 2;
    return 0;
}

static void warm_broken(void *context, uint32_t segment, uint64_t offset, uint64_t bytes, const char *what) {
    struct am_store *store = context;
    (void)segment, (void)offset, (void)bytes, (void)what;
    store->counted.broken++;
}

/* A warm address that no record answers to: the unit has its other places or is lost. */
static void unseen_warm(struct am_realm *realm) {
    for (uint32_t n = 1; n < atomic_load(&realm->header->unit_high); n++) {
        struct am_meta *meta = &realm->meta[n];
        if (meta->warm && !realm->pins[n]) {
            meta->warm = meta->warm_bytes = 0;
            meta->lost = am_state_of(realm, n) == AM_STATE_AWAY && !meta->cold;
        }
        realm->pins[n] = 0;
    }
}

static int take_realm(struct am_store *store, uint32_t number) {
    size_t table = 0, meta = 0, at = 0;
    int table_fd = kept_fd(store, AM_KEPT_TABLE, number, &table),
        meta_fd = kept_fd(store, AM_KEPT_META, number, &meta);
    if (table_fd < 0 || meta_fd < 0) { /* it died while it made this realm: nothing can be in it */
        store->state->realms[number].bytes = 0;
        return 0;
    }
    struct am_realm *realm = am_realm_make(store, number);
    if (!realm)
        return am_fail(store, AM_ENOMEM, "no memory for a realm");
    int status = am_table_adopt(realm, table_fd, meta_fd);
    if (status) {
        free(realm);
        return status;
    }
    store->realm[number] = realm;
    store->counted.realms++;
    for (int fd; (fd = kept_fd(store, AM_KEPT_SEGMENT, number, &at)) >= 0; at++)
        if (am_segment_restore(realm, store->options.kept[at].what.number,
                               store->options.kept[at].what.generation, fd) == 0)
            store->options.kept[at].fd = -1; /* the store's from now on */
    return 0;
}

static int take_agents(struct am_store *store) {
    struct am_state *state = store->state;
    state->agent_high = state->agent_high > AM_AGENTS ? AM_AGENTS : state->agent_high;
    for (uint32_t row = 0; row < state->agent_high; row++) {
        struct am_agent_row *agent = &state->agents[row];
        if (!agent->bytes)
            continue;
        if (agent->realm >= AM_REALMS || !store->realm[agent->realm] || agent->bytes >= AM_NAME_BYTES)
            agent->bytes = 0;
        else if (!am_agent_make(store, store->realm[agent->realm], row))
            return am_fail(store, AM_ENOMEM, "no memory for an agent");
    }
    return 0;
}

static void take_heads(struct am_store *store) {
    struct am_state *state = store->state;
    state->head_high = state->head_high > AM_HEADS ? AM_HEADS : state->head_high;
    for (uint32_t i = 0; i < state->head_high; i++) {
        struct am_head_row *row = &state->heads[i];
        struct am_agent *agent = row->bytes && row->agent < AM_AGENTS ? store->agent[row->agent] : NULL;
        if (agent && row->bytes < AM_NAME_BYTES &&
            row->unit < atomic_load(&agent->realm->header->unit_high) &&
            am_state_of(agent->realm, row->unit) != AM_STATE_FREE) {
            agent->realm->meta[row->unit].parents++;
            am_head_link(store, i);
        } else {
            row->bytes = 0;
            store->head_holes++;
        }
    }
}

static int take_state(struct am_store *store) {
    size_t at = 0;
    int fd = kept_fd(store, AM_KEPT_STATE, UINT32_MAX, &at);
    if (fd < 0)
        return AM_ENOTFOUND;
    if (lseek(fd, 0, SEEK_END) != (off_t)sizeof(struct am_state) ||
        !(store->state = am_map_fd(fd, sizeof(struct am_state), true)))
        return am_fail(store, AM_ECORRUPT, "the kept state is not one of ours");
    if (store->state->magic != AM_MAGIC || store->state->layout != AM_LAYOUT) {
        munmap(store->state, sizeof(struct am_state));
        store->state = NULL;
        return AM_ENOTFOUND; /* it died before there was anything, or is of another version: begin anew */
    }
    store->state_fd = fd;
    store->options.kept[at].fd = -1;
    store->state->epoch++;
    return 0;
}

static int take_warm(struct am_store *store) {
    int fds[4096];
    size_t count = 0, at = 0;
    for (int fd; count < 4096 && (fd = kept_fd(store, AM_KEPT_WARM, UINT32_MAX, &at)) >= 0; at++) {
        fds[count++] = fd;
        store->options.kept[at].fd = -1;
    }
    int status = am_log_open_memory(fds, count, &store->warm);
    return status ? am_fail(store, status, "the warm tier cannot be taken over") : 0;
}

int am_adopt(struct am_store *store) {
    int status = take_state(store);
    for (uint32_t i = 0; !status && i < AM_REALMS; i++)
        if (store->state->realms[i].bytes)
            status = take_realm(store, i);
    if (!status)
        status = take_agents(store);
    if (!status)
        status = take_warm(store);
    if (status)
        return status;
    for (uint32_t i = 0; i < AM_REALMS; i++)
        if (store->realm[i]) {
            mend_units(store->realm[i]);
            mend_segments(store->realm[i]);
            status = status ? status : am_table_reindex(store->realm[i]);
        }
    if (!status)
        status = am_log_scan(store->warm, warm_visit, warm_broken, store);
    if (!status)
        status = am_log_scan(store->warm, warm_strays, NULL, store);
    for (uint32_t i = 0; !status && i < AM_REALMS; i++)
        if (store->realm[i]) {
            unseen_warm(store->realm[i]);
            for (uint32_t n = 1; n < atomic_load(&store->realm[i]->header->unit_high); n++)
                if (store->realm[i]->meta[n].base)
                    store->realm[i]->meta[store->realm[i]->meta[n].base].parents++;
        }
    if (!status)
        status = am_owners_rebuild(store);
    if (status)
        return status;
    take_heads(store);
    size_t at = 0;
    for (int fd; (fd = kept_fd(store, AM_KEPT_PAGE, UINT32_MAX, &at)) >= 0; at++) {
        const struct am_kept *what = &store->options.kept[at].what;
        struct am_agent *agent = what->generation < AM_AGENTS ? store->agent[what->generation] : NULL;
        if (agent && what->realm < AM_REALMS && store->realm[what->realm] &&
            am_reader_adopt(store, store->realm[what->realm], agent, what->number, fd) == 0)
            store->options.kept[at].fd = -1;
    }
    store->adopted = true;
    return 0;
}
