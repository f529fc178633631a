/* Dictionaries that keep the order of insertion, as CPython's do. Takes the place of the maps in py/map.c.
 *
 * `table` holds the entries in that order, so whoever walks the slots of an mp_map_t walks in order. A
 * removed entry leaves MP_OBJ_SENTINEL; behind the last entry ever added lie MP_OBJ_NULLs. Up to LINEAR
 * slots are simply searched. Larger tables are followed, in the same block of memory, by a struct order and
 * an index: a hash table, of a power of two of cells, of slot numbers counted from 1 (0: free), one to four
 * bytes each.
 *
 * Invariant: every entry that is there has a cell on its probe path; a cell may lead to a removed entry. An
 * index without cells although there are entries (objdict.c copies entries only) is made anew before it is
 * used. Fixed maps (constants, keyword arguments) are arrays, searched from the front. */
#include <string.h>

#include "py/objtype.h"
#include "py/runtime.h"

#include "ordered_map.h"

#define LINEAR 8u

struct order {
    uint32_t fill; /* slots that were given out */
    uint32_t last; /* no entry at or behind this slot */
};

#define CACHE(key) \
    (MP_STATE_VM(map_lookup_cache)[((uintptr_t)(key) >> 2) % MICROPY_OPT_MAP_LOOKUP_CACHE_SIZE])

static size_t cells_for(size_t alloc)
{
    return (size_t)1 << (64 - __builtin_clzl(alloc + alloc / 2 - 1));
}

static size_t cell_size(size_t alloc)
{
    return alloc < 0xff ? 1 : alloc < 0xffff ? 2 : 4;
}

static size_t bytes_for(size_t alloc)
{
    size_t entries = alloc * sizeof(mp_map_elem_t);
    return alloc <= LINEAR ? entries : entries + sizeof(struct order) + cells_for(alloc) * cell_size(alloc);
}

/* What keeps a table's index. Made from the map when it is needed. */
struct index {
    mp_map_elem_t *table;
    size_t alloc, mask, width;
    struct order *order;
    uint8_t *cells;
    unsigned shift;
};

static struct index index_of(mp_map_elem_t *table, size_t alloc)
{
    size_t cells = cells_for(alloc);
    struct order *order = (struct order *)(table + alloc);
    return (struct index){table, alloc, cells - 1, cell_size(alloc), order, (uint8_t *)(order + 1),
        (unsigned)(64 - __builtin_ctzl(cells))};
}

static inline size_t get_cell(const struct index *index, size_t at)
{
    if (index->width == 1)
        return index->cells[at];
    return index->width == 2 ? ((const uint16_t *)index->cells)[at] : ((const uint32_t *)index->cells)[at];
}

static inline void set_cell(const struct index *index, size_t at, size_t slot)
{
    if (index->width == 1)
        index->cells[at] = (uint8_t)slot;
    else if (index->width == 2)
        ((uint16_t *)index->cells)[at] = (uint16_t)slot;
    else
        ((uint32_t *)index->cells)[at] = (uint32_t)slot;
}

static inline size_t hash_of(mp_obj_t key)
{
    if (mp_obj_is_qstr(key))
        return qstr_hash(MP_OBJ_QSTR_VALUE(key));
    if (mp_obj_is_small_int(key))
        return (size_t)MP_OBJ_SMALL_INT_VALUE(key);
    return (size_t)MP_OBJ_SMALL_INT_VALUE(mp_unary_op(MP_UNARY_OP_HASH, key));
}

static inline size_t first_cell(const struct index *index, size_t hash)
{
    return hash * 0x9e3779b97f4a7c15u >> index->shift;
}

/* Slots from `from` on, which are not in the index yet. Hashing a key may run Python. */
static void add_cells(const struct index *index, size_t from, size_t end)
{
    for (size_t slot = from; slot < end; slot++) {
        mp_obj_t key = index->table[slot].key;
        if (key == MP_OBJ_NULL || key == MP_OBJ_SENTINEL)
            continue;
        size_t at = first_cell(index, hash_of(key));
        while (get_cell(index, at))
            at = (at + 1) & index->mask;
        set_cell(index, at, slot + 1);
    }
}

