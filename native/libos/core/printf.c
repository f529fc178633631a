/* Formatted text: d i u o x X c s p f F e E g G %, flags - + space # 0, width and precision (also *), hh h
 * l ll z j t. As C11 has them; what is not there (a, n, L, wide characters) is shown as it stands in the
 * format. Knows where text goes only as a function.
 * Invariant: a sink gets every byte once, in order. */
#include <limits.h>
#include <string.h>

#include "core.h"
#include "format.h"

static void put(struct sink *sink, const char *bytes, size_t size)
{
    sink->total += size;
    sink->put(sink, bytes, size);
}

static void fill(struct sink *sink, char byte, size_t count)
{
    char row[32];
    memset(row, byte, sizeof row);
    for (; count; count -= nx_least(count, sizeof row))
        put(sink, row, nx_least(count, sizeof row));
}

void nx_put_field(struct sink *sink, const struct format *format, struct field field)
{
    size_t size = strlen(field.head) + field.zeros + field.body_size +
                  field.zeros_behind + strlen(field.tail);
    size_t padding = format->width > size ? format->width - size : 0;
    if (padding && format->zero && field.may_zero && !format->left) {
        field.zeros += padding;
        padding = 0;
    }
    if (!format->left)
        fill(sink, ' ', padding);
    put(sink, field.head, strlen(field.head));
    fill(sink, '0', field.zeros);
    put(sink, field.body, field.body_size);
    fill(sink, '0', field.zeros_behind);
    put(sink, field.tail, strlen(field.tail));
    if (format->left)
        fill(sink, ' ', padding);
}

const char *nx_sign(const struct format *format, int negative)
{
    return negative ? "-" : format->plus ? "+" : format->space ? " " : "";
}

static void put_integer(struct sink *sink, const struct format *format, uint64_t value, int negative)
{
    int is_signed = format->kind == 'd' || format->kind == 'i';
    unsigned base = format->kind == 'o' ? 8 : strchr("xXp", format->kind) ? 16 : 10;
    const char *letters = format->kind == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    char digits[24], *at = digits + sizeof digits;
    int is_zero = value == 0;
    for (; value; value /= base)
        *--at = letters[value % base];
    size_t size = (size_t)(digits + sizeof digits - at);
    size_t least = format->precision < 0 ? 1 : (size_t)format->precision;
    const char *head = is_signed ? nx_sign(format, negative) : "";
    if (format->kind == 'p')
        head = format->plus ? "+0x" : format->space ? " 0x" : "0x";
    else if (format->other && base == 16 && !is_zero)
        head = format->kind == 'X' ? "0X" : "0x";
    if (format->other && base == 8 && least <= size)
        least = size + 1;
    size_t zeros = least > size ? least - size : 0;
    nx_put_field(sink, format, (struct field){head, at, "", zeros, size, 0, format->precision < 0});
}


static void put_text(struct sink *sink, const struct format *format, const char *text)
{
    if (!text)
        text = "(null)";
    size_t size = format->precision < 0 ? strlen(text) : strnlen(text, (size_t)format->precision);
    nx_put_field(sink, format, (struct field){"", text, "", 0, size, 0, 0});
}

/* Reads digits or a star; a number beyond INT_MAX is INT_MAX. */
static long number(const char **at, va_list *args)
{
    if (**at == '*') {
        ++*at;
        return va_arg(*args, int);
    }
    long value = 0;
    for (; (unsigned)(**at - '0') <= 9; ++*at)
        if ((value = value * 10 + (**at - '0')) > INT_MAX)
            value = INT_MAX;
    return value;
}

static void flags(struct format *format, const char **at)
{
    for (;; ++*at)
        switch (**at) {
        case '-':
            format->left = 1;
            break;
        case '+':
            format->plus = 1;
            break;
        case ' ':
            format->space = 1;
            break;
        case '0':
            format->zero = 1;
            break;
        case '#':
            format->other = 1;
            break;
        default:
            return;
        }
}

