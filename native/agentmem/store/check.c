/* The store against its invariants: for tests, for a look after a crash, and for the end of a kill storm. */
#include "inside.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct checking {
    struct am_store *store;
    FILE *file;
    size_t wrong;
};

__attribute__((format(printf, 2, 3))) static void wrong(struct checking *checking, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (checking->file) {
        vfprintf(checking->file, format, arguments);
        fputc('\n', checking->file);
    }
    va_end(arguments);
    checking->wrong++;
}

static void segments(struct checking *checking, struct am_realm *realm, const uint64_t *live,
                     const uint32_t *units) {
    for (uint32_t i = 0; i < realm->segment_high; i++) {
        const struct am_segment *segment = &realm->segment[i];
        if (segment->fd < 0 && units[i])
            wrong(checking, "realm %u: %u units lie in segment %u, which is gone", realm->number, units[i],
                  i);
        else if (segment->fd >= 0 && (segment->live != live[i] || segment->units != units[i]))
            wrong(checking, "realm %u: segment %u counts %llu bytes in %u units; there are %llu in %u",
                  realm->number, i, (unsigned long long)segment->live, segment->units,
                  (unsigned long long)live[i], units[i]);
    }
}

static void unit(struct checking *checking, struct am_realm *realm, uint32_t n, uint64_t *live,
                 uint32_t *units, uint32_t *parents) {
    const struct am_meta *meta = &realm->meta[n];
    am_id id = am_record_id(realm, n);
    int state = am_state_of(realm, n);
    uint64_t length = am_length(realm, n);
    if (am_word(&realm->record[n].version) & 1)
        wrong(checking, "realm %u: unit %u has an odd version", realm->number, n);
    if (am_table_find(realm, &id) != n)
        wrong(checking, "realm %u: unit %u is not found by its id", realm->number, n);
    if (state == AM_STATE_HOT) {
        uint32_t segment = am_segment_of(realm, n);
        uint64_t offset = am_word(&realm->record[n].offset);
        if (segment >= realm->segment_high || offset + length > realm->segment[segment].bytes) {
            wrong(checking, "realm %u: unit %u lies outside of segment %u", realm->number, n, segment);
            return;
        }
        live[segment] += length;
        units[segment]++;
        if (realm->segment[segment].fd >= 0 && realm->segment[segment].space != meta->space)
            wrong(checking, "realm %u: unit %u of space %u lies in a segment of space %u", realm->number, n,
                  meta->space, realm->segment[segment].space);
        if (segment < realm->segment_high && realm->segment[segment].fd < 0)
            return;
    } else if (!meta->warm && !meta->cold && !meta->lost) {
        wrong(checking, "realm %u: unit %u is nowhere", realm->number, n);
    }
    uint8_t *raw = meta->lost ? NULL : am_unit_raw(realm, n), expected[32];
    if (raw) {
        const struct am_agent *agent = meta->space ? checking->store->agent[meta->space - 1] : NULL;
        am_unit_id(agent ? agent->key : realm->key, (uint8_t)am_type_of(realm, n),
                   (uint8_t)am_form_of(realm, n), raw, length, expected);
        if (memcmp(expected, id.bytes, 32))
            wrong(checking, "realm %u: unit %u does not have the bytes of its id", realm->number, n);
        if (meta->folded & AM_FOLD_NOW) {
            if (!am_fold_parents(realm, n, parents))
                wrong(checking, "realm %u: a piece that folded rope %u refers to is gone", realm->number, n);
        } else if (am_form_of(realm, n) == AM_ROPE)
            for (uint64_t i = 0; i < length / sizeof(am_piece); i++) {
                uint32_t child = am_table_find(realm, &((const am_piece *)raw)[i].id);
                if (!child)
                    wrong(checking, "realm %u: piece %llu of rope %u is gone", realm->number,
                          (unsigned long long)i, n);
                else
                    parents[child]++;
            }
    } else if (!meta->lost) {
        wrong(checking, "realm %u: unit %u cannot be read", realm->number, n);
    }
    free(raw);
    if (meta->base)
        parents[meta->base]++;
}

static void realm_check(struct checking *checking, struct am_realm *realm) {
    struct am_store *store = checking->store;
    uint32_t high = atomic_load(&realm->header->unit_high), there = 0;
    uint64_t *live = calloc(realm->segment_high + 1, sizeof *live);
    uint32_t *units = calloc(realm->segment_high + 1, sizeof *units);
    uint32_t *parents = calloc(high + 1, sizeof *parents), *owners = calloc(high + 1, sizeof *owners);
    if (!live || !units || !parents || !owners) {
        wrong(checking, "no memory to check realm %u", realm->number);
    } else {
        for (uint32_t n = 1; n < high; n++)
            if (am_state_of(realm, n) != AM_STATE_FREE) {
                unit(checking, realm, n, live, units, parents);
                there++;
            }
        segments(checking, realm, live, units);
        for (uint32_t i = 0; i < store->state->edge_high; i++) {
            uint64_t value = am_word(&store->state->edges[i]);
            if (value && (value >> 32 & 255) == realm->number)
                owners[(uint32_t)value < high ? (uint32_t)value : 0]++;
        }
        for (uint32_t i = 0; i < store->state->head_high; i++)
            if (store->state->heads[i].bytes && store->state->heads[i].realm == realm->number)
                parents[store->state->heads[i].unit < high ? store->state->heads[i].unit : 0]++;
        for (uint32_t n = 1; n < high; n++) {
            bool alive = am_state_of(realm, n) != AM_STATE_FREE;
            if (owners[n] != (alive ? realm->meta[n].owners : 0) ||
                parents[n] != (alive ? realm->meta[n].parents : 0))
                wrong(checking, "realm %u: unit %u counts %u owners and %u parents; there are %u and %u",
                      realm->number, n, realm->meta[n].owners, realm->meta[n].parents, owners[n], parents[n]);
        }
        if (there != realm->units)
            wrong(checking, "realm %u counts %u units; there are %u", realm->number, realm->units, there);
    }
    free(live);
    free(units);
    free(parents);
    free(owners);
}

size_t am_store_check(struct am_store *store, void *file) {
    struct checking checking = {store, file, 0};
    for (uint32_t i = 0; i < AM_REALMS; i++) {
        size_t unsafe = 0;
        uint32_t number = 0;
        if (store->realm[i]) {
            realm_check(&checking, store->realm[i]);
            if (store->cold)
                number = am_check_cold(store->realm[i], &unsafe);
        }
        if (unsafe)
            wrong(&checking, "realm %u: the disk would not have %zu units that durable agents need, such as %u",
                  i, unsafe, number);
    }
    return checking.wrong;
}
