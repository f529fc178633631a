/* The order in which a class and those it derives from are searched (C3, as in CPython). */
#ifndef NX_MRO_H
#define NX_MRO_H

#include "py/objtuple.h"

/* The class itself first, without object. Raises TypeError where there is no consistent order. */
mp_obj_tuple_t *nx_mro(const mp_obj_type_t *type);

/* Where super(`from`, instance of `type`) has to look by that order, because a class with several bases comes
 * between the two: the number of the class after `from` in *order; 0 where following `from`'s own base does. */
size_t nx_mro_after(const mp_obj_type_t *type, const mp_obj_type_t *from, mp_obj_tuple_t **order);

#endif
