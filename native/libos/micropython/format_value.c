/* One value by one format specification: [[fill]align][sign][z][#][0][width][grouping][.precision][type].
 * Invariant: widths are counted in characters. */
#include <string.h>

#include "py/objint.h"
#include "py/objstr.h"
#include "py/objtype.h"
#include "py/runtime.h"

#include "float_text.h"
#include "format.h"

struct layout {
    unichar fill;
    char align, sign, grouping, type;
    bool alternate;
    mp_int_t width, precision; /* -1: not given */
};

static mp_int_t number(const char **at, const char *end)
{
    if (*at == end || **at < '0' || **at > '9')
        return -1;
    mp_int_t value = 0;
    for (; *at < end && **at >= '0' && **at <= '9'; ++*at) {
        value = 10 * value + (**at - '0');
        if (value > 0x7fffffff)
            mp_raise_ValueError(MP_ERROR_TEXT("Too many decimal digits in format string"));
    }
    return value;
}

static bool is_align(char c)
{
    return c == '<' || c == '>' || c == '=' || c == '^';
}

static struct layout parsed(mp_obj_t value, const char *at, size_t size, char align)
{
    const char *start = at, *end = at + size, *next = at;
    struct layout layout = {.fill = ' ', .align = align, .width = -1, .precision = -1};
    bool aligned = false;
    if (size)
        next = (const char *)utf8_next_char((const byte *)at);
    if (size && next < end && is_align(*next)) {
        layout.fill = utf8_get_char((const byte *)at);
        layout.align = *next;
        at = next + 1;
        aligned = true;
    } else if (size && is_align(*at)) {
        layout.align = *at++;
        aligned = true;
    }
    if (at < end && (*at == '+' || *at == '-' || *at == ' '))
        layout.sign = *at++ == '-' ? 0 : at[-1];
    if (at < end && *at == '#')
        layout.alternate = true, at++;
    if (at < end && *at == '0') {
        at++;
        if (layout.fill == ' ' && !(aligned && next > start && is_align(*next)))
            layout.fill = '0';
        if (!aligned && align == '>')
            layout.align = '=';
    }
    layout.width = number(&at, end);
    if (at < end && (*at == ',' || *at == '_'))
        layout.grouping = *at++;
    if (at < end && *at == '.') {
        at++;
        layout.precision = number(&at, end);
        if (layout.precision < 0)
            mp_raise_ValueError(MP_ERROR_TEXT("Format specifier missing precision"));
    }
    if (at < end)
        layout.type = *at++;
    if (at < end)
        mp_raise_msg_varg(&mp_type_ValueError,
            MP_ERROR_TEXT("Invalid format specifier '%s' for object of type '%s'"),
            qstr_str(qstr_from_strn(start, size)), mp_obj_get_type_str(value));
    return layout;
}

static void repeat(vstr_t *to, unichar c, mp_int_t count)
{
    for (; count > 0; count--)
        vstr_add_char(to, c);
}

/* `head` (sign and prefix) stays in front of what '=' pads with. */
static void lay_out(vstr_t *to, const struct layout *layout, const char *text, size_t head, size_t size)
{
    mp_int_t missing = layout->width - (mp_int_t)utf8_charlen((const byte *)text, size);
    mp_int_t left = 0;
    if (missing < 0)
        missing = 0;
    if (layout->align == '>')
        left = missing;
    else if (layout->align == '^')
        left = missing / 2;
    repeat(to, layout->fill, left);
    if (layout->align == '=') {
        vstr_add_strn(to, text, head);
        repeat(to, layout->fill, missing);
        vstr_add_strn(to, text + head, size - head);
    } else {
        vstr_add_strn(to, text, size);
        repeat(to, layout->fill, missing - left);
    }
}

static _Noreturn void unknown(char type, mp_obj_t value)
{
    mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("Unknown format code '%c' for object of type '%s'"),
        type, mp_obj_get_type_str(value));
}

/* With zeros between sign and digits the separators go through the zeros too, as far as the width reaches. */
static size_t zeros_for_groups(
    const struct layout *layout, size_t head, size_t digits, size_t rest, size_t every)
{
    if (!layout->grouping || layout->align != '=' || layout->fill != '0' || layout->width < 0)
        return 0;
    size_t room = (size_t)layout->width > head + rest ? (size_t)layout->width - head - rest : 0, zeros = 0;
    while (digits + zeros + (digits + zeros - 1) / every < room)
        zeros++;
    return zeros;
}

/* Digits with a separator before every `every`th from the end. */
static void add_grouped(
    vstr_t *to, const char *digits, size_t count, size_t zeros, char grouping, size_t every)
{
    for (size_t i = 0; i < zeros + count; i++) {
        if (grouping && i && (zeros + count - i) % every == 0)
            vstr_add_byte(to, (byte)grouping);
        vstr_add_byte(to, i < zeros ? '0' : (byte)digits[i - zeros]);
    }
}

