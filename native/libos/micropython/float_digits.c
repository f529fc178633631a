/* How a double is written and read without error.
 *
 * Shortest digits: R. Giulietti, "The Schubfach way to render doubles" (2020). Reading: the product with a
 * power of ten rounded down to 128 bits decides nearly always (D. Lemire, "Number parsing at a gigabyte per
 * second", 2021); where it does not, whole numbers of any size do. Powers of ten come from float_powers.h,
 * which port.py computes. Invariant: no result depends on rounding in floating-point arithmetic. */
#include "float_digits.h"

#include <string.h>

#include "float_powers.h" /* NX_POWERS_FIRST, NX_POWERS_LAST, nx_powers[][2]: high and low half */

typedef unsigned __int128 wide;

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static double of_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* value == mantissa * 2**exponent */
static uint64_t parts_of(double value, int *exponent)
{
    uint64_t bits = bits_of(value), fraction = bits & 0xfffffffffffffu;
    int field = (int)(bits >> 52 & 0x7ff);
    *exponent = (field ? field : 1) - 1075;
    return field ? fraction | 1ull << 52 : fraction;
}

/* floor(log2(10**n)), for |n| <= 1233 */
static int log2_of_power(int n)
{
    return (n * 1741647) >> 19;
}

/* power * factor / 2**128, its last bit telling whether anything was cut off */
static uint64_t scaled(const uint64_t power[2], uint64_t factor)
{
    wide low = (wide)power[1] * factor, high = (wide)power[0] * factor + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

struct nx_decimal nx_shortest(double value)
{
    int q;
    uint64_t c = parts_of(value, &q), odd = c & 1;
    int uneven = c == 1ull << 52 && bits_of(value) >> 52 > 1; /* the neighbour below is nearer */
    int k = (q * 1262611 - (uneven ? 524031 : 0)) >> 22;      /* floor(log10(the interval's width)) */
    int shift = q + log2_of_power(-k) + 1;
    uint64_t power[2] = {nx_powers[-k - NX_POWERS_FIRST][0], nx_powers[-k - NX_POWERS_FIRST][1]};
    if (-k < 0 || -k > 55) { /* rounded up, where the table's entry is not exact */
        power[1]++;
        power[0] += power[1] == 0;
    }
    uint64_t low = scaled(power, (4 * c - (uneven ? 1 : 2)) << shift) + odd;
    uint64_t here = scaled(power, 4 * c << shift);
    uint64_t high = scaled(power, (4 * c + 2) << shift) - odd;
    struct nx_decimal found = {here / 4, k};
    uint64_t tens = found.digits / 10;
    int down, up;
    if (found.digits >= 10 && (low <= 40 * tens) != (40 * tens + 40 <= high)) {
        found.digits = tens + (40 * tens + 40 <= high);
        found.exponent++;
    } else if ((down = low <= 4 * found.digits) != (up = 4 * found.digits + 4 <= high)) {
        found.digits += (uint64_t)up;
    } else {
        uint64_t middle = 4 * found.digits + 2;
        found.digits += here > middle || (here == middle && found.digits & 1);
    }
    while (found.digits % 10 == 0) {
        found.digits /= 10;
        found.exponent++;
    }
    return found;
}

/* Whole numbers of up to 4352 bits, low words first. */
#define WORDS 136

struct number {
    int size;
    uint32_t words[WORDS];
};

static void multiply_add(struct number *number, uint32_t factor, uint32_t more)
{
    uint64_t carry = more;
    for (int i = 0; i < number->size; i++) {
        carry += (uint64_t)number->words[i] * factor;
        number->words[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry)
        number->words[number->size++] = (uint32_t)carry;
}

static void multiply_power_of_ten(struct number *number, long power)
{
    for (; power >= 9; power -= 9)
        multiply_add(number, 1000000000, 0);
    for (; power > 0; power--)
        multiply_add(number, 10, 0);
}

static void shift_left(struct number *number, int count)
{
    int words = count / 32, bits = count % 32;
    if (bits)
        multiply_add(number, 1u << bits, 0);
    memmove(number->words + words, number->words, (size_t)number->size * 4);
    memset(number->words, 0, (size_t)words * 4);
    number->size += words;
}

static void set(struct number *number, uint64_t value)
{
    number->size = 0;
    for (; value; value >>= 32)
        number->words[number->size++] = (uint32_t)value;
}

static int compare(const struct number *a, const struct number *b)
{
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    for (int i = a->size; i-- > 0;)
        if (a->words[i] != b->words[i])
            return a->words[i] < b->words[i] ? -1 : 1;
    return 0;
}

/* Nine digits at a time off the front of a fraction: fraction / 2**(32 * words). */
static uint32_t next_nine(struct number *fraction, int words)
{
    multiply_add(fraction, 1000000000, 0);
    if (fraction->size <= words)
        return 0;
    uint32_t nine = fraction->words[words];
    fraction->size = words;
    while (fraction->size && !fraction->words[fraction->size - 1])
        fraction->size--;
    return nine;
}

static size_t write_nine(char *to, uint32_t nine)
{
    for (int i = 8; i >= 0; i--, nine /= 10)
        to[i] = (char)('0' + nine % 10);
    return 9;
}

/* The digits before the point, without zeros in front; the fraction is left in `fraction`, in `*words`
 * words. */
static size_t whole_part(double value, char *to, struct number *fraction, int *words)
{
    int exponent;
    uint64_t mantissa = parts_of(value, &exponent);
    struct number whole;
    set(&whole, exponent >= 0 ? mantissa : exponent > -64 ? mantissa >> -exponent : 0);
    if (exponent > 0)
        shift_left(&whole, exponent);
    set(fraction, exponent >= 0 ? 0 : exponent > -64 ? mantissa & ((1ull << -exponent) - 1) : mantissa);
    *words = exponent >= 0 ? 0 : (-exponent + 31) / 32;
    if (exponent < 0 && fraction->size)
        shift_left(fraction, 32 * *words + exponent);

    char backwards[320];
    size_t count = 0;
    while (whole.size) { /* nine digits at a time off the end */
        uint64_t rest = 0;
        for (int i = whole.size; i-- > 0;) {
            rest = rest << 32 | whole.words[i];
            whole.words[i] = (uint32_t)(rest / 1000000000);
            rest %= 1000000000;
        }
        while (whole.size && !whole.words[whole.size - 1])
            whole.size--;
        for (int i = 0; i < 9; i++, rest /= 10)
            backwards[count++] = (char)('0' + rest % 10);
    }
    while (count && backwards[count - 1] == '0')
        count--;
    for (size_t i = 0; i < count; i++)
        to[i] = backwards[count - 1 - i];
    return count;
}

size_t nx_rounded_digits(double value, int count, int places, char *digits, int *point)
{
    struct number fraction;
    int words;
    char buffer[NX_DIGITS_MOST + 16];
    size_t have = whole_part(value, buffer, &fraction, &words);
    *point = (int)have;
    /* one digit more than is asked for, so that it can be rounded */
    for (; fraction.size; ) {
        long wanted = count >= 0 ? count : (long)*point + places;
        if ((long)have > wanted)
            break;
        size_t before = have;
        have += write_nine(buffer + have, next_nine(&fraction, words));
        if (!before) { /* zeros behind the point are no digits */
            size_t zeros = 0;
            while (zeros < have && buffer[zeros] == '0')
                zeros++;
            memmove(buffer, buffer + zeros, have - zeros);
            have -= zeros;
            *point -= (int)zeros;
        }
    }
    long wanted = count >= 0 ? count : (long)*point + places;
    if (wanted < 0)
        return 0;
    if ((long)have > wanted) {
        size_t keep = (size_t)wanted;
        int rest = fraction.size != 0, up = buffer[keep] > '5';
        if (buffer[keep] == '5') {
            for (size_t i = keep + 1; i < have && !rest; i++)
                rest = buffer[i] != '0';
            up = rest || (keep && (buffer[keep - 1] & 1));
        }
        have = keep;
        while (up && keep && ++buffer[keep - 1] > '9')
            keep--, have--; /* a nine becomes ten: its zero need not be written */
        if (up && !keep) {
            buffer[0] = '1';
            have = 1;
            ++*point;
        }
    }
    while (have && buffer[have - 1] == '0')
        have--;
    memcpy(digits, buffer, have);
    return have;
}

/* product * 2**exponent as a double: to the nearest, or down. The product is not 0. */
static double rounded(wide product, int exponent, int down)
{
    int zeros =
        product >> 64 ? __builtin_clzll((uint64_t)(product >> 64)) : 64 + __builtin_clzll((uint64_t)product);
    product <<= zeros;
    int top = 127 + exponent - zeros; /* 2**top <= value < 2**(top + 1) */
    int keep = top >= -1022 ? 53 : 53 - (-1022 - top);
    if (top > 1023)
        return down ? of_bits(0x7fefffffffffffffu) : __builtin_inf();
    if (keep < 0)
        return 0;
    uint64_t kept = keep ? (uint64_t)(product >> (128 - keep)) : 0;
    wide rest = keep ? product << keep : product, half = (wide)1 << 127;
    if (!down)
        kept += rest > half || (rest == half && kept & 1);
    return of_bits(keep == 53 ? ((uint64_t)(top + 1023) << 52) + (kept - (1ull << 52)) : kept);
}

/* Where 128 bits leave it open: digits * 10**exponent against the middle between `below` and the next
 * double. */
static double decided_exactly(const char *digits, size_t count, long exponent, double below)
{
    struct number left = {0}, right;
    size_t most = count < 800 ? count : 800;
    int more = 0;
    for (size_t i = 0; i < most; i++)
        multiply_add(&left, 10, (uint32_t)(digits[i] - '0'));
    for (size_t i = most; i < count; i++)
        more |= digits[i] != '0';
    exponent += (long)(count - most);
    int q;
    set(&right, 2 * parts_of(below, &q) + 1);
    if (q - 1 >= 0)
        shift_left(&right, q - 1);
    else
        shift_left(&left, 1 - q);
    multiply_power_of_ten(exponent >= 0 ? &left : &right, exponent >= 0 ? exponent : -exponent);
    int order = compare(&left, &right);
    if (order == 0 && more)
        order = 1;
    int up = order > 0 || (order == 0 && (bits_of(below) & 1));
    return of_bits(bits_of(below) + (uint64_t)up);
}

double nx_nearest(const char *digits, size_t count, long exponent)
{
    while (count && *digits == '0')
        digits++, count--;
    while (count && digits[count - 1] == '0')
        count--, exponent++;
    if (!count || (long)count + exponent < -330)
        return 0;
    if ((long)count + exponent > 310)
        return __builtin_inf();
    uint64_t head = 0;
    size_t taken = count < 19 ? count : 19;
    for (size_t i = 0; i < taken; i++)
        head = 10 * head + (uint64_t)(digits[i] - '0');
    if (taken == count && head < 1ull << 53 && exponent >= -22 && exponent <= 22) { /* both are exact */
        static const double tens[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12,
            1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
        return exponent < 0 ? (double)head / tens[-exponent] : (double)head * tens[exponent];
    }
    int power = (int)exponent + (int)(count - taken);
    if (power < NX_POWERS_FIRST)
        return 0;
    if (power > NX_POWERS_LAST)
        return __builtin_inf();
    const uint64_t *ten = nx_powers[power - NX_POWERS_FIRST];
    int zeros = __builtin_clzll(head), scale = log2_of_power(power) - 63 - zeros;
    uint64_t factor = head << zeros;
    wide low = (wide)ten[1] * factor, product = (wide)ten[0] * factor + (uint64_t)(low >> 64);
    /* The true product lies in [product, product + 2), with digits left out in [product, product + most). */
    wide most = product + 2 + (taken < count ? (wide)(ten[0] + 1) << zeros : 0);
    double least = rounded(product, scale, 0);
    if (most < product || least != rounded(most, scale, 0))
        return decided_exactly(digits, count, exponent, rounded(product, scale, 1));
    return least;
}
