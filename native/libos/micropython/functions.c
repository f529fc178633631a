/* Attributes of functions. MicroPython's have a name and nothing else; here a function may be given any, kept in
 * one table by function, and has __doc__, __module__ and __qualname__ (its name: what encloses it is not known).
 * A function that was given attributes stays in memory. */
#include "py/objfun.h"
#include "py/runtime.h"

#include "functions.h"

MP_REGISTER_ROOT_POINTER(mp_obj_t nx_function_attributes);

static mp_obj_t attributes_of(mp_obj_t function, mp_map_lookup_kind_t kind)
{
    mp_obj_t all = MP_STATE_VM(nx_function_attributes);
    if (all == MP_OBJ_NULL) {
        if (kind == MP_MAP_LOOKUP)
            return MP_OBJ_NULL;
        all = MP_STATE_VM(nx_function_attributes) = mp_obj_new_dict(0);
    }
    mp_map_elem_t *entry = mp_map_lookup(mp_obj_dict_get_map(all), function, kind);
    if (entry && entry->value == MP_OBJ_NULL)
        entry->value = mp_obj_new_dict(0);
    return entry ? entry->value : MP_OBJ_NULL;
}

static mp_obj_t default_of(mp_obj_t function, qstr name)
{
    const mp_obj_fun_bc_t *self = MP_OBJ_TO_PTR(function);
    mp_map_elem_t *module;
    switch (name) {
    case MP_QSTR___doc__:
        return mp_const_none;
    case MP_QSTR___qualname__:
        return MP_OBJ_NEW_QSTR(mp_obj_fun_get_name(function));
    case MP_QSTR___module__:
        module =
            mp_map_lookup(&self->context->module.globals->map, MP_OBJ_NEW_QSTR(MP_QSTR___name__), MP_MAP_LOOKUP);
        return module ? module->value : MP_OBJ_NULL;
    default:
        return MP_OBJ_NULL;
    }
}

bool nx_function_attr(mp_obj_t function, qstr name, mp_obj_t *dest, bool plain)
{
    mp_obj_t key = MP_OBJ_NEW_QSTR(name);
    if (dest[0] == MP_OBJ_NULL) {
        if (name == MP_QSTR___dict__) {
            dest[0] = attributes_of(function, MP_MAP_LOOKUP_ADD_IF_NOT_FOUND);
            return true;
        }
        mp_obj_t own = attributes_of(function, MP_MAP_LOOKUP);
        mp_map_elem_t *entry =
            own == MP_OBJ_NULL ? NULL : mp_map_lookup(mp_obj_dict_get_map(own), key, MP_MAP_LOOKUP);
        dest[0] = entry ? entry->value : plain ? default_of(function, name) : MP_OBJ_NULL;
        return dest[0] != MP_OBJ_NULL;
    }
    mp_map_t *own = mp_obj_dict_get_map(attributes_of(function, MP_MAP_LOOKUP_ADD_IF_NOT_FOUND));
    if (dest[1] != MP_OBJ_NULL)
        mp_map_lookup(own, key, MP_MAP_LOOKUP_ADD_IF_NOT_FOUND)->value = dest[1];
    else if (!mp_map_lookup(own, key, MP_MAP_LOOKUP_REMOVE_IF_FOUND))
        return true;
    dest[0] = MP_OBJ_NULL;
    return true;
}

/* What the compiler calls for a function that begins with a text; gives the function. */
static mp_obj_t star_document(mp_obj_t function, mp_obj_t text)
{
    mp_store_attr(function, MP_QSTR___doc__, text);
    return function;
}
MP_DEFINE_CONST_FUN_OBJ_2(nx_star_document_obj, star_document);
