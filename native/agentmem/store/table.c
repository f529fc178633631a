/* A realm's table, the writer's side of layout.h: unit numbers, records, the index. Knows nothing of bytes.
 * Invariant: the current index region has an entry for every record that is not free, reachable by probing.
 */
#include "inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

static void views(struct am_realm *realm, uint8_t *table) {
    realm->header = (struct am_header *)table;
    realm->generation = (_Atomic uint32_t *)(table + AM_SEGMENTS_AT);
    realm->index = (_Atomic uint64_t *)(table + AM_INDEX_AT);
    realm->record = (struct am_record *)(table + AM_UNITS_AT);
}

int am_table_create(struct am_realm *realm) {
    struct am_store *store = realm->store;
    int status =
        am_memfd(store, "agentmem-table", AM_TABLE_BYTES, F_SEAL_SHRINK | F_SEAL_GROW, &realm->table_fd);
    if (status)
        return status;
    uint8_t *table = am_map_fd(realm->table_fd, AM_TABLE_BYTES, true);
    /* From here on nobody can map it writable; the map made above stays so. */
    if (!table || fcntl(realm->table_fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) < 0) {
        status = am_fail(store, AM_ENOMEM, "the table of a realm cannot be mapped: %s", strerror(errno));
    } else {
        status = am_memfd(store, "agentmem-meta", sizeof(struct am_meta) * AM_UNITS,
                          F_SEAL_SHRINK | F_SEAL_GROW, &realm->meta_fd);
        if (!status && !(realm->meta = am_map_fd(realm->meta_fd, sizeof(struct am_meta) * AM_UNITS, true)))
            status = am_fail(store, AM_ENOMEM, "a realm's units cannot be mapped: %s", strerror(errno));
    }
    if (table)
        views(realm, table);
    if (status) {
        am_table_free(realm);
        return status;
    }
    realm->header->layout = AM_LAYOUT;
    realm->header->header_bytes = sizeof(struct am_header);
    atomic_store(&realm->header->index_log2, AM_INDEX_FIRST_LOG2);
    atomic_store(&realm->header->unit_high, 1);
    atomic_store(&realm->header->epoch, store->state->epoch);
    atomic_thread_fence(memory_order_release);
    realm->header->magic = AM_MAGIC;
    am_keep(store, AM_KEPT_META, realm->number, 0, 0, realm->meta_fd);
    am_keep(store, AM_KEPT_TABLE, realm->number, 0, 0, realm->table_fd);
    return am_numbers_room(realm, 1);
}

/* A table that another process made is sealed against new writable maps, so it is copied into one of our own.
 * Clients of the old one see nothing new there; its epoch tells them to come again. */
int am_table_adopt(struct am_realm *realm, int table_fd, int meta_fd) {
    int status = am_table_create(realm);
    if (status)
        return status;
    uint8_t *old = am_map_fd(table_fd, AM_TABLE_BYTES, false);
    struct am_meta *old_meta = am_map_fd(meta_fd, sizeof(struct am_meta) * AM_UNITS, false);
    const struct am_header *head = (const struct am_header *)old;
    if (!old || !old_meta || head->magic != AM_MAGIC || head->layout != AM_LAYOUT) {
        status = am_fail(realm->store, AM_ECORRUPT, "the kept table of realm %u is not one of ours",
                         realm->number);
    } else {
        uint32_t high = atomic_load(&((struct am_header *)old)->unit_high);
        high = high > AM_UNITS ? AM_UNITS : high;
        memcpy(realm->record, old + AM_UNITS_AT, (size_t)high * sizeof(struct am_record));
        memcpy(realm->meta, old_meta, (size_t)high * sizeof(struct am_meta));
        memcpy((void *)realm->generation, old + AM_SEGMENTS_AT, AM_SEGMENTS * 4);
        atomic_store(&realm->header->unit_high, high);
        status = am_numbers_room(realm, high);
    }
    if (old)
        munmap(old, AM_TABLE_BYTES);
    if (old_meta)
        munmap(old_meta, sizeof(struct am_meta) * AM_UNITS);
    return status;
}

void am_table_free(struct am_realm *realm) {
    for (uint32_t i = 0; i < realm->segment_high; i++)
        if (realm->segment[i].fd >= 0) {
            munmap(realm->segment[i].base, realm->segment[i].bytes);
            close(realm->segment[i].fd);
        }
    if (realm->header)
        munmap(realm->header, AM_TABLE_BYTES);
    if (realm->meta)
        munmap(realm->meta, sizeof(struct am_meta) * AM_UNITS);
    if (realm->table_fd >= 0)
        close(realm->table_fd);
    if (realm->meta_fd >= 0)
        close(realm->meta_fd);
    free(realm->flag);
    free(realm->pins);
    free(realm->awake);
    free(realm->sketch);
    free(realm->free_number);
    free(realm->doomed);
    free(realm->segment);
    realm->header = NULL;
    realm->meta = NULL;
    realm->table_fd = realm->meta_fd = -1;
}

static uint64_t first_word(const am_id *id) {
    uint64_t word;
    memcpy(&word, id->bytes, 8);
    return word;
}

static uint32_t tag_of(const am_id *id) {
    uint32_t tag;
    memcpy(&tag, id->bytes + 8, 4);
    return tag;
}

