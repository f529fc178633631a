/* str.format, format() and f-strings: replacement fields and format specifications as CPython has them. */
#ifndef NX_FORMAT_H
#define NX_FORMAT_H

#include "py/obj.h"

/* `text`.format(*arguments, **names); `names` is a dict, any object with __getitem__, or MP_OBJ_NULL. */
mp_obj_t nx_format(mp_obj_t text, size_t count, const mp_obj_t *arguments, mp_obj_t names);

/* Adds format(value, specification) to `to`. Raises ValueError or TypeError in CPython's words. */
void nx_format_value(vstr_t *to, mp_obj_t value, const char *specification, size_t size);

#endif
