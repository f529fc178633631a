/* Sets that iterate in the order in which CPython's do, as far as hashes are equal (numbers; not texts, whose
 * order CPython draws by lot): its growth, its probing.
 *
 * A table is `alloc` places, a power of two or none, and one more that holds how many were ever filled, as a
 * small integer. Removed entries stay MP_OBJ_SENTINEL until the table is made anew. Invariant: a place is
 * always free, so that every search ends. */
#include "py/runtime.h"

#define LEAST 8
#define RUN 9 /* places looked at one after the other before the search jumps */

static size_t filled(const mp_set_t *set)
{
    return (size_t)MP_OBJ_SMALL_INT_VALUE(set->table[set->alloc]);
}

static void set_filled(mp_set_t *set, size_t count)
{
    set->table[set->alloc] = MP_OBJ_NEW_SMALL_INT((mp_int_t)count);
}

void mp_set_init(mp_set_t *set, size_t alloc)
{
    set->alloc = alloc;
    set->used = 0;
    set->table = alloc ? m_new0(mp_obj_t, alloc + 1) : NULL;
    if (alloc)
        set_filled(set, 0);
}

static size_t hash_of(mp_obj_t key)
{
    mp_int_t hash = MP_OBJ_SMALL_INT_VALUE(mp_unary_op(MP_UNARY_OP_HASH, key));
    return (size_t)(hash == -1 ? -2 : hash);
}

struct search {
    size_t at, left, perturb;
};

static struct search first_place(const mp_set_t *set, size_t hash)
{
    size_t at = hash & (set->alloc - 1);
    return (struct search){at, at + RUN < set->alloc ? RUN : 0, hash};
}

static void next_place(const mp_set_t *set, struct search *search, size_t *base)
{
    if (search->left) {
        search->left--, search->at++;
        return;
    }
    search->perturb >>= 5;
    *base = (*base * 5 + 1 + search->perturb) & (set->alloc - 1);
    search->at = *base;
    search->left = *base + RUN < set->alloc ? RUN : 0;
}

static void resize(mp_set_t *set, size_t more_than)
{
    size_t alloc = LEAST;
    while (alloc <= more_than)
        alloc <<= 1;
    mp_set_t made;
    mp_set_init(&made, alloc);
    for (size_t i = 0; i < set->alloc; i++) {
        if (!mp_set_slot_is_filled(set, i))
            continue;
        struct search search = first_place(&made, hash_of(set->table[i]));
        for (size_t base = search.at; made.table[search.at] != MP_OBJ_NULL;)
            next_place(&made, &search, &base);
        made.table[search.at] = set->table[i];
        made.used++;
    }
    set_filled(&made, made.used);
    *set = made;
}

mp_obj_t mp_set_lookup(mp_set_t *set, mp_obj_t key, mp_map_lookup_kind_t kind)
{
    size_t hash = hash_of(key);
    if (!set->alloc) {
        if (!(kind & MP_MAP_LOOKUP_ADD_IF_NOT_FOUND))
            return MP_OBJ_NULL;
        resize(set, 0);
    }
    struct search search = first_place(set, hash);
    for (size_t base = search.at; set->table[search.at] != MP_OBJ_NULL; next_place(set, &search, &base)) {
        mp_obj_t there = set->table[search.at];
        const mp_obj_t *table = set->table;
        bool same = there != MP_OBJ_SENTINEL && mp_obj_equal(there, key);
        if (set->table != table) /* comparing ran Python, and that changed the set */
            return mp_set_lookup(set, key, kind);
        if (!same)
            continue;
        if (kind & MP_MAP_LOOKUP_REMOVE_IF_FOUND) {
            set->table[search.at] = MP_OBJ_SENTINEL;
            set->used--;
        }
        return there;
    }
    if (!(kind & MP_MAP_LOOKUP_ADD_IF_NOT_FOUND))
        return MP_OBJ_NULL;
    set->table[search.at] = key;
    set->used++;
    set_filled(set, filled(set) + 1);
    if (filled(set) * 5 >= (set->alloc - 1) * 3)
        resize(set, set->used > 50000 ? set->used * 2 : set->used * 4);
    return key;
}

mp_obj_t mp_set_remove_first(mp_set_t *set)
{
    for (size_t i = 0; i < set->alloc; i++)
        if (mp_set_slot_is_filled(set, i)) {
            mp_obj_t first = set->table[i];
            set->table[i] = MP_OBJ_SENTINEL;
            set->used--;
            return first;
        }
    return MP_OBJ_NULL;
}

void mp_set_clear(mp_set_t *set)
{
    mp_set_init(set, 0);
}
