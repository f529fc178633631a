/* Methods and attributes of int and float that CPython has; put into MicroPython's tables by edits.toml. */
#include <math.h>
#include <string.h>

#include "py/mpz.h"
#include "py/objint.h"
#include "py/objstr.h"
#include "py/runtime.h"

#include "number_methods.h"

static mp_obj_t magnitude(mp_obj_t value)
{
    return mp_unary_op(MP_UNARY_OP_ABS, value);
}

static mp_obj_t int_bit_length(mp_obj_t self)
{
    if (mp_obj_is_small_int(self)) {
        mp_int_t value = MP_OBJ_SMALL_INT_VALUE(self);
        mp_uint_t size = value < 0 ? -(mp_uint_t)value : (mp_uint_t)value;
        return MP_OBJ_NEW_SMALL_INT(size ? 64 - __builtin_clzl(size) : 0);
    }
    const mp_obj_int_t *number = MP_OBJ_TO_PTR(magnitude(self));
    if (mp_obj_is_small_int(MP_OBJ_FROM_PTR(number)))
        return int_bit_length(MP_OBJ_FROM_PTR(number));
    size_t last = number->mpz.len - 1;
    return MP_OBJ_NEW_SMALL_INT(last * MPZ_DIG_SIZE + 64 - __builtin_clzl(number->mpz.dig[last]));
}
MP_DEFINE_CONST_FUN_OBJ_1(nx_int_bit_length_obj, int_bit_length);

_Static_assert(MPZ_DIG_SIZE == 32, "digits are taken two at a time");

/* The nearest double: the highest 64 bits, with their lowest telling whether anything lies below them. */
mp_float_t nx_mpz_as_float(const mpz_t *number)
{
    size_t count = number->len;
    if (!count)
        return 0;
    unsigned zeros = 32u - (64u - (unsigned)__builtin_clzl(number->dig[count - 1]));
    uint64_t top = 0;
    for (size_t i = 0; i < 3; i++) { /* up to 96 bits, cut to 64 */
        uint64_t digit = i < count ? number->dig[count - 1 - i] : 0;
        if (i < 2)
            top = top << 32 | digit;
        else if (zeros)
            top = top << zeros | digit >> (32 - zeros);
        if (i == 2 && (digit << zeros & 0xffffffffu))
            top |= 1;
    }
    for (size_t i = 3; i < count; i++)
        top |= number->dig[count - 1 - i] != 0;
    mp_float_t value = ldexp((mp_float_t)top, (int)(32 * count - zeros) - 64);
    return number->neg ? -value : value;
}

static mp_obj_t int_bit_length(mp_obj_t self);

/* left / right of ints, right not 0: a whole quotient of 66 bits or more, its last telling of a remainder. */
mp_float_t nx_int_quotient(mp_obj_t left, mp_obj_t right)
{
    mp_obj_t above = magnitude(left), below = magnitude(right), zero = MP_OBJ_NEW_SMALL_INT(0);
    bool negative =
        mp_binary_op(MP_BINARY_OP_LESS, left, zero) != mp_binary_op(MP_BINARY_OP_LESS, right, zero);
    mp_int_t shift =
        66 - MP_OBJ_SMALL_INT_VALUE(int_bit_length(above)) + MP_OBJ_SMALL_INT_VALUE(int_bit_length(below));
    if (shift > 0)
        above = mp_binary_op(MP_BINARY_OP_LSHIFT, above, MP_OBJ_NEW_SMALL_INT(shift));
    else
        shift = 0;
    mp_obj_t whole = mp_binary_op(MP_BINARY_OP_FLOOR_DIVIDE, above, below);
    if (mp_obj_is_true(mp_binary_op(MP_BINARY_OP_MODULO, above, below)))
        whole = mp_binary_op(MP_BINARY_OP_OR, whole, MP_OBJ_NEW_SMALL_INT(1));
    mp_float_t value = ldexp(mp_obj_get_float(whole), (int)-shift);
    return negative ? -value : value;
}

