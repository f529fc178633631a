#ifndef NX_SLICES_H
#define NX_SLICES_H

#include "py/obj.h"

/* self[start:stop:step] of str, bytes, bytearray and tuple, for any step. Raises NotImplementedError for
 * others. */
mp_obj_t nx_slice_by_step(mp_obj_t self, mp_obj_t index);

/* A multiple of eight bytes from `at` on that are all ASCII. */
size_t nx_ascii_prefix(const byte *at, size_t size);

/* Characters in UTF-8. */
size_t nx_count_chars(const byte *at, size_t size);

#endif
