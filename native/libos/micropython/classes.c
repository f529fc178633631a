/* What classes of CPython do that MicroPython's do not, as far as libraries and their users notice:
 *
 *   class C(Base, key=value)   calls Base.__init_subclass__; metaclass=ABCMeta is taken and means nothing
 *   __set_name__               is called for what a class body made
 *   C[...]                     is C.__class_getitem__(...), and for builtin types the type itself
 *   iter(C), len(C)            are C.__class_iter__() and C.__class_len__(), which is how enumerations are made
 *   int | str                  is a tuple of types, which isinstance takes
 *
 * Metaclasses of one's own do not exist. */
#include "py/objtype.h"
#include "py/runtime.h"

#include "guest.h"

static mp_obj_t class_call(mp_obj_t type, qstr name, size_t count, mp_obj_t argument)
{
    mp_obj_t method[3];
    mp_load_method_maybe(type, name, method);
    if (method[0] == MP_OBJ_NULL)
        return MP_OBJ_NULL;
    if (method[1] == MP_OBJ_NULL)
        method[1] = type;
    method[2] = argument;
    return mp_call_method_n_kw(count, 0, method);
}

mp_obj_t nx_type_subscr(mp_obj_t self, mp_obj_t index, mp_obj_t value)
{
    if (value != MP_OBJ_SENTINEL)
        return MP_OBJ_NULL;
    mp_obj_t result = class_call(self, MP_QSTR___class_getitem__, 1, index);
    if (result != MP_OBJ_NULL)
        return result;
    const mp_obj_type_t *type = MP_OBJ_TO_PTR(self);
    return mp_obj_is_instance_type(type) ? MP_OBJ_NULL : self;
}

mp_obj_t nx_type_getiter(mp_obj_t self, mp_obj_iter_buf_t *buffer)
{
    mp_obj_t result = class_call(self, MP_QSTR___class_iter__, 0, MP_OBJ_NULL);
    if (result == MP_OBJ_NULL)
        mp_raise_msg_varg(&mp_type_TypeError, MP_ERROR_TEXT("'type' object is not iterable"));
    return mp_getiter(result, buffer);
}

mp_obj_t nx_type_unary(mp_unary_op_t op, mp_obj_t self)
{
    if (op == MP_UNARY_OP_BOOL)
        return mp_const_true;
    if (op == MP_UNARY_OP_HASH)
        return MP_OBJ_NEW_SMALL_INT((mp_int_t)((uintptr_t)self >> 3));
    return op == MP_UNARY_OP_LEN ? class_call(self, MP_QSTR___class_len__, 0, MP_OBJ_NULL) : MP_OBJ_NULL;
}

mp_obj_t nx_type_binary(mp_binary_op_t op, mp_obj_t left, mp_obj_t right)
{
    if (op != MP_BINARY_OP_OR)
        return MP_OBJ_NULL;
    mp_obj_t both[2] = {left, right == mp_const_none ? MP_OBJ_FROM_PTR(mp_obj_get_type(right)) : right};
    return mp_obj_new_tuple(2, both);
}

static void name_members(mp_obj_t type, mp_obj_t members)
{
    mp_map_t *map = mp_obj_dict_get_map(members);
    for (size_t i = 0; i < map->alloc; i++) {
        if (!mp_map_slot_is_filled(map, i) || !mp_obj_is_instance_type(mp_obj_get_type(map->table[i].value)))
            continue;
        mp_obj_t method[4];
        mp_load_method_maybe(map->table[i].value, MP_QSTR___set_name__, method);
        if (method[0] == MP_OBJ_NULL)
            continue;
        size_t first = method[1] == MP_OBJ_NULL ? 1 : 2;
        method[first] = type;
        method[first + 1] = map->table[i].key;
        mp_call_function_n_kw(method[0], first + 1, 0, method + 1);
    }
}

void nx_class_made(mp_obj_t type, size_t base_count, const mp_obj_t *bases, mp_obj_t members, mp_map_t *keywords)
{
    name_members(type, members);
    for (size_t i = 0; i < base_count; i++) {
        mp_obj_t method[2];
        mp_load_method_maybe(bases[i], MP_QSTR___init_subclass__, method);
        if (method[0] == MP_OBJ_NULL)
            continue;
        size_t count = 0;
        mp_obj_t *arguments = m_new(mp_obj_t, 1 + 2 * keywords->used);
        arguments[0] = type;
        for (size_t k = 0; k < keywords->alloc; k++)
            if (mp_map_slot_is_filled(keywords, k) && keywords->table[k].key != MP_OBJ_NEW_QSTR(MP_QSTR_metaclass)) {
                arguments[1 + 2 * count] = keywords->table[k].key;
                arguments[2 + 2 * count++] = keywords->table[k].value;
            }
        mp_call_function_n_kw(method[0], 1, count, arguments);
        return;
    }
}
