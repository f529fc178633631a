/* What CPython's str can do and MicroPython's cannot. Everything counts in characters, not bytes. */
#include "str_methods.h"

#include <string.h>

#include "py/objstr.h"
#include "py/runtime.h"
#include "py/unicode.h"

#include "format.h"
#include "letters.h"

struct text {
    const byte *at, *end;
};

static struct text text_of(mp_obj_t value)
{
    size_t size;
    const char *at = mp_obj_str_get_data(value, &size);
    return (struct text){(const byte *)at, (const byte *)at + size};
}

static size_t length_of(struct text text)
{
    return utf8_charlen(text.at, (size_t)(text.end - text.at));
}

enum { LOWER, UPPER, SWAP, CAPITAL, TITLE };

/* A sigma at a word's end has a form of its own. */
static unichar small(unichar c, bool after_letter, struct text text)
{
    const byte *next = utf8_next_char(text.at);
    bool inside = next < text.end && nx_is_letter(utf8_get_char(next));
    return c == 0x3a3 && after_letter && !inside ? 0x3c2 : nx_to_lower(c);
}

/* One pass for all changes of case: `first` says whether a word begins here. */
static mp_obj_t change_case(mp_obj_t self, int kind)
{
    struct text text = text_of(self);
    vstr_t to;
    vstr_init(&to, (size_t)(text.end - text.at) + 1);
    bool first = true, after_letter = false;
    for (; text.at < text.end; text.at = utf8_next_char(text.at)) {
        unichar c = utf8_get_char(text.at);
        bool up = kind == UPPER || (kind == SWAP ? nx_is_lower(c) : kind != LOWER && first);
        if (up && c == 0xdf)
            vstr_add_str(&to, kind == TITLE || kind == CAPITAL ? "Ss" : "SS");
        else
            vstr_add_char(&to, up ? nx_to_upper(c) : small(c, after_letter, text));
        after_letter = nx_is_letter(c);
        first = kind == TITLE ? !nx_is_letter(c) : false;
    }
    return mp_obj_new_str_from_utf8_vstr(&to);
}