/* The argument of an integer conversion, by its length: hh -2, h -1, none 0, l and what is as wide 1. */
static uint64_t integer(int length, int is_signed, va_list *args)
{
    if (length == 1)
        return va_arg(*args, uint64_t);
    int value = va_arg(*args, int);
    if (length == -1)
        return is_signed ? (uint64_t)(int64_t)(short)value : (unsigned short)value;
    if (length == -2)
        return is_signed ? (uint64_t)(int64_t)(signed char)value : (unsigned char)value;
    return is_signed ? (uint64_t)(int64_t)value : (unsigned)value;
}

/* One conversion, `at` behind its percent sign. Gives where the format goes on; NULL: no conversion of
 * ours. */
static const char *convert(struct sink *sink, const char *at, va_list *args)
{
    struct format format = {.precision = -1};
    int length = 0;
    flags(&format, &at);
    long width = number(&at, args);
    if (width < 0) {
        format.left = 1;
        width = -width;
    }
    format.width = (size_t)width;
    if (*at == '.') {
        at++;
        format.precision = number(&at, args);
    }
    for (; *at == 'h'; at++)
        length--;
    for (; *at && strchr("lzjt", *at); at++)
        length = 1;
    format.kind = *at;
    switch (*at) {
    case 'd':
    case 'i': {
        int64_t value = (int64_t)integer(length, 1, args);
        put_integer(sink, &format, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, value < 0);
        break;
    }
    case 'u':
    case 'o':
    case 'x':
    case 'X':
        put_integer(sink, &format, integer(length, 0, args), 0);
        break;
    case 'p': {
        void *value = va_arg(*args, void *);
        if (value) {
            put_integer(sink, &format, (uintptr_t)value, 0);
        } else {
            format.precision = -1;
            put_text(sink, &format, "(nil)");
        }
        break;
    }
    case 'c': {
        char byte = (char)va_arg(*args, int);
        nx_put_field(sink, &format, (struct field){"", &byte, "", 0, 1, 0, 0});
        break;
    }
    case 's':
        put_text(sink, &format, va_arg(*args, const char *));
        break;
    case 'f':
    case 'F':
    case 'e':
    case 'E':
    case 'g':
    case 'G':
        nx_put_double(sink, &format, va_arg(*args, double));
        break;
    case '%':
        put(sink, "%", 1);
        break;
    default:
        return NULL;
    }
    return at + 1;
}

static int formatted(struct sink *sink, const char *format, va_list args)
{
    va_list rest;
    va_copy(rest, args);
    for (const char *next; *format; format = next) {
        next = format;
        while (*next && *next != '%')
            next++;
        put(sink, format, (size_t)(next - format));
        if (!*next)
            break;
        const char *behind = convert(sink, next + 1, &rest);
        if (!behind) {
            put(sink, next, 1);
            behind = next + 1;
        }
        next = behind;
    }
    va_end(rest);
    return sink->total > INT_MAX ? INT_MAX : (int)sink->total;
}

static void put_memory(struct sink *sink, const char *bytes, size_t size)
{
    size = nx_least(size, sink->room);
    memcpy(sink->to, bytes, size);
    sink->to += size;
    sink->room -= size;
}

static void put_console(struct sink *sink, const char *bytes, size_t size)
{
    (void)sink;
    nx_write(1, bytes, size);
}

int nx_vsnprintf(char *to, size_t size, const char *format, va_list args)
{
    struct sink sink = {put_memory, to, size ? size - 1 : 0, 0};
    int total = formatted(&sink, format, args);
    if (size)
        *sink.to = 0;
    return total;
}

int nx_snprintf(char *to, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int total = nx_vsnprintf(to, size, format, args);
    va_end(args);
    return total;
}

int nx_printf(const char *format, ...)
{
    struct sink sink = {put_console, NULL, 0, 0};
    va_list args;
    va_start(args, format);
    int total = formatted(&sink, format, args);
    va_end(args);
    return total;
}
