/* What edits.toml puts into the types int and float. */
#ifndef NX_NUMBER_METHODS_H
#define NX_NUMBER_METHODS_H

#include "py/obj.h"

MP_DECLARE_CONST_FUN_OBJ_1(nx_int_bit_length_obj);
MP_DECLARE_CONST_FUN_OBJ_1(nx_int_bit_count_obj);
MP_DECLARE_CONST_FUN_OBJ_1(nx_int_as_integer_ratio_obj);
MP_DECLARE_CONST_FUN_OBJ_1(nx_int_is_integer_obj);
MP_DECLARE_CONST_FUN_OBJ_1(nx_number_itself_obj);
extern const mp_obj_dict_t nx_float_locals;

#define NX_INT_ENTRIES \
    {MP_ROM_QSTR(MP_QSTR_bit_length), MP_ROM_PTR(&nx_int_bit_length_obj)}, \
    {MP_ROM_QSTR(MP_QSTR_bit_count), MP_ROM_PTR(&nx_int_bit_count_obj)}, \
    {MP_ROM_QSTR(MP_QSTR_as_integer_ratio), MP_ROM_PTR(&nx_int_as_integer_ratio_obj)}, \
    {MP_ROM_QSTR(MP_QSTR_is_integer), MP_ROM_PTR(&nx_int_is_integer_obj)}, \
    {MP_ROM_QSTR(MP_QSTR_conjugate), MP_ROM_PTR(&nx_number_itself_obj)},

/* The types' attr slot. */
void nx_number_attr(mp_obj_t self, qstr name, mp_obj_t *to);

#endif
