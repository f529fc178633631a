/* The floats of MicroPython written and read by float_text.c. Takes the place of its formatfloat.c. */
#include <string.h>

#include "py/formatfloat.h"
#include "py/misc.h"
#include "py/mpprint.h"

#include "float_mp.h"
#include "float_text.h"

int mp_format_float(mp_float_t value, char *to, size_t room, char format, int precision, char sign)
{
    struct nx_float_style style = {
        .type = precision <= NX_REPR ? 'r' : format, .precision = precision, .sign = sign};
    char text[512];
    size_t size = nx_float_room(value, &style) <= sizeof text ? nx_float_text(value, &style, text) : 0;
    if (precision == NX_REPR_PART && size > 2 && !memcmp(text + size - 2, ".0", 2))
        size -= 2;
    if (size >= room)
        size = room ? room - 1 : 0;
    memcpy(to, text, size);
    if (room)
        to[size] = 0;
    return (int)size;
}

int nx_print_float(const mp_print_t *print, mp_float_t value, const struct nx_float_style *style,
    unsigned flags, char fill, int width)
{
    char few[512], *text = few;
    size_t room = nx_float_room(value, style);
    if (room > sizeof few)
        text = m_new(char, room);
    size_t size = nx_float_text(value, style, text);
    size_t sign = text[0] == '-' || text[0] == '+' || text[0] == ' ';
    int written = 0;
    if (flags & PF_FLAG_PAD_AFTER_SIGN && sign) {
        written = mp_print_strn(print, text, 1, 0, 0, 1);
        width--;
    } else {
        sign = 0;
    }
    written += mp_print_strn(print, text + sign, size - sign, flags, fill, width);
    if (text != few)
        m_del(char, text, room);
    return written;
}

int mp_print_float(const mp_print_t *print, mp_float_t value, char format, int flags, char fill, int width,
    int precision)
{
    struct nx_float_style style = {
        .type = format,
        .precision = precision,
        .sign = flags & PF_FLAG_SHOW_SIGN ? '+' : flags & PF_FLAG_SPACE_SIGN ? ' ' : 0,
        .grouping = flags & PF_FLAG_SHOW_COMMA ? ',' : 0,
        .alternate = (flags & PF_FLAG_SHOW_PREFIX) != 0,
        .percent = (flags & PF_FLAG_ADD_PERCENT) != 0,
    };
    return nx_print_float(print, value, &style, (unsigned)flags, fill, width);
}
