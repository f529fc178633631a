#ifndef NX_FUNCTIONS_H
#define NX_FUNCTIONS_H

#include "py/obj.h"

/* A type's `attr` for functions and closures: whether it was done here. `plain`: a function, not a closure. */
bool nx_function_attr(mp_obj_t function, qstr name, mp_obj_t *dest, bool plain);

#endif
