/* Replacement fields: which value is meant, how it is converted, and its specification, which may hold
 * fields of its own. What a specification does is in format_value.c. */
#include "format.h"

#include <string.h>

#include "py/builtin.h"
#include "py/cstack.h"
#include "py/objstr.h"
#include "py/runtime.h"

struct source {
    size_t count;
    const mp_obj_t *arguments;
    mp_obj_t names;
    int next; /* the argument that {} takes; -1 once a field named its own */
};

static void add_fields(vstr_t *to, const char *at, const char *end, struct source *source, int depth);

static mp_obj_t argument(struct source *source, size_t number)
{
    if (number >= source->count)
        mp_raise_msg_varg(&mp_type_IndexError,
            MP_ERROR_TEXT("Replacement index %d out of range for positional args tuple"), (int)number);
    return source->arguments[number];
}

static bool is_number(const char *at, const char *end, size_t *number)
{
    *number = 0;
    for (const char *c = at; c < end; c++) {
        if (*c < '0' || *c > '9' || *number > 100000000)
            return false;
        *number = 10 * *number + (size_t)(*c - '0');
    }
    return at < end;
}

static mp_obj_t first_value(struct source *source, const char *at, const char *end)
{
    size_t number;
    if (at == end) {
        if (source->next < 0)
            mp_raise_ValueError(
                MP_ERROR_TEXT("cannot switch from manual field specification to automatic field numbering"));
        return argument(source, (size_t)source->next++);
    }
    if (is_number(at, end, &number)) {
        if (source->next > 0)
            mp_raise_ValueError(
                MP_ERROR_TEXT("cannot switch from automatic field numbering to manual field specification"));
        source->next = -1;
        return argument(source, number);
    }
    mp_obj_t name = mp_obj_new_str(at, (size_t)(end - at));
    if (source->names == MP_OBJ_NULL)
        mp_raise_type_arg(&mp_type_KeyError, name);
    return mp_obj_subscr(source->names, name, MP_OBJ_SENTINEL);
}

/* name ( .attribute | [index] )* */
static mp_obj_t field_value(struct source *source, const char *at, const char *end)
{
    const char *name = at;
    while (at < end && *at != '.' && *at != '[')
        at++;
    mp_obj_t value = first_value(source, name, at);
    while (at < end) {
        const char *part = at + 1;
        if (*at == '.') {
            for (at = part; at < end && *at != '.' && *at != '['; at++) {
            }
            value = mp_load_attr(value, qstr_from_strn(part, (size_t)(at - part)));
        } else {
            const char *close = memchr(part, ']', (size_t)(end - part));
            size_t number;
            if (!close || (close + 1 < end && close[1] != '.' && close[1] != '['))
                mp_raise_ValueError(MP_ERROR_TEXT("Missing ']' in format string"));
            mp_obj_t key = is_number(part, close, &number) ? MP_OBJ_NEW_SMALL_INT(number)
                                                           : mp_obj_new_str(part, (size_t)(close - part));
            value = mp_obj_subscr(value, key, MP_OBJ_SENTINEL);
            at = close + 1;
        }
    }
    return value;
}

static mp_obj_t converted(mp_obj_t value, char conversion)
{
    vstr_t text;
    mp_print_t print;
    vstr_init_print(&text, 16, &print);
    mp_obj_print_helper(&print, value, conversion == 's' ? PRINT_STR : PRINT_REPR);
    return mp_obj_new_str_from_utf8_vstr(&text);
}

/* The end of a name: '!', ':' or '}', but not inside brackets. */
static const char *name_end(const char *at, const char *end)
{
    for (int inside = 0; at < end; at++) {
        if (*at == '[')
            inside = 1;
        else if (*at == ']')
            inside = 0;
        else if (!inside && (*at == '!' || *at == ':' || *at == '}'))
            break;
        else if (*at == '{')
            mp_raise_ValueError(MP_ERROR_TEXT("unexpected '{' in field name"));
    }
    return at;
}