static void format_int(vstr_t *to, mp_obj_t value, const struct layout *layout)
{
    char type = layout->type ? layout->type : 'd';
    if (layout->precision >= 0)
        mp_raise_ValueError(MP_ERROR_TEXT("Precision not allowed in integer format specifier"));
    vstr_t text;
    if (type == 'c') {
        mp_int_t c;
        if (!mp_obj_get_int_maybe(value, &c) || c < 0 || c > 0x10ffff)
            mp_raise_msg(&mp_type_OverflowError, MP_ERROR_TEXT("%c arg not in range(0x110000)"));
        vstr_init(&text, 8);
        vstr_add_char(&text, (unichar)c);
        lay_out(to, layout, text.buf, 0, text.len);
        return;
    }
    int base = type == 'b' ? 2 : type == 'o' ? 8 : type == 'x' || type == 'X' ? 16 : 10;
    if (base == 10 && type != 'd' && type != 'n')
        unknown(type, value);
    char few[80], *room = few;
    size_t room_size = sizeof few, size;
    const char *digits =
        mp_obj_int_formatted(&room, &room_size, &size, value, base, NULL, type == 'X' ? 'A' : 'a', 0);
    bool negative = size && *digits == '-';
    digits += negative;
    size -= negative;
    vstr_init(&text, size + size / 3 + 8);
    if (negative || layout->sign)
        vstr_add_byte(&text, negative ? '-' : (byte)layout->sign);
    if (layout->alternate && base != 10) {
        vstr_add_byte(&text, '0');
        vstr_add_byte(&text, (byte)type);
    }
    size_t head = text.len, every = base == 10 ? 3 : 4;
    size_t zeros = zeros_for_groups(layout, head, size, 0, every);
    add_grouped(&text, digits, size, zeros, layout->grouping, every);
    lay_out(to, layout, text.buf, head, text.len);
    vstr_clear(&text);
}

static void format_float(vstr_t *to, mp_obj_t object, const struct layout *layout)
{
    char type = layout->type;
    mp_float_t value = mp_obj_get_float(object);
    struct nx_float_style style = {
        .type = type == '%' ? 'f' : type == 'n' ? 'g' : type ? type : 'r',
        .precision = (int)layout->precision,
        .sign = layout->sign,
        .alternate = layout->alternate,
        .percent = type == '%',
    };
    if (layout->precision > 100000000)
        mp_raise_ValueError(MP_ERROR_TEXT("precision too big"));
    if (!strchr("eEfFgGn%", type ? type : 'g'))
        unknown(type, object);
    if (type == '%')
        value *= 100;
    vstr_t text;
    vstr_init(&text, nx_float_room(value, &style) + 1);
    text.len = nx_float_text(value, &style, text.buf);
    size_t head = text.len && (*text.buf == '-' || *text.buf == '+' || *text.buf == ' '), digits = 0;
    while (head + digits < text.len && text.buf[head + digits] >= '0' && text.buf[head + digits] <= '9')
        digits++;
    if (layout->grouping && digits) {
        vstr_t grouped;
        vstr_init(&grouped, text.len + digits / 3 + 8);
        vstr_add_strn(&grouped, text.buf, head);
        size_t rest = text.len - head - digits, zeros = zeros_for_groups(layout, head, digits, rest, 3);
        add_grouped(&grouped, text.buf + head, digits, zeros, layout->grouping, 3);
        vstr_add_strn(&grouped, text.buf + head + digits, rest);
        vstr_clear(&text);
        text = grouped;
    }
    lay_out(to, layout, text.buf, head, text.len);
    vstr_clear(&text);
}

static void format_text(vstr_t *to, mp_obj_t value, const struct layout *layout)
{
    size_t size;
    const char *text = mp_obj_str_get_data(value, &size);
    if (layout->type && layout->type != 's')
        unknown(layout->type, value);
    if (layout->align == '=')
        mp_raise_ValueError(MP_ERROR_TEXT("'=' alignment not allowed in string format specifier"));
    if (layout->sign)
        mp_raise_ValueError(MP_ERROR_TEXT("Sign not allowed in string format specifier"));
    if (layout->precision >= 0) {
        const byte *end = (const byte *)text;
        for (mp_int_t n = layout->precision; n && end < (const byte *)text + size; n--)
            end = utf8_next_char(end);
        size = (size_t)(end - (const byte *)text);
    }
    lay_out(to, layout, text, 0, size);
}

static void add_text(vstr_t *to, mp_obj_t value)
{
    mp_print_t print = {to, (mp_print_strn_t)vstr_add_strn};
    mp_obj_print_helper(&print, value, PRINT_STR);
}

/* An instance of a subclass of str, int or float as what it is inside. */
static mp_obj_t as_builtin(mp_obj_t value)
{
    static const mp_obj_type_t *const types[] = {&mp_type_str, &mp_type_int, &mp_type_float};
    for (size_t i = 0; i < MP_ARRAY_SIZE(types); i++) {
        mp_obj_t inside = mp_obj_cast_to_native_base(value, MP_OBJ_FROM_PTR(types[i]));
        if (inside != MP_OBJ_NULL && inside != value)
            return inside;
    }
    return value;
}

void nx_format_value(vstr_t *to, mp_obj_t value, const char *specification, size_t size)
{
    if (mp_obj_is_instance_type(mp_obj_get_type(value))) {
        mp_obj_t call[3];
        mp_load_method_maybe(value, MP_QSTR___format__, call);
        if (call[0] != MP_OBJ_NULL) {
            call[2] = mp_obj_new_str(specification, size);
            add_text(to, mp_call_method_n_kw(1, 0, call));
            return;
        }
        value = as_builtin(value);
    }
    if (!size) {
        add_text(to, value);
        return;
    }
    if (mp_obj_is_str(value)) {
        struct layout layout = parsed(value, specification, size, '<');
        format_text(to, value, &layout);
        return;
    }
    struct layout layout = parsed(value, specification, size, '>');
    bool floating = layout.type && strchr("eEfFgG%", layout.type);
    if (value == mp_const_true || value == mp_const_false)
        value = MP_OBJ_NEW_SMALL_INT(value == mp_const_true);
    if (mp_obj_is_int(value) && !floating)
        format_int(to, value, &layout);
    else if (mp_obj_is_int(value) || mp_obj_is_float(value))
        format_float(to, value, &layout);
    else
        mp_raise_msg_varg(&mp_type_TypeError,
            MP_ERROR_TEXT("unsupported format string passed to %s.__format__"), mp_obj_get_type_str(value));
}
