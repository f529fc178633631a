/* str.encode and bytes.decode: UTF-8 (with and without a mark), ASCII and Latin-1, with CPython's errors and its
 * ways to treat them. Any other encoding is a LookupError. */
#include <string.h>

#include "py/objstr.h"
#include "py/runtime.h"

#include "encodings.h"
#include "exceptions.h"

enum encoding { UTF8, UTF8_SIG, ASCII, LATIN1 };
enum errors { STRICT, IGNORE, REPLACE, BACKSLASH, XML };

static enum encoding encoding_of(mp_obj_t name)
{
    static const struct {
        const char *name;
        enum encoding encoding;
    } known[] = {
        {"utf8", UTF8},   {"utf", UTF8},    {"u8", UTF8},         {"utf8sig", UTF8_SIG}, {"ascii", ASCII},
        {"usascii", ASCII}, {"646", ASCII}, {"latin1", LATIN1}, {"latin", LATIN1},     {"iso88591", LATIN1},
        {"l1", LATIN1},   {"cp819", LATIN1},
    };
    const char *given = mp_obj_str_get_str(name);
    char plain[16];
    size_t size = 0;
    for (const char *at = given; *at && size < sizeof plain - 1; at++)
        if (*at != '-' && *at != '_' && *at != ' ')
            plain[size++] = (char)(*at >= 'A' && *at <= 'Z' ? *at + 32 : *at);
    plain[size] = 0;
    for (size_t i = 0; i < MP_ARRAY_SIZE(known); i++)
        if (!strcmp(plain, known[i].name))
            return known[i].encoding;
    mp_raise_msg_varg(&mp_type_LookupError, MP_ERROR_TEXT("unknown encoding: %s"), given);
}

static enum errors errors_of(mp_obj_t name)
{
    static const char *const known[] = {"strict", "ignore", "replace", "backslashreplace", "xmlcharrefreplace"};
    const char *given = mp_obj_str_get_str(name);
    for (size_t i = 0; i < MP_ARRAY_SIZE(known); i++)
        if (!strcmp(given, known[i]))
            return (enum errors)i;
    mp_raise_msg_varg(&mp_type_LookupError, MP_ERROR_TEXT("unknown error handler name '%s'"), given);
}

static void arguments_of(size_t count, const mp_obj_t *given, mp_map_t *keywords, enum encoding *encoding,
                         enum errors *errors)
{
    static const mp_arg_t names[] = {
        {MP_QSTR_encoding, MP_ARG_OBJ, {.u_rom_obj = MP_ROM_QSTR(MP_QSTR_utf_hyphen_8)}},
        {MP_QSTR_errors, MP_ARG_OBJ, {.u_rom_obj = MP_ROM_QSTR(MP_QSTR_strict)}},
    };
    mp_arg_val_t values[2];
    mp_arg_parse_all(count - 1, given + 1, keywords, 2, names, values);
    *encoding = encoding_of(values[0].u_obj);
    *errors = errors_of(values[1].u_obj);
}

static void print_escaped(const mp_print_t *print, unichar c)
{
    mp_printf(print, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)c);
}

static NORETURN void cannot_encode(enum encoding encoding, unichar c, size_t first, size_t count)
{
    vstr_t text;
    mp_print_t print;
    vstr_init_print(&text, 80, &print);
    mp_printf(&print, "'%s' codec can't encode character", encoding == ASCII ? "ascii" : "latin-1");
    if (count == 1) {
        mp_print_str(&print, " '");
        print_escaped(&print, c);
        mp_printf(&print, "' in position %u", (unsigned)first);
    } else {
        mp_printf(&print, "s in position %u-%u", (unsigned)first, (unsigned)(first + count - 1));
    }
    mp_printf(&print, ": ordinal not in range(%d)", encoding == ASCII ? 128 : 256);
    nlr_raise(mp_obj_new_exception_arg1(&mp_type_UnicodeEncodeError, mp_obj_new_str_from_utf8_vstr(&text)));
}

static void encode_one(vstr_t *to, const mp_print_t *print, unichar c, enum errors errors)
{
    if (errors == REPLACE)
        vstr_add_byte(to, '?');
    else if (errors == BACKSLASH)
        print_escaped(print, c);
    else if (errors == XML)
        mp_printf(print, "&#%u;", (unsigned)c);
}