static _Noreturn void unmatched(void)
{
    mp_raise_ValueError(MP_ERROR_TEXT("expected '}' before end of string"));
}

/* From behind the '{' to behind the '}'. */
static const char *add_field(vstr_t *to, const char *at, const char *end, struct source *source, int depth)
{
    const char *stop = name_end(at, end);
    if (stop == end)
        mp_raise_ValueError(at == end ? MP_ERROR_TEXT("Single '{' encountered in format string")
                                      : MP_ERROR_TEXT("expected '}' before end of string"));
    mp_obj_t value = field_value(source, at, stop);
    at = stop;
    if (*at == '!') {
        if (end - at < 3)
            unmatched();
        if (at[1] != 'r' && at[1] != 's' && at[1] != 'a')
            mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("Unknown conversion specifier '%c'"), at[1]);
        value = converted(value, at[1]);
        at += 2;
        if (*at != ':' && *at != '}')
            mp_raise_ValueError(MP_ERROR_TEXT("expected ':' after conversion specifier"));
    }
    if (*at == '}') {
        nx_format_value(to, value, "", 0);
        return at + 1;
    }
    const char *specification = ++at;
    int nested = 0;
    for (; at < end && (nested || *at != '}'); at++)
        nested += *at == '{' ? 1 : *at == '}' ? -1 : 0;
    if (at == end)
        unmatched();
    if (!memchr(specification, '{', (size_t)(at - specification))) {
        nx_format_value(to, value, specification, (size_t)(at - specification));
        return at + 1;
    }
    vstr_t made;
    vstr_init(&made, 16);
    add_fields(&made, specification, at, source, depth + 1);
    nx_format_value(to, value, made.buf, made.len);
    vstr_clear(&made);
    return at + 1;
}

static void add_fields(vstr_t *to, const char *at, const char *end, struct source *source, int depth)
{
    if (depth > 1)
        mp_raise_ValueError(MP_ERROR_TEXT("Max string recursion exceeded"));
    while (at < end) {
        const char *plain = at;
        while (at < end && *at != '{' && *at != '}')
            at++;
        vstr_add_strn(to, plain, (size_t)(at - plain));
        if (at == end)
            break;
        if (at + 1 < end && at[1] == *at) {
            vstr_add_byte(to, (byte)*at);
            at += 2;
        } else if (*at == '}') {
            mp_raise_ValueError(MP_ERROR_TEXT("Single '}' encountered in format string"));
        } else {
            at = add_field(to, at + 1, end, source, depth);
        }
    }
}

mp_obj_t nx_format(mp_obj_t text, size_t count, const mp_obj_t *arguments, mp_obj_t names)
{
    size_t size;
    const char *at = mp_obj_str_get_data(text, &size);
    struct source source = {count, arguments, names, 0};
    vstr_t to;
    vstr_init(&to, size + 16);
    add_fields(&to, at, at + size, &source, 0);
    return mp_obj_new_str_from_utf8_vstr(&to);
}

mp_obj_t mp_obj_str_format(size_t count, const mp_obj_t *arguments, mp_map_t *keywords)
{
    if (!keywords) /* bin(), oct() and hex() have none */
        return nx_format(arguments[0], count - 1, arguments + 1, MP_OBJ_NULL);
    mp_obj_dict_t names = {{&mp_type_dict}, *keywords};
    return nx_format(arguments[0], count - 1, arguments + 1, MP_OBJ_FROM_PTR(&names));
}

/* format(value[, specification]) */
static mp_obj_t builtin_format(size_t count, const mp_obj_t *arguments)
{
    size_t size = 0;
    const char *specification = count > 1 ? mp_obj_str_get_data(arguments[1], &size) : "";
    vstr_t to;
    vstr_init(&to, 16);
    nx_format_value(&to, arguments[0], specification, size);
    return mp_obj_new_str_from_utf8_vstr(&to);
}
MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(nx_format_obj, 1, 2, builtin_format);
