#include "py/objstr.h"
#include "py/objtype.h"
#include "py/runtime.h"

#include "plain.h"

static const mp_obj_type_t *const builtins[] = {
    &mp_type_str, &mp_type_int, &mp_type_float, &mp_type_tuple, &mp_type_list, &mp_type_dict, &mp_type_bytes,
};

static bool is_instance(mp_const_obj_t value)
{
    return mp_obj_is_obj(value)
        && mp_obj_is_instance_type(((const mp_obj_base_t *)MP_OBJ_TO_PTR(value))->type);
}

mp_obj_t nx_plain(mp_const_obj_t value)
{
    if (!is_instance(value))
        return (mp_obj_t)value;
    const mp_obj_instance_t *instance = MP_OBJ_TO_PTR(value);
    for (size_t i = 0; i < MP_ARRAY_SIZE(builtins); i++)
        if (mp_obj_is_subclass_fast(MP_OBJ_FROM_PTR(instance->base.type), MP_OBJ_FROM_PTR(builtins[i])))
            return instance->subobj[0];
    return (mp_obj_t)value;
}

static mp_obj_t own_method(const mp_obj_type_t *type, qstr name)
{
    mp_obj_t method[2];
    mp_load_method_maybe(MP_OBJ_FROM_PTR(type), name, method);
    return method[0];
}

static qstr reflected(mp_binary_op_t op)
{
    switch (op) {
    case MP_BINARY_OP_LESS:
        return MP_QSTR___gt__;
    case MP_BINARY_OP_MORE:
        return MP_QSTR___lt__;
    case MP_BINARY_OP_LESS_EQUAL:
        return MP_QSTR___ge__;
    case MP_BINARY_OP_MORE_EQUAL:
        return MP_QSTR___le__;
    default:
        break;
    }
    if (op >= MP_BINARY_OP_INPLACE_OR && op <= MP_BINARY_OP_INPLACE_POWER)
        op += MP_BINARY_OP_OR - MP_BINARY_OP_INPLACE_OR;
    if (op < MP_BINARY_OP_OR || op > MP_BINARY_OP_POWER)
        return MP_QSTRnull;
    return mp_binary_op_method_name[op + MP_BINARY_OP_REVERSE_OR - MP_BINARY_OP_OR];
}

bool nx_plain_right(mp_binary_op_t op, mp_obj_t left, mp_obj_t *right)
{
    if (!is_instance(*right) || is_instance(left))
        return false;
    mp_obj_t plain = nx_plain(*right);
    bool text = mp_obj_is_str_or_bytes(left);
    if (plain == *right || (op == MP_BINARY_OP_CONTAINS && !text))
        return false;
    if ((op == MP_BINARY_OP_MODULO || op == MP_BINARY_OP_INPLACE_MODULO) && text
        && !mp_obj_is_type(plain, &mp_type_tuple))
        return false;
    qstr name = reflected(op);
    if (name != MP_QSTRnull && own_method(mp_obj_get_type(*right), name) != MP_OBJ_NULL)
        return false;
    *right = plain;
    return true;
}

mp_obj_t nx_missing(mp_obj_t instance, mp_obj_t dict, mp_obj_t key)
{
    if (!mp_obj_is_dict_or_ordereddict(dict) || mp_map_lookup(mp_obj_dict_get_map(dict), key, MP_MAP_LOOKUP))
        return MP_OBJ_NULL;
    mp_obj_t method = own_method(mp_obj_get_type(instance), MP_QSTR___missing__);
    return method == MP_OBJ_NULL ? MP_OBJ_NULL : mp_call_function_2(method, instance, key);
}
