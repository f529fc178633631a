/* Lays out the digits of float_digits.c. Invariant: the text is CPython's, byte for byte. */
#include "float_text.h"

#include <string.h>

#include "float_digits.h"

size_t nx_float_room(double value, const struct nx_float_style *style)
{
    size_t whole = value > 1e15 || value < -1e15 ? 320 : 24;
    size_t precision = style->precision < 0 ? 20 : (size_t)style->precision;
    return whole + whole / 3 + precision + 16;
}

/* Digits `from` up to `end` of a number that has zeros before and behind the ones that are given. */
static char *put_digits(char *to, const char *digits, long count, long from, long end)
{
    for (long i = from; i < end; i++)
        *to++ = i >= 0 && i < count ? digits[i] : '0';
    return to;
}

static char *put_whole(char *to, const char *digits, long count, long point, char grouping)
{
    if (point <= 0) {
        *to++ = '0';
        return to;
    }
    for (long i = 0; i < point; i++) {
        if (grouping && i && (point - i) % 3 == 0)
            *to++ = grouping;
        to = put_digits(to, digits, count, i, i + 1);
    }
    return to;
}

static char *put_exponent(char *to, int exponent, char letter)
{
    *to++ = letter;
    *to++ = exponent < 0 ? '-' : '+';
    unsigned size = (unsigned)(exponent < 0 ? -exponent : exponent);
    if (size >= 100)
        *to++ = (char)('0' + size / 100);
    *to++ = (char)('0' + size / 10 % 10);
    *to++ = (char)('0' + size % 10);
    return to;
}

/* d.ddde+xx with `places` digits behind the point */
static char *put_scientific(
    char *to, const char *digits, long count, int point, long places, char letter, int dot)
{
    to = put_digits(to, digits, count, 0, 1);
    if (places > 0 || dot)
        *to++ = '.';
    to = put_digits(to, digits, count, 1, 1 + places);
    return put_exponent(to, count ? point - 1 : 0, letter);
}

/* ddd.ddd with `places` digits behind the point */
static char *put_fixed(
    char *to, const char *digits, long count, int point, long places, char grouping, int dot)
{
    to = put_whole(to, digits, count, point, grouping);
    if (places > 0 || dot)
        *to++ = '.';
    return put_digits(to, digits, count, point, point + places);
}

static size_t repr_digits(double value, char *digits, int *point)
{
    struct nx_decimal number = nx_shortest(value);
    char backwards[24];
    size_t count = 0;
    for (uint64_t rest = number.digits; rest; rest /= 10)
        backwards[count++] = (char)('0' + rest % 10);
    for (size_t i = 0; i < count; i++)
        digits[i] = backwards[count - 1 - i];
    *point = (int)count + number.exponent;
    return count;
}

/* Types g and r: as many places as there are digits. */
static char *put_general(char *to, const char *digits, long count, int point,
    const struct nx_float_style *style, int precision, char letter)
{
    int repr = style->type == 'r', shortest = repr && precision < 0;
    int most = shortest ? 16 : precision;
    if (!count)
        point = 1;
    int last = repr && !shortest ? most - 1 : most; /* "1e+01", not "10.", for r with a precision of 1 */
    long shown = style->alternate && !shortest ? most : count;
    if (point <= -4 || point > last) {
        long places = shown > 1 ? shown - 1 : 0;
        return put_scientific(to, digits, count, point, places, letter, style->alternate);
    }
    long places = shown > point ? shown - point : 0;
    if (repr && places == 0)
        places = 1;
    return put_fixed(to, digits, count, point, places, style->grouping, style->alternate);
}

static char *put_special(char *to, double value, int upper)
{
    const char *name = value != value ? upper ? "NAN" : "nan" : upper ? "INF" : "inf";
    memcpy(to, name, 3);
    return to + 3;
}

size_t nx_float_text(double value, const struct nx_float_style *style, char *to)
{
    char *start = to, digits[NX_DIGITS_MOST];
    int upper = style->type >= 'A' && style->type <= 'Z', point = 0;
    char type = (char)(style->type | 0x20);
    int precision = style->precision < 0 && type != 'r' ? 6 : style->precision;
    if (__builtin_signbit(value) && value == value)
        *to++ = '-';
    else if (style->sign)
        *to++ = style->sign;
    value = __builtin_fabs(value);
    if (value != value || value > 1.7976931348623157e308) {
        to = put_special(to, value, upper);
    } else {
        long count = 0;
        char letter = upper ? 'E' : 'e';
        if ((type == 'g' || type == 'r') && precision == 0)
            precision = 1;
        if (value > 0 && type == 'r' && precision < 0)
            count = (long)repr_digits(value, digits, &point);
        else if (value > 0)
            count = (long)nx_rounded_digits(
                value, type == 'f' ? -1 : type == 'e' ? precision + 1 : precision, precision, digits, &point);
        if (type == 'e')
            to = put_scientific(to, digits, count, point, precision, letter, style->alternate);
        else if (type == 'f')
            to = put_fixed(
                to, digits, count, count ? point : 0, precision, style->grouping, style->alternate);
        else
            to = put_general(to, digits, count, point, style, precision, letter);
    }
    if (style->percent)
        *to++ = '%';
    return (size_t)(to - start);
}

double nx_float_read(const char *text, size_t size)
{
    char few[800], *digits = few;
    size_t count = 0;
    long behind = 0, exponent = 0;
    int point = 0, more = 0;
    size_t at = 0;
    for (; at < size; at++) {
        char byte = text[at];
        if (byte >= '0' && byte <= '9') {
            if (count < sizeof few - 1 && (count || byte != '0'))
                digits[count++] = byte;
            else if (count) { /* too many to keep: only whether they are all zero matters */
                more |= byte != '0';
                behind--;
            }
            behind += point;
        } else if (byte == '.' && !point) {
            point = 1;
        } else if (byte != '_') {
            break;
        }
    }
    if (more)
        digits[count++] = '1', behind++;
    if (at + 1 < size && (text[at] | 0x20) == 'e') {
        int negative = text[++at] == '-';
        at += text[at] == '-' || text[at] == '+';
        for (; at < size && ((text[at] >= '0' && text[at] <= '9') || text[at] == '_'); at++)
            if (text[at] != '_' && exponent < 100000000)
                exponent = 10 * exponent + (text[at] - '0');
        exponent = negative ? -exponent : exponent;
    }
    return nx_nearest(digits, count, exponent - behind);
}
