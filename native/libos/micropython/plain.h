/* Instances of classes that derive from a builtin type, where that type's own value is wanted. */
#ifndef NX_PLAIN_H
#define NX_PLAIN_H

#include "py/obj.h"

/* The str, int, float, bytes, list, tuple or dict inside such an instance; anything else is given back. */
mp_obj_t nx_plain(mp_const_obj_t value);

/* Makes `*right` plain where the builtin `left` should see it so for `op`; whether it did. Not where the
 * class has the reflected method of its own. */
bool nx_plain_right(mp_binary_op_t op, mp_obj_t left, mp_obj_t *right);

/* d[key] of an instance of a class derived from dict, when `dict` has no such key: what its __missing__ gives,
 * or MP_OBJ_NULL. */
mp_obj_t nx_missing(mp_obj_t instance, mp_obj_t dict, mp_obj_t key);

#endif
