/* sort.c */
#ifndef NX_SORT_H
#define NX_SORT_H

#include "py/obj.h"

/* Sorts `count` items in place, stably, by what `key` (MP_OBJ_NULL: nothing) gives for each. Raises what key and
 * comparisons raise, and MemoryError; the items are then as they were. They must not go while it runs. */
void nx_sort(mp_obj_t *items, size_t count, mp_obj_t key, bool reverse);

#endif
