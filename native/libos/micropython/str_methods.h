/* Methods of str beyond MicroPython's own; put into its table by edits.toml. Not for bytes. */
#ifndef NX_STR_METHODS_H
#define NX_STR_METHODS_H

#include "py/obj.h"

#define NX_STR_METHODS(X) \
    X(capitalize, 1) X(casefold, 1) X(expandtabs, var) X(format_map, 2) X(isalnum, 1) X(isascii, 1) \
    X(isdecimal, 1) X(isidentifier, 1) X(isnumeric, 1) X(isprintable, 1) X(istitle, 1) X(ljust, var) \
    X(removeprefix, 2) X(removesuffix, 2) X(rjust, var) X(swapcase, 1) X(title, 1) \
    X(translate, 2) X(zfill, 2)
#define NX_STR_METHOD_COUNT 19 /* and maketrans */

/* These take the place of MicroPython's, which know ASCII, or no keywords, only. */
extern const mp_obj_fun_builtin_var_t nx_str_center_obj, nx_str_split_obj, nx_str_rsplit_obj;
extern const mp_obj_fun_builtin_fixed_t nx_str_lower_obj, nx_str_upper_obj;
extern const mp_obj_fun_builtin_fixed_t nx_str_isalpha_obj, nx_str_islower_obj, nx_str_isupper_obj;
#define NX_STR(name) nx_str_##name##_obj

#define nx_str_type_1 mp_obj_fun_builtin_fixed_t
#define nx_str_type_2 mp_obj_fun_builtin_fixed_t
#define nx_str_type_var mp_obj_fun_builtin_var_t
#define NX_STR_DECLARE_AS(name, type) extern const type nx_str_##name##_obj;
#define NX_STR_DECLARE(name, kind) NX_STR_DECLARE_AS(name, nx_str_type_##kind)
NX_STR_METHODS(NX_STR_DECLARE)

extern const mp_rom_obj_static_class_method_t nx_str_maketrans_obj;

#define NX_STR_MAKETRANS {MP_ROM_QSTR(MP_QSTR_maketrans), MP_ROM_PTR(&nx_str_maketrans_obj)},
#define NX_STR_ENTRY(name, kind) {MP_ROM_QSTR(MP_QSTR_##name), MP_ROM_PTR(&nx_str_##name##_obj)},

#endif
