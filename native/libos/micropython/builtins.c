/* Builtins that MicroPython lacks, those behind syntax it lacks (compile_more.h), and CPython's keywords for
 * some it has. */
#include <math.h>
#include <string.h>

#include "py/builtin.h"
#include "py/objint.h"
#include "py/objlist.h"
#include "py/objstr.h"
#include "py/objtype.h"
#include "py/runtime.h"
#include "py/smallint.h"

#include "float_text.h"

static mp_obj_t joined(size_t count, const mp_obj_t *parts)
{
    mp_obj_t list = mp_obj_new_list(0, NULL);
    for (size_t i = 0; i < count; i++) {
        mp_obj_iter_buf_t buffer;
        mp_obj_t iterator = mp_getiter(parts[i], &buffer), item;
        while ((item = mp_iternext(iterator)) != MP_OBJ_STOP_ITERATION)
            mp_obj_list_append(list, item);
    }
    return list;
}
MP_DEFINE_CONST_FUN_OBJ_VAR(nx_star_list_obj, 0, joined);

static mp_obj_t star_tuple(size_t count, const mp_obj_t *parts)
{
    mp_obj_list_t *list = MP_OBJ_TO_PTR(joined(count, parts));
    return mp_obj_new_tuple(list->len, list->items);
}
MP_DEFINE_CONST_FUN_OBJ_VAR(nx_star_tuple_obj, 0, star_tuple);

static mp_obj_t star_set(size_t count, const mp_obj_t *parts)
{
    mp_obj_list_t *list = MP_OBJ_TO_PTR(joined(count, parts));
    return mp_obj_new_set(list->len, list->items);
}
MP_DEFINE_CONST_FUN_OBJ_VAR(nx_star_set_obj, 0, star_set);

static void store_all(mp_obj_t dict, mp_obj_t mapping)
{
    if (mp_obj_is_dict_or_ordereddict(mapping)) {
        const mp_map_t *map = mp_obj_dict_get_map(mapping);
        for (size_t i = 0; i < map->alloc; i++)
            if (mp_map_slot_is_filled(map, i))
                mp_obj_dict_store(dict, map->table[i].key, map->table[i].value);
        return;
    }
    mp_obj_t call[2];
    mp_load_method(mapping, MP_QSTR_keys, call);
    mp_obj_iter_buf_t buffer;
    mp_obj_t iterator = mp_getiter(mp_call_method_n_kw(0, 0, call), &buffer), key;
    while ((key = mp_iternext(iterator)) != MP_OBJ_STOP_ITERATION)
        mp_obj_dict_store(dict, key, mp_obj_subscr(mapping, key, MP_OBJ_SENTINEL));
}

static mp_obj_t star_dict(size_t count, const mp_obj_t *parts)
{
    mp_obj_t dict = mp_obj_new_dict(0);
    for (size_t i = 0; i < count; i++)
        store_all(dict, parts[i]);
    return dict;
}
MP_DEFINE_CONST_FUN_OBJ_VAR(nx_star_dict_obj, 0, star_dict);