static struct index sound_index(mp_map_t *map)
{
    struct index index = index_of(map->table, map->alloc);
    if (index.order->fill == 0 && map->used) {
        size_t end = map->alloc;
        while (end && map->table[end - 1].key == MP_OBJ_NULL)
            end--;
        add_cells(&index, 0, end);
        index.order->fill = index.order->last = (uint32_t)end;
    }
    return index;
}

static size_t next_alloc(size_t entries)
{
    if (entries < 2)
        return 2;
    if (entries < LINEAR)
        return entries < 4 ? 4 : LINEAR;
    return cells_for(2 * entries) * 2 / 3; /* at most two cells of three are ever taken */
}

/* A table without the removed entries, with room for more. */
static void rebuild(mp_map_t *map)
{
    size_t alloc = next_alloc(map->used), count = 0;
    mp_map_elem_t *table = (mp_map_elem_t *)m_new0(uint8_t, bytes_for(alloc));
    for (size_t i = 0; i < map->alloc && count < alloc; i++)
        if (mp_map_slot_is_filled(map, i))
            table[count++] = map->table[i];
    if (alloc > LINEAR) {
        struct index index = index_of(table, alloc);
        add_cells(&index, 0, count);
        index.order->fill = index.order->last = (uint32_t)count;
    }
    mp_map_elem_t *old = map->table;
    size_t old_size = bytes_for(map->alloc);
    map->alloc = alloc;
    map->used = count;
    map->table = table;
    m_del(uint8_t, (uint8_t *)old, old_size);
    (void)old_size;
}

static mp_map_elem_t *added(mp_map_t *map, size_t slot, mp_obj_t key)
{
    map->used++;
    if (!mp_obj_is_qstr(key))
        map->all_keys_are_qstrs = 0;
    map->table[slot].key = key;
    map->table[slot].value = MP_OBJ_NULL;
    return &map->table[slot];
}

static mp_map_elem_t *found(mp_map_t *map, mp_map_elem_t *entry, mp_obj_t key, mp_map_lookup_kind_t kind)
{
    if (kind == MP_MAP_LOOKUP_REMOVE_IF_FOUND) {
        map->used--;
        entry->key = MP_OBJ_SENTINEL; /* its value stays for the caller */
    } else {
        CACHE(key) = (uint8_t)(entry - map->table);
    }
    return entry;
}

static inline int same(mp_obj_t there, mp_obj_t key, int only_pointers)
{
    return there == key || (!only_pointers && there != MP_OBJ_SENTINEL && mp_obj_equal(there, key));
}

static mp_map_elem_t *search_array(mp_map_t *map, mp_obj_t key, int only_pointers)
{
    for (mp_map_elem_t *entry = map->table, *end = entry + map->used; entry < end; entry++)
        if (same(entry->key, key, only_pointers))
            return found(map, entry, key, MP_MAP_LOOKUP);
    return NULL;
}

static mp_map_elem_t *search_few(mp_map_t *map, mp_obj_t key, mp_map_lookup_kind_t kind, int only_pointers)
{
    for (;;) {
        mp_map_elem_t *table = map->table;
        size_t alloc = map->alloc, i = 0;
        for (; i < alloc && table[i].key != MP_OBJ_NULL; i++)
            if (same(table[i].key, key, only_pointers))
                return map->table == table ? found(map, &table[i], key, kind) : &table[i];
        if (kind != MP_MAP_LOOKUP_ADD_IF_NOT_FOUND)
            return NULL;
        if (map->table == table && i < alloc)
            return added(map, i, key);
        if (map->table == table)
            rebuild(map);
        if (map->alloc > LINEAR)
            return mp_map_lookup(map, key, kind);
    }
}

