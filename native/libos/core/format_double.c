/* Doubles as printf's f, e and g show them, upper case too. Knows how they are rounded, not where text
 * goes. */
#include <string.h>

#include "core.h"
#include "decimal.h"
#include "format.h"

/* f: digits before and behind the point, `precision` of them behind. */
static void put_fixed(struct sink *sink, const struct format *format, const char *head,
                      struct nx_decimal *decimal, size_t precision)
{
    nx_decimal_round(decimal, decimal->whole + precision);
    size_t had = decimal->size - decimal->whole, body = decimal->whole;
    if (precision || format->other) {
        memmove(decimal->digits + body + 1, decimal->digits + body, had);
        decimal->digits[body] = '.';
        body += 1 + had;
    }
    nx_put_field(sink, format, (struct field){head, decimal->digits, "", 0, body, precision - had, 1});
}

/* e: one digit, the point, `precision` digits, the exponent. `first` is the first digit that counts. */
static void put_scientific(struct sink *sink, const struct format *format, const char *head,
                           struct nx_decimal *decimal, size_t first, long exponent, size_t precision)
{
    char tail[8], *end = tail;
    unsigned long magnitude = (unsigned long)(exponent < 0 ? -exponent : exponent);
    *end++ = format->kind & 0x20 ? 'e' : 'E';
    *end++ = exponent < 0 ? '-' : '+';
    if (magnitude >= 100)
        *end++ = (char)('0' + magnitude / 100);
    *end++ = (char)('0' + magnitude / 10 % 10);
    *end++ = (char)('0' + magnitude % 10);
    *end = 0;
    char *digits = decimal->digits + first;
    size_t had = nx_least(decimal->size - first - 1, precision), body = 1;
    if (precision || format->other) {
        memmove(digits + 2, digits + 1, had);
        digits[1] = '.';
        body = 2 + had;
    }
    nx_put_field(sink, format, (struct field){head, digits, tail, 0, body, precision - had, 1});
}

void nx_put_double(struct sink *sink, const struct format *format, double value)
{
    char kind = format->kind | 0x20;
    const char *head = nx_sign(format, __builtin_signbit(value));
    if (!__builtin_isfinite(value)) {
        const char *names = format->kind & 0x20 ? "infnan" : "INFNAN";
        nx_put_field(sink, format, (struct field){head, names + 3 * __builtin_isnan(value), "", 0, 3, 0, 0});
        return;
    }
    struct nx_decimal decimal;
    nx_decimal(&decimal, value);
    size_t precision = format->precision < 0 ? 6 : (size_t)format->precision;
    if (kind == 'f') {
        put_fixed(sink, format, head, &decimal, precision);
        return;
    }
    size_t first = 0;
    while (first < decimal.size && decimal.digits[first] == '0')
        first++;
    int is_zero = first == decimal.size;
    if (is_zero)
        first = 0;
    size_t counting = kind == 'e' ? precision + 1 : precision ? precision : 1; /* digits that count */
    size_t whole = decimal.whole;
    nx_decimal_round(&decimal, first + counting);
    /* 9.99 became 10.0: the carry stands one place before `first`, or in a new place that shifts all the
     * others. */
    if (decimal.whole == whole && first > 0 && decimal.digits[first - 1] != '0')
        first--;
    long exponent = is_zero ? 0 : (long)decimal.whole - 1 - (long)first;
    if (kind == 'e') {
        put_scientific(sink, format, head, &decimal, first, exponent, precision);
        return;
    }
    /* g: as e or f with `counting` digits that count, zeros at the end left out. */
    if (decimal.size > first + counting)
        decimal.size = first + counting;
    if (!format->other)
        while (decimal.size > first + 1 && decimal.digits[decimal.size - 1] == '0')
            decimal.size--;
    size_t had = decimal.size - first;
    if (exponent < -4 || exponent >= (long)counting) {
        put_scientific(sink, format, head, &decimal, first, exponent, (format->other ? counting : had) - 1);
        return;
    }
    while (decimal.size < decimal.whole)
        decimal.digits[decimal.size++] = '0';
    size_t behind = decimal.size - decimal.whole;
    if (format->other)
        behind = (size_t)((long)counting - 1 - exponent);
    put_fixed(sink, format, head, &decimal, behind);
}