/* In a class's body, where the locals are the class's attributes. */
static mp_obj_t star_annotate(mp_obj_t name, mp_obj_t type)
{
    mp_map_t *locals = &mp_locals_get()->map;
    mp_map_elem_t *entry =
        mp_map_lookup(locals, MP_OBJ_NEW_QSTR(MP_QSTR___annotations__), MP_MAP_LOOKUP_ADD_IF_NOT_FOUND);
    if (entry->value == MP_OBJ_NULL)
        entry->value = mp_obj_new_dict(0);
    mp_obj_dict_store(entry->value, name, type);
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_2(nx_star_annotate_obj, star_annotate);

/* vars([object]) */
static mp_obj_t builtin_vars(size_t count, const mp_obj_t *arguments)
{
    if (!count)
        return MP_OBJ_FROM_PTR(mp_locals_get());
    return mp_load_attr(arguments[0], MP_QSTR___dict__);
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(nx_vars_obj, 0, 1, builtin_vars);

/* ascii(object): repr with what is beyond ASCII escaped */
static mp_obj_t builtin_ascii(mp_obj_t object)
{
    vstr_t text, to;
    mp_print_t print, print_to;
    vstr_init_print(&text, 32, &print);
    mp_obj_print_helper(&print, object, PRINT_REPR);
    vstr_init_print(&to, text.len + 16, &print_to);
    for (const byte *at = (const byte *)text.buf, *end = at + text.len; at < end; at = utf8_next_char(at)) {
        unichar c = utf8_get_char(at);
        if (c < 0x80)
            vstr_add_byte(&to, (byte)c);
        else
            mp_printf(&print_to, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)c);
    }
    return mp_obj_new_str_from_utf8_vstr(&to);
}
MP_DEFINE_CONST_FUN_OBJ_1(nx_ascii_obj, builtin_ascii);

/* round(number[, ndigits]): a float to decimal places is rounded as its exact decimal value is */
MP_DECLARE_CONST_FUN_OBJ_VAR_BETWEEN(mp_builtin_round_obj);
static mp_obj_t builtin_round(size_t count, const mp_obj_t *arguments, mp_map_t *keywords)
{
    static const mp_arg_t names[] = {
        {MP_QSTR_number, MP_ARG_REQUIRED | MP_ARG_OBJ, {.u_obj = MP_OBJ_NULL}},
        {MP_QSTR_ndigits, MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
    };
    mp_arg_val_t values[2];
    mp_arg_parse_all(count, arguments, keywords, 2, names, values);
    mp_obj_t all[] = {values[0].u_obj, values[1].u_obj}, call[3];
    size_t given = all[1] == mp_const_none ? 1 : 2;
    if (mp_obj_is_instance_type(mp_obj_get_type(all[0]))) {
        mp_load_method_maybe(all[0], MP_QSTR___round__, call);
        if (call[0] != MP_OBJ_NULL) {
            call[2] = all[1];
            return mp_call_method_n_kw(given - 1, 0, call);
        }
    }
    if (given == 1 || !mp_obj_is_float(all[0]))
        return mp_builtin_round_obj.fun.var(given, all);
    mp_float_t value = mp_obj_get_float(all[0]);
    mp_int_t places = mp_obj_get_int(all[1]);
    if (!isfinite(value) || places > 330 || value == 0)
        return all[0];
    if (places < -310)
        return mp_obj_new_float(copysign(0, value));
    if (places < 0) {
        /* nothing behind the point decides; the digits before it are exact */
        mp_float_t unit = pow(10, (mp_float_t)-places);
        return mp_obj_new_float(nearbyint(value / unit) * unit);
    }
    struct nx_float_style style = {.type = 'f', .precision = (int)places};
    char text[700];
    size_t size = nx_float_text(fabs(value), &style, text);
    return mp_obj_new_float(copysign(nx_float_read(text, size), value));
}
MP_DEFINE_CONST_FUN_OBJ_KW(nx_round_obj, 0, builtin_round);

/* iter(function, last): what calling gives, until it equals `last` */
struct calls {
    mp_obj_base_t base;
    mp_fun_1_t next;
    mp_obj_t function, last;
};

static mp_obj_t next_call(mp_obj_t object)
{
    struct calls *self = MP_OBJ_TO_PTR(object);
    if (self->function == MP_OBJ_NULL)
        return MP_OBJ_STOP_ITERATION;
    mp_obj_t value = mp_call_function_0(self->function);
    if (!mp_obj_equal(value, self->last))
        return value;
    self->function = MP_OBJ_NULL;
    return MP_OBJ_STOP_ITERATION;
}

mp_obj_t nx_calls_until(mp_obj_t function, mp_obj_t last)
{
    struct calls *self = mp_obj_malloc(struct calls, &mp_type_polymorph_iter);
    self->next = next_call, self->function = function, self->last = last;
    return MP_OBJ_FROM_PTR(self);
}

/* The number whose product with `value` leaves 1 when divided by `modulus`. */
static mp_obj_t inverse(mp_obj_t value, mp_obj_t modulus)
{
    mp_obj_t zero = MP_OBJ_NEW_SMALL_INT(0), one = MP_OBJ_NEW_SMALL_INT(1);
    mp_obj_t before = mp_binary_op(MP_BINARY_OP_MODULO, value, modulus), now = modulus, x = one, next = zero;
    while (mp_obj_is_true(now)) {
        mp_obj_t times = mp_binary_op(MP_BINARY_OP_FLOOR_DIVIDE, before, now), held = now;
        now = mp_binary_op(MP_BINARY_OP_SUBTRACT, before, mp_binary_op(MP_BINARY_OP_MULTIPLY, times, now));
        before = held, held = next;
        next = mp_binary_op(MP_BINARY_OP_SUBTRACT, x, mp_binary_op(MP_BINARY_OP_MULTIPLY, times, next));
        x = held;
    }
    if (!mp_obj_equal(before, one))
        mp_raise_ValueError(MP_ERROR_TEXT("base is not invertible for the given modulus"));
    return mp_binary_op(MP_BINARY_OP_MODULO, x, modulus);
}

/* pow(base, exponent, modulus) */
mp_obj_t nx_pow3(const mp_obj_t *arguments)
{
    mp_obj_t base = arguments[0], exponent = arguments[1], modulus = arguments[2], method[4];
    if (mp_obj_is_instance_type(mp_obj_get_type(base))) {
        mp_load_method_maybe(base, MP_QSTR___pow__, method);
        if (method[0] != MP_OBJ_NULL) {
            method[2] = exponent, method[3] = modulus;
            return mp_call_method_n_kw(2, 0, method);
        }
    }
    if (modulus == mp_const_none)
        return mp_binary_op(MP_BINARY_OP_POWER, base, exponent);
    mp_obj_t zero = MP_OBJ_NEW_SMALL_INT(0);
    if (mp_obj_is_bool(base))
        base = mp_unary_op(MP_UNARY_OP_POSITIVE, base);
    if (mp_obj_is_bool(exponent))
        exponent = mp_unary_op(MP_UNARY_OP_POSITIVE, exponent);
    if (!mp_obj_is_int(base) || !mp_obj_is_int(exponent) || !mp_obj_is_int(modulus))
        mp_raise_TypeError(MP_ERROR_TEXT("pow() 3rd argument not allowed unless all arguments are integers"));
    if (!mp_obj_is_true(modulus))
        mp_raise_ValueError(MP_ERROR_TEXT("pow() 3rd argument cannot be 0"));
    mp_obj_t size = modulus;
    if (mp_obj_is_true(mp_binary_op(MP_BINARY_OP_LESS, modulus, zero)))
        size = mp_unary_op(MP_UNARY_OP_NEGATIVE, modulus);
    if (mp_obj_is_true(mp_binary_op(MP_BINARY_OP_LESS, exponent, zero))) {
        base = inverse(base, size);
        exponent = mp_unary_op(MP_UNARY_OP_NEGATIVE, exponent);
    }
    base = mp_binary_op(MP_BINARY_OP_MODULO, base, size);
    return mp_binary_op(MP_BINARY_OP_MODULO, mp_obj_int_pow3(base, exponent, size), modulus);
}