am_id am_record_id(const struct am_realm *realm, uint32_t number) {
    am_id id;
    for (int i = 0; i < 4; i++) {
        uint64_t word = am_word(&realm->record[number].id[i]);
        memcpy(id.bytes + 8 * i, &word, 8);
    }
    return id;
}

static bool same(const struct am_realm *realm, uint32_t number, const am_id *id) {
    am_id other = am_record_id(realm, number);
    return memcmp(&other, id, sizeof other) == 0;
}

uint32_t am_table_find(const struct am_realm *realm, const am_id *id) {
    uint32_t log2 = atomic_load_explicit(&realm->header->index_log2, memory_order_relaxed);
    uint64_t mask = (1ull << log2) - 1;
    const _Atomic uint64_t *region = realm->index + (1ull << log2);
    for (uint64_t at = first_word(id) & mask;; at = (at + 1) & mask) {
        uint64_t entry = am_word(&region[at]);
        if (!entry)
            return 0;
        if ((uint32_t)(entry >> 32) == tag_of(id) && same(realm, (uint32_t)entry, id))
            return (uint32_t)entry;
    }
}

static void put_entry(_Atomic uint64_t *region, uint64_t mask, const am_id *id, uint32_t number) {
    uint64_t at = first_word(id) & mask;
    while (am_word(&region[at]))
        at = (at + 1) & mask;
    atomic_store_explicit(&region[at], (uint64_t)tag_of(id) << 32 | number, memory_order_release);
}

static void fill_region(struct am_realm *realm, uint32_t log2) {
    uint64_t mask = (1ull << log2) - 1;
    uint32_t high = atomic_load(&realm->header->unit_high);
    for (uint32_t number = 1; number < high; number++)
        if (am_state_of(realm, number) != AM_STATE_FREE) {
            am_id id = am_record_id(realm, number);
            put_entry(realm->index + (1ull << log2), mask, &id, number);
        }
    atomic_store_explicit(&realm->header->index_log2, log2, memory_order_release);
}

int am_table_reindex(struct am_realm *realm) {
    uint32_t log2 = AM_INDEX_FIRST_LOG2;
    while ((1ull << log2) < 2ull * (realm->units + 1))
        log2++;
    if (log2 >= AM_INDEX_LOG2)
        return am_fail(realm->store, AM_ENOMEM, "%u units in one realm: no larger index is possible",
                       realm->units);
    fill_region(realm, log2);
    return 0;
}

int am_table_insert(struct am_realm *realm, uint32_t number, const am_id *id) {
    uint32_t log2 = atomic_load(&realm->header->index_log2);
    if (2ull * (realm->units + 1) > (1ull << log2)) { /* half full */
        if (log2 + 1 >= AM_INDEX_LOG2)
            return am_fail(realm->store, AM_ENOMEM, "%u units in one realm, which is the limit",
                           realm->units);
        fill_region(realm, log2 + 1); /* the new record is among them: its state is set */
        return 0; /* the old region keeps its memory (sealed files take no holes): as much again as the new
                     one */
    }
    put_entry(realm->index + (1ull << log2), (1ull << log2) - 1, id, number);
    return 0;
}

void am_table_remove(struct am_realm *realm, uint32_t number) {
    am_id id = am_record_id(realm, number);
    uint32_t log2 = atomic_load(&realm->header->index_log2);
    uint64_t mask = (1ull << log2) - 1;
    _Atomic uint64_t *region = realm->index + (1ull << log2);
    uint64_t hole = first_word(&id) & mask;
    while (am_word(&region[hole]) && (uint32_t)am_word(&region[hole]) != number)
        hole = (hole + 1) & mask;
    if (!am_word(&region[hole]))
        return;
    /* Backward shift: what could no longer be reached over the hole moves into it. */
    for (uint64_t at = (hole + 1) & mask;; at = (at + 1) & mask) {
        uint64_t entry = am_word(&region[at]);
        if (!entry)
            break;
        am_id other = am_record_id(realm, (uint32_t)entry);
        uint64_t home = first_word(&other) & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            atomic_store_explicit(&region[hole], entry, memory_order_release);
            hole = at;
        }
    }
    atomic_store_explicit(&region[hole], 0, memory_order_release);
}

void am_record_begin(struct am_realm *realm, uint32_t number) {
    struct am_record *record = &realm->record[number];
    atomic_store_explicit(&record->version, am_word(&record->version) | 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
}

void am_record_end(struct am_realm *realm, uint32_t number) {
    struct am_record *record = &realm->record[number];
    atomic_store_explicit(&record->version, (am_word(&record->version) | 1) + 1, memory_order_release);
}

void am_record_place(struct am_realm *realm, uint32_t number, uint32_t segment, uint64_t offset, int state) {
    struct am_record *record = &realm->record[number];
    uint64_t generation = state == AM_STATE_HOT ? atomic_load(&realm->generation[segment]) : 0;
    uint64_t size = am_word(&record->size) & ~15ull;
    atomic_store_explicit(&record->place, generation << 32 | segment, memory_order_relaxed);
    atomic_store_explicit(&record->offset, offset, memory_order_relaxed);
    atomic_store_explicit(&record->size, size | (uint64_t)state, memory_order_relaxed);
}

const uint8_t *am_bytes_of(const struct am_realm *realm, uint32_t number) {
    return realm->segment[am_segment_of(realm, number)].base + am_word(&realm->record[number].offset);
}