#define NX_CASE(name, kind) \
    static mp_obj_t str_##name(mp_obj_t self) \
    { \
        return change_case(self, kind); \
    } \
    MP_DEFINE_CONST_FUN_OBJ_1(nx_str_##name##_obj, str_##name);

/* Methods that bytes have too: those of bytes stay MicroPython's. */
#define NX_BOTH(name, ours) \
    MP_DECLARE_CONST_FUN_OBJ_1(str_##name##_obj); \
    static mp_obj_t str_##name(mp_obj_t self) \
    { \
        return mp_obj_is_str(self) ? (ours) : str_##name##_obj.fun._1(self); \
    } \
    MP_DEFINE_CONST_FUN_OBJ_1(nx_str_##name##_obj, str_##name);

NX_BOTH(lower, change_case(self, LOWER))
NX_BOTH(upper, change_case(self, UPPER))
NX_CASE(swapcase, SWAP)
NX_CASE(capitalize, CAPITAL)
NX_CASE(title, TITLE)

static mp_obj_t str_casefold(mp_obj_t self)
{
    struct text text = text_of(self);
    vstr_t to;
    vstr_init(&to, (size_t)(text.end - text.at) + 1);
    for (; text.at < text.end; text.at = utf8_next_char(text.at)) {
        unichar c = utf8_get_char(text.at);
        if (c == 0xdf)
            vstr_add_str(&to, "ss");
        else
            vstr_add_char(&to, c == 0x3c2 ? 0x3c3 : nx_to_lower(c));
    }
    return mp_obj_new_str_from_utf8_vstr(&to);
}
MP_DEFINE_CONST_FUN_OBJ_1(nx_str_casefold_obj, str_casefold);

static bool is_digit(unichar c)
{
    return c < 128 && unichar_isdigit(c);
}

static bool is_word(unichar c)
{
    return nx_is_letter(c) || is_digit(c);
}

static bool is_printable(unichar c)
{
    return c >= 32 && c != 127 && !(c >= 0x80 && c < 0xa1) && c != 0xad && c != 0x2028 && c != 0x2029;
}

static mp_obj_t all_are(mp_obj_t self, bool (*is)(unichar), bool empty)
{
    struct text text = text_of(self);
    if (text.at == text.end)
        return mp_obj_new_bool(empty);
    for (; text.at < text.end; text.at = utf8_next_char(text.at))
        if (!is(utf8_get_char(text.at)))
            return mp_const_false;
    return mp_const_true;
}

static bool is_ascii(unichar c)
{
    return c < 128;
}

/* At least one letter of the one case and none of the other. */
static mp_obj_t one_case(mp_obj_t self, bool (*is)(unichar), bool (*is_other)(unichar))
{
    struct text text = text_of(self);
    bool any = false;
    for (; text.at < text.end; text.at = utf8_next_char(text.at)) {
        unichar c = utf8_get_char(text.at);
        if (is_other(c))
            return mp_const_false;
        any |= is(c);
    }
    return mp_obj_new_bool(any);
}

#define NX_ALL(name, is, empty) \
    static mp_obj_t str_##name(mp_obj_t self) \
    { \
        return all_are(self, is, empty); \
    } \
    MP_DEFINE_CONST_FUN_OBJ_1(nx_str_##name##_obj, str_##name);
NX_BOTH(isalpha, all_are(self, nx_is_letter, false))
NX_BOTH(islower, one_case(self, nx_is_lower, nx_is_upper))
NX_BOTH(isupper, one_case(self, nx_is_upper, nx_is_lower))
NX_ALL(isalnum, is_word, false)
NX_ALL(isascii, is_ascii, true)
NX_ALL(isdecimal, is_digit, false)
NX_ALL(isnumeric, is_digit, false)
NX_ALL(isprintable, is_printable, true)

static mp_obj_t str_isidentifier(mp_obj_t self)
{
    struct text text = text_of(self);
    if (text.at == text.end || is_digit(utf8_get_char(text.at)))
        return mp_const_false;
    for (; text.at < text.end; text.at = utf8_next_char(text.at))
        if (!is_word(utf8_get_char(text.at)) && *text.at != '_')
            return mp_const_false;
    return mp_const_true;
}
MP_DEFINE_CONST_FUN_OBJ_1(nx_str_isidentifier_obj, str_isidentifier);

static mp_obj_t str_istitle(mp_obj_t self)
{
    struct text text = text_of(self);
    bool inside = false, any = false;
    for (; text.at < text.end; text.at = utf8_next_char(text.at)) {
        unichar c = utf8_get_char(text.at);
        if ((nx_is_upper(c) && inside) || (nx_is_lower(c) && !inside))
            return mp_const_false;
        inside = nx_is_upper(c) || nx_is_lower(c);
        any |= inside;
    }
    return mp_obj_new_bool(any);
}
MP_DEFINE_CONST_FUN_OBJ_1(nx_str_istitle_obj, str_istitle);

/* `left` and `right` copies of the fill character around the text. */
static mp_obj_t padded(mp_obj_t self, mp_int_t left, mp_int_t right, size_t count, const mp_obj_t *arguments)
{
    struct text text = text_of(self), fill = {(const byte *)" ", (const byte *)" " + 1};
    if (count > 2)
        fill = text_of(arguments[2]);
    if (length_of(fill) != 1)
        mp_raise_TypeError(MP_ERROR_TEXT("The fill character must be exactly one character long"));
    if (left <= 0 && right <= 0)
        return self;
    vstr_t to;
    vstr_init(&to, (size_t)(text.end - text.at) + (size_t)(left + right) * (size_t)(fill.end - fill.at) + 1);
    for (; left > 0; left--)
        vstr_add_strn(&to, (const char *)fill.at, (size_t)(fill.end - fill.at));
    vstr_add_strn(&to, (const char *)text.at, (size_t)(text.end - text.at));
    for (; right > 0; right--)
        vstr_add_strn(&to, (const char *)fill.at, (size_t)(fill.end - fill.at));
    return mp_obj_new_str_from_utf8_vstr(&to);
}

static mp_int_t missing(const mp_obj_t *arguments)
{
    mp_int_t width = mp_obj_get_int(arguments[1]) - (mp_int_t)length_of(text_of(arguments[0]));
    return width > 0 ? width : 0;
}

static mp_obj_t str_ljust(size_t count, const mp_obj_t *arguments)
{
    return padded(arguments[0], 0, missing(arguments), count, arguments);
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(nx_str_ljust_obj, 2, 3, str_ljust);

static mp_obj_t str_rjust(size_t count, const mp_obj_t *arguments)
{
    return padded(arguments[0], missing(arguments), 0, count, arguments);
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(nx_str_rjust_obj, 2, 3, str_rjust);

static mp_obj_t str_center(size_t count, const mp_obj_t *arguments)
{
    mp_int_t all = missing(arguments), left = all / 2 + (all & mp_obj_get_int(arguments[1]) & 1);
    return padded(arguments[0], left, all - left, count, arguments);
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(nx_str_center_obj, 2, 3, str_center);

static mp_obj_t str_zfill(mp_obj_t self, mp_obj_t width)
{
    mp_obj_t arguments[] = {self, width};
    mp_int_t zeros = missing(arguments);
    struct text text = text_of(self);
    vstr_t to;
    vstr_init(&to, (size_t)(text.end - text.at) + (size_t)zeros + 1);
    if (text.at < text.end && (*text.at == '+' || *text.at == '-'))
        vstr_add_byte(&to, *text.at++);
    for (; zeros; zeros--)
        vstr_add_byte(&to, '0');
    vstr_add_strn(&to, (const char *)text.at, (size_t)(text.end - text.at));
    return mp_obj_new_str_from_utf8_vstr(&to);
}
MP_DEFINE_CONST_FUN_OBJ_2(nx_str_zfill_obj, str_zfill);

static mp_obj_t str_removeprefix(mp_obj_t self, mp_obj_t prefix)
{
    struct text text = text_of(self), part = text_of(prefix);
    size_t size = (size_t)(part.end - part.at);
    if ((size_t)(text.end - text.at) < size || memcmp(text.at, part.at, size))
        return self;
    return mp_obj_new_str((const char *)text.at + size, (size_t)(text.end - text.at) - size);
}
MP_DEFINE_CONST_FUN_OBJ_2(nx_str_removeprefix_obj, str_removeprefix);

static mp_obj_t str_removesuffix(mp_obj_t self, mp_obj_t suffix)
{
    struct text text = text_of(self), part = text_of(suffix);
    size_t size = (size_t)(part.end - part.at);
    if ((size_t)(text.end - text.at) < size || memcmp(text.end - size, part.at, size))
        return self;
    return mp_obj_new_str((const char *)text.at, (size_t)(text.end - text.at) - size);
}
MP_DEFINE_CONST_FUN_OBJ_2(nx_str_removesuffix_obj, str_removesuffix);

static mp_obj_t str_expandtabs(size_t count, const mp_obj_t *arguments)
{
    mp_int_t width = count > 1 ? mp_obj_get_int(arguments[1]) : 8, column = 0;
    struct text text = text_of(arguments[0]);
    vstr_t to;
    vstr_init(&to, (size_t)(text.end - text.at) + 16);
    for (; text.at < text.end; text.at = utf8_next_char(text.at)) {
        unichar c = utf8_get_char(text.at);
        if (c == '\t') {
            for (mp_int_t n = width > 0 ? width - column % width : 0; n > 0; n--, column++)
                vstr_add_byte(&to, ' ');
            continue;
        }
        vstr_add_char(&to, c);
        column = c == '\n' || c == '\r' ? 0 : column + 1;
    }
    return mp_obj_new_str_from_utf8_vstr(&to);
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(nx_str_expandtabs_obj, 1, 2, str_expandtabs);

/* maketrans(x[, y[, z]]): called on str or on a text, which does not matter. */
static mp_obj_t str_maketrans(size_t count, const mp_obj_t *arguments)
{
    mp_obj_t table = mp_obj_new_dict(0);
    if (count == 1) {
        if (!mp_obj_is_dict_or_ordereddict(arguments[0]))
            mp_raise_TypeError(MP_ERROR_TEXT("if you give only one argument to maketrans it must be a dict"));
        const mp_map_t *map = mp_obj_dict_get_map(arguments[0]);
        for (size_t i = 0; i < map->alloc; i++)
            if (mp_map_slot_is_filled(map, i)) {
                mp_obj_t key = map->table[i].key;
                if (mp_obj_is_str(key))
                    key = MP_OBJ_NEW_SMALL_INT(utf8_get_char(text_of(key).at));
                mp_obj_dict_store(table, key, map->table[i].value);
            }
        return table;
    }
    struct text from = text_of(arguments[0]), to = text_of(arguments[1]);
    if (length_of(from) != length_of(to))
        mp_raise_ValueError(MP_ERROR_TEXT("the first two maketrans arguments must have equal length"));
    for (; from.at < from.end; from.at = utf8_next_char(from.at), to.at = utf8_next_char(to.at))
        mp_obj_dict_store(table, MP_OBJ_NEW_SMALL_INT(utf8_get_char(from.at)),
            MP_OBJ_NEW_SMALL_INT(utf8_get_char(to.at)));
    if (count > 2)
        for (struct text gone = text_of(arguments[2]); gone.at < gone.end; gone.at = utf8_next_char(gone.at))
            mp_obj_dict_store(table, MP_OBJ_NEW_SMALL_INT(utf8_get_char(gone.at)), mp_const_none);
    return table;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(maketrans_function, 1, 3, str_maketrans);
const mp_rom_obj_static_class_method_t nx_str_maketrans_obj = {
    {&mp_type_staticmethod}, MP_ROM_PTR(&maketrans_function)};

static mp_obj_t str_translate(mp_obj_t self, mp_obj_t table)
{
    struct text text = text_of(self);
    mp_map_t *map = mp_obj_dict_get_map(table);
    vstr_t to;
    vstr_init(&to, (size_t)(text.end - text.at) + 1);
    for (; text.at < text.end; text.at = utf8_next_char(text.at)) {
        unichar c = utf8_get_char(text.at);
        mp_map_elem_t *entry = mp_map_lookup(map, MP_OBJ_NEW_SMALL_INT(c), MP_MAP_LOOKUP);
        mp_obj_t value = entry ? entry->value : MP_OBJ_NEW_SMALL_INT(c);
        if (mp_obj_is_int(value)) {
            vstr_add_char(&to, (unichar)mp_obj_get_int(value));
        } else if (value != mp_const_none) {
            struct text part = text_of(value);
            vstr_add_strn(&to, (const char *)part.at, (size_t)(part.end - part.at));
        }
    }
    return mp_obj_new_str_from_utf8_vstr(&to);
}
MP_DEFINE_CONST_FUN_OBJ_2(nx_str_translate_obj, str_translate);

static mp_obj_t str_format_map(mp_obj_t self, mp_obj_t mapping)
{
    return nx_format(self, 0, NULL, mapping);
}
MP_DEFINE_CONST_FUN_OBJ_2(nx_str_format_map_obj, str_format_map);
