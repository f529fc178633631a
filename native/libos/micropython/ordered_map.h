/* What ordered maps can do beyond py/obj.h. */
#ifndef NX_ORDERED_MAP_H
#define NX_ORDERED_MAP_H

#include "py/obj.h"

/* The slot of the entry added last. The map is not empty. */
size_t nx_map_last(mp_map_t *map);

#endif