static mp_obj_t encode(size_t count, const mp_obj_t *arguments, mp_map_t *keywords)
{
    enum encoding encoding;
    enum errors errors;
    arguments_of(count, arguments, keywords, &encoding, &errors);
    size_t size;
    const byte *from = (const byte *)mp_obj_str_get_data(arguments[0], &size);
    vstr_t to;
    mp_print_t print;
    vstr_init_print(&to, size + 3, &print);
    if (encoding == UTF8_SIG)
        vstr_add_strn(&to, "\xef\xbb\xbf", 3);
    if (encoding == UTF8 || encoding == UTF8_SIG) {
        vstr_add_strn(&to, (const char *)from, size);
        return mp_obj_new_bytes_from_vstr(&to);
    }
    unichar limit = encoding == ASCII ? 0x80 : 0x100;
    size_t position = 0;
    for (const byte *at = from, *end = from + size; at < end; at = utf8_next_char(at), position++) {
        unichar c = utf8_get_char(at);
        if (c < limit) {
            vstr_add_byte(&to, (byte)c);
            continue;
        }
        if (errors == STRICT) {
            size_t run = 0;
            for (; at < end && utf8_get_char(at) >= limit; at = utf8_next_char(at))
                run++;
            cannot_encode(encoding, c, position, run);
        }
        encode_one(&to, &print, c, errors);
    }
    return mp_obj_new_bytes_from_vstr(&to);
}
MP_DEFINE_CONST_FUN_OBJ_KW(nx_encode_obj, 1, encode);

mp_obj_t nx_encode(size_t count, const mp_obj_t *arguments)
{
    return encode(count, arguments, (mp_map_t *)&mp_const_empty_map);
}

/* How many bytes from `at` on are a character (0: none), else how many are wrong, and why. */
static size_t utf8_at(const byte *at, size_t left, size_t *wrong, const char **why)
{
    byte first = at[0], low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80,
         high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    size_t more = first < 0x80 ? 0 : first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : 3;
    *wrong = 1;
    *why = "invalid start byte";
    if (first >= 0x80 && (first < 0xc2 || first > 0xf4))
        return 0;
    for (size_t i = 1; i <= more; i++, low = 0x80, high = 0xbf) {
        *wrong = i;
        *why = i >= left ? "unexpected end of data" : "invalid continuation byte";
        if (i >= left || at[i] < low || at[i] > high)
            return 0;
    }
    return more + 1;
}

static NORETURN void cannot_decode(const char *codec, byte first, size_t position, size_t count, const char *why)
{
    if (count == 1)
        mp_raise_msg_varg(&mp_type_UnicodeDecodeError,
                          MP_ERROR_TEXT("'%s' codec can't decode byte 0x%02x in position %u: %s"), codec, first,
                          (unsigned)position, why);
    mp_raise_msg_varg(&mp_type_UnicodeDecodeError,
                      MP_ERROR_TEXT("'%s' codec can't decode bytes in position %u-%u: %s"), codec,
                      (unsigned)position, (unsigned)(position + count - 1), why);
}

static mp_obj_t decode(size_t count, const mp_obj_t *arguments, mp_map_t *keywords)
{
    enum encoding encoding;
    enum errors errors;
    arguments_of(count, arguments, keywords, &encoding, &errors);
    mp_buffer_info_t from;
    mp_get_buffer_raise(arguments[0], &from, MP_BUFFER_READ);
    const byte *bytes = from.buf;
    vstr_t to;
    mp_print_t print;
    vstr_init_print(&to, from.len + 1, &print);
    size_t at = encoding == UTF8_SIG && from.len >= 3 && !memcmp(bytes, "\xef\xbb\xbf", 3) ? 3 : 0;
    while (at < from.len) {
        size_t wrong = 1, good = bytes[at] < 0x80;
        const char *why = "ordinal not in range(128)";
        if (encoding == LATIN1) {
            vstr_add_char(&to, bytes[at++]);
            continue;
        }
        if (encoding != ASCII)
            good = utf8_at(bytes + at, from.len - at, &wrong, &why);
        if (good) {
            vstr_add_strn(&to, (const char *)bytes + at, good);
            at += good;
            continue;
        }
        if (errors == STRICT || errors == XML)
            cannot_decode(encoding == ASCII ? "ascii" : "utf-8", bytes[at], at, wrong, why);
        if (errors == REPLACE)
            vstr_add_char(&to, 0xfffd);
        for (size_t i = 0; errors == BACKSLASH && i < wrong; i++)
            print_escaped(&print, bytes[at + i]);
        at += wrong;
    }
    return mp_obj_new_str_from_utf8_vstr(&to);
}
MP_DEFINE_CONST_FUN_OBJ_KW(nx_decode_obj, 1, decode);

mp_obj_t nx_decode(size_t count, const mp_obj_t *arguments)
{
    return decode(count, arguments, (mp_map_t *)&mp_const_empty_map);
}