static mp_obj_t int_bit_count(mp_obj_t self)
{
    if (mp_obj_is_small_int(self)) {
        mp_int_t value = MP_OBJ_SMALL_INT_VALUE(self);
        return MP_OBJ_NEW_SMALL_INT(__builtin_popcountl(value < 0 ? -(mp_uint_t)value : (mp_uint_t)value));
    }
    const mp_obj_int_t *number = MP_OBJ_TO_PTR(self);
    mp_int_t count = 0;
    for (size_t i = 0; i < number->mpz.len; i++)
        count += __builtin_popcountl(number->mpz.dig[i]);
    return MP_OBJ_NEW_SMALL_INT(count);
}
MP_DEFINE_CONST_FUN_OBJ_1(nx_int_bit_count_obj, int_bit_count);

static mp_obj_t itself(mp_obj_t self)
{
    return self;
}
MP_DEFINE_CONST_FUN_OBJ_1(nx_number_itself_obj, itself);

static mp_obj_t int_as_integer_ratio(mp_obj_t self)
{
    mp_obj_t pair[] = {self, MP_OBJ_NEW_SMALL_INT(1)};
    return mp_obj_new_tuple(2, pair);
}
MP_DEFINE_CONST_FUN_OBJ_1(nx_int_as_integer_ratio_obj, int_as_integer_ratio);

static mp_obj_t int_is_integer(mp_obj_t self)
{
    (void)self;
    return mp_const_true;
}
MP_DEFINE_CONST_FUN_OBJ_1(nx_int_is_integer_obj, int_is_integer);

static mp_obj_t float_is_integer(mp_obj_t self)
{
    mp_float_t value = mp_obj_get_float(self);
    return mp_obj_new_bool(isfinite(value) && floor(value) == value);
}
MP_DEFINE_CONST_FUN_OBJ_1(nx_float_is_integer_obj, float_is_integer);

static mp_obj_t float_as_integer_ratio(mp_obj_t self)
{
    mp_float_t value = mp_obj_get_float(self);
    if (isnan(value))
        mp_raise_ValueError(MP_ERROR_TEXT("cannot convert NaN to integer ratio"));
    if (isinf(value))
        mp_raise_msg(&mp_type_OverflowError, MP_ERROR_TEXT("cannot convert Infinity to integer ratio"));
    int exponent;
    mp_float_t fraction = frexp(value, &exponent);
    for (int i = 0; i < 300 && fraction != floor(fraction); i++) {
        fraction *= 2;
        exponent--;
    }
    mp_obj_t pair[] = {mp_obj_new_int_from_float(fraction), MP_OBJ_NEW_SMALL_INT(1)};
    mp_obj_t shift = MP_OBJ_NEW_SMALL_INT(exponent < 0 ? -exponent : exponent);
    pair[exponent < 0] = mp_binary_op(MP_BINARY_OP_LSHIFT, pair[exponent < 0], shift);
    return mp_obj_new_tuple(2, pair);
}
MP_DEFINE_CONST_FUN_OBJ_1(nx_float_as_integer_ratio_obj, float_as_integer_ratio);