static mp_map_elem_t *search_many(mp_map_t *map, mp_obj_t key, mp_map_lookup_kind_t kind, int only_pointers)
{
    size_t hash = hash_of(key);
    for (;;) {
        struct index index = sound_index(map);
        size_t at = first_cell(&index, hash), slot;
        for (; (slot = get_cell(&index, at)); at = (at + 1) & index.mask) {
            mp_map_elem_t *entry = &index.table[slot - 1];
            if (same(entry->key, key, only_pointers))
                return map->table == index.table ? found(map, entry, key, kind) : entry;
        }
        if (kind != MP_MAP_LOOKUP_ADD_IF_NOT_FOUND)
            return NULL;
        if (map->table == index.table && index.order->fill < map->alloc) {
            set_cell(&index, at, index.order->fill + 1u);
            index.order->last = index.order->fill + 1;
            return added(map, index.order->fill++, key);
        }
        if (map->table == index.table)
            rebuild(map);
        if (map->alloc <= LINEAR) /* comparing ran Python, and that changed the map */
            return mp_map_lookup(map, key, kind);
    }
}

mp_map_elem_t *mp_map_lookup(mp_map_t *map, mp_obj_t key, mp_map_lookup_kind_t kind)
{
    size_t cached = CACHE(key);
    if (cached < map->alloc && map->table[cached].key == key && kind != MP_MAP_LOOKUP_REMOVE_IF_FOUND)
        return &map->table[cached];
    int only_pointers = map->all_keys_are_qstrs;
    if (mp_obj_is_obj(key)) {
        const mp_obj_type_t *type = ((mp_obj_base_t *)MP_OBJ_TO_PTR(key))->type;
        if (type == &mp_type_list || type == &mp_type_dict || type == &mp_type_set || type == &mp_type_bytearray)
            mp_unary_op(MP_UNARY_OP_HASH, key); /* raises */
        if (type == &mp_type_str || mp_obj_is_instance_type(type))
            only_pointers = 0;
    }
    if (only_pointers && !mp_obj_is_qstr(key)) {
        if (kind != MP_MAP_LOOKUP_ADD_IF_NOT_FOUND)
            return NULL;
    }
    if (map->is_fixed && map->is_ordered)
        return search_array(map, key, only_pointers);
    if (!map->alloc) {
        if (kind != MP_MAP_LOOKUP_ADD_IF_NOT_FOUND)
            return NULL;
        rebuild(map);
    }
    return map->alloc <= LINEAR ? search_few(map, key, kind, only_pointers)
                                : search_many(map, key, kind, only_pointers);
}

size_t nx_map_last(mp_map_t *map)
{
    if (map->alloc <= LINEAR || (map->is_fixed && map->is_ordered)) {
        size_t last = map->alloc;
        while (!mp_map_slot_is_filled(map, last - 1))
            last--;
        return last - 1;
    }
    struct index index = sound_index(map);
    while (!mp_map_slot_is_filled(map, index.order->last - 1))
        index.order->last--;
    return index.order->last - 1;
}

void mp_map_init(mp_map_t *map, size_t count)
{
    map->alloc = count;
    map->table = count ? (mp_map_elem_t *)m_new0(uint8_t, bytes_for(count)) : NULL;
    map->used = 0;
    map->all_keys_are_qstrs = 1;
    map->is_fixed = 0;
    map->is_ordered = 0;
}

void mp_map_init_fixed_table(mp_map_t *map, size_t count, const mp_obj_t *table)
{
    map->alloc = count;
    map->used = count;
    map->all_keys_are_qstrs = 1;
    map->is_fixed = 1;
    map->is_ordered = 1;
    map->table = (mp_map_elem_t *)(uintptr_t)table;
}

void mp_map_deinit(mp_map_t *map)
{
    if (!map->is_fixed)
        m_del(uint8_t, (uint8_t *)map->table, bytes_for(map->alloc));
    map->used = map->alloc = 0;
}

void mp_map_clear(mp_map_t *map)
{
    mp_map_deinit(map);
    map->all_keys_are_qstrs = 1;
    map->is_fixed = 0;
    map->table = NULL;
}