/* hex(): 0x1.8p+0 */
static mp_obj_t float_hex(mp_obj_t self)
{
    mp_float_t value = mp_obj_get_float(self);
    vstr_t text;
    mp_print_t print;
    vstr_init_print(&text, 32, &print);
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (!isfinite(value)) {
        mp_obj_print_helper(&print, self, PRINT_REPR);
        return mp_obj_new_str_from_utf8_vstr(&text);
    }
    int exponent = (int)(bits >> 52 & 0x7ff);
    uint64_t fraction = bits & 0xfffffffffffffu;
    vstr_add_str(&text, bits >> 63 ? "-0x" : "0x");
    vstr_add_byte(&text, exponent ? '1' : '0');
    vstr_add_byte(&text, '.');
    if (!exponent && !fraction)
        vstr_add_byte(&text, '0');
    else
        for (int i = 12; i >= 0; i--)
            vstr_add_byte(&text, (byte) "0123456789abcdef"[fraction >> 4 * i & 15]);
    exponent = exponent ? exponent - 1023 : fraction ? -1022 : 0;
    mp_printf(&print, exponent < 0 ? "p-%d" : "p+%d", exponent < 0 ? -exponent : exponent);
    return mp_obj_new_str_from_utf8_vstr(&text);
}
MP_DEFINE_CONST_FUN_OBJ_1(nx_float_hex_obj, float_hex);

/* fromhex("0x1.8p+0") */
static mp_obj_t float_fromhex(mp_obj_t text_in)
{
    const char *text = mp_obj_str_get_str(text_in);
    mp_float_t value = 0;
    int exponent = 0, point = 0, digits = 0;
    while (unichar_isspace((unsigned char)*text))
        text++;
    bool negative = *text == '-';
    text += *text == '-' || *text == '+';
    if (text[0] == '0' && (text[1] | 0x20) == 'x')
        text += 2;
    for (; unichar_isxdigit((unsigned char)*text) || (*text == '.' && !point); text++) {
        if (*text == '.') {
            point = 1;
            continue;
        }
        value = value * 16 + (mp_float_t)unichar_xdigit_value((unsigned char)*text);
        exponent -= point * 4;
        digits++;
    }
    if ((*text | 0x20) == 'p') {
        bool below = *++text == '-';
        int power = 0;
        text += *text == '-' || *text == '+';
        for (; *text >= '0' && *text <= '9' && power < 100000; text++)
            power = 10 * power + (*text - '0');
        exponent += below ? -power : power;
    }
    if (!digits || *text)
        mp_raise_ValueError(MP_ERROR_TEXT("invalid hexadecimal floating-point string"));
    value = ldexp(value, exponent);
    return mp_obj_new_float(negative ? -value : value);
}
static MP_DEFINE_CONST_FUN_OBJ_1(fromhex_function, float_fromhex);
const mp_rom_obj_static_class_method_t nx_float_fromhex_obj = {
    {&mp_type_staticmethod}, MP_ROM_PTR(&fromhex_function)};

/* real, imag, numerator, denominator: attributes, not methods */
void nx_number_attr(mp_obj_t self, qstr name, mp_obj_t *to)
{
    if (to[0] != MP_OBJ_NULL)
        return;
    bool whole = mp_obj_is_int(self);
    if (name == MP_QSTR_real || (whole && name == MP_QSTR_numerator))
        to[0] = self;
    else if (name == MP_QSTR_imag)
        to[0] = whole ? MP_OBJ_NEW_SMALL_INT(0) : mp_obj_new_float(0);
    else if (whole && name == MP_QSTR_denominator)
        to[0] = MP_OBJ_NEW_SMALL_INT(1);
    else
        to[1] = MP_OBJ_SENTINEL; /* look among the methods */
}

static const mp_rom_map_elem_t float_table[] = {
    {MP_ROM_QSTR(MP_QSTR_is_integer), MP_ROM_PTR(&nx_float_is_integer_obj)},
    {MP_ROM_QSTR(MP_QSTR_as_integer_ratio), MP_ROM_PTR(&nx_float_as_integer_ratio_obj)},
    {MP_ROM_QSTR(MP_QSTR_hex), MP_ROM_PTR(&nx_float_hex_obj)},
    {MP_ROM_QSTR(MP_QSTR_fromhex), MP_ROM_PTR(&nx_float_fromhex_obj)},
    {MP_ROM_QSTR(MP_QSTR_conjugate), MP_ROM_PTR(&nx_number_itself_obj)},
};
MP_DEFINE_CONST_DICT(nx_float_locals, float_table);
