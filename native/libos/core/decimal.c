/* Doubles in decimal. Integers of base 10^9 for what stands before the point, a binary fraction multiplied
 * by 10^9 for what stands behind it: slower than clever ways, and never wrong in the last digit. */
#include "decimal.h"

#include <stdint.h>
#include <string.h>

#define BASE 1000000000u
#define WORDS 36 /* 35 * 9 digits >= 309; 34 * 32 bits >= 1074 */

static void nine(char *to, uint32_t value)
{
    for (int i = 8; i >= 0; i--, value /= 10)
        to[i] = (char)('0' + value % 10);
}

/* mantissa * 2^shift, without leading zeros. */
static void before_point(struct nx_decimal *to, uint64_t mantissa, int shift)
{
    uint32_t words[WORDS] = {0}; /* base 10^9, least first */
    int count = 0;
    for (; mantissa; mantissa /= BASE)
        words[count++] = (uint32_t)(mantissa % BASE);
    while (shift > 0) {
        int part = shift < 29 ? shift : 29;
        uint64_t carry = 0;
        for (int i = 0; i < count; i++) {
            carry += (uint64_t)words[i] << part;
            words[i] = (uint32_t)(carry % BASE);
            carry /= BASE;
        }
        if (carry)
            words[count++] = (uint32_t)carry;
        shift -= part;
    }
    for (int i = count; i-- > 0;) {
        nine(to->digits + to->size, words[i]);
        to->size += 9;
    }
    size_t zeros = 0;
    while (zeros + 1 < to->size && to->digits[zeros] == '0')
        zeros++;
    if (!to->size)
        to->digits[to->size++] = '0';
    to->size -= zeros;
    memmove(to->digits, to->digits + zeros, to->size);
    to->whole = to->size;
}

/* mantissa * 2^-shift, less than one. */
static void behind_point(struct nx_decimal *to, uint64_t mantissa, int shift)
{
    uint32_t bits[WORDS] = {0}; /* the fraction's bits, least first; its point is behind words * 32 */
    int words = (shift + 31) / 32, up = words * 32 - shift, low = 0;
    unsigned __int128 wide = (unsigned __int128)mantissa << up;
    for (int i = 0; i < words && wide; i++, wide >>= 32)
        bits[i] = (uint32_t)wide;
    for (;;) {
        while (low < words && !bits[low])
            low++;
        if (low == words)
            break;
        uint64_t carry = 0;
        for (int i = low; i < words; i++) {
            carry += (uint64_t)bits[i] * BASE;
            bits[i] = (uint32_t)carry;
            carry >>= 32;
        }
        nine(to->digits + to->size, (uint32_t)carry);
        to->size += 9;
    }
}

void nx_decimal(struct nx_decimal *to, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    int exponent = (int)(bits >> 52 & 0x7ff);
    uint64_t mantissa = bits & ((1ull << 52) - 1);
    if (exponent)
        mantissa |= 1ull << 52;
    else
        exponent = 1;
    int shift = exponent - 1075;
    to->size = 0;
    if (shift >= 0) {
        before_point(to, mantissa, shift);
        return;
    }
    uint64_t whole = shift > -64 ? mantissa >> -shift : 0;
    before_point(to, whole, 0);
    behind_point(to, shift > -64 ? mantissa & ((1ull << -shift) - 1) : mantissa, -shift);
}

void nx_decimal_round(struct nx_decimal *decimal, size_t keep)
{
    if (keep >= decimal->size)
        return;
    char first = decimal->digits[keep];
    int up = first > '5';
    if (first == '5') {
        for (size_t i = keep + 1; i < decimal->size && !up; i++)
            up = decimal->digits[i] != '0';
        if (!up)
            up = keep > 0 && (decimal->digits[keep - 1] & 1);
    }
    decimal->size = keep;
    if (!up)
        return;
    while (keep > 0 && decimal->digits[keep - 1] == '9')
        decimal->digits[--keep] = '0';
    if (keep > 0) {
        decimal->digits[keep - 1]++;
        return;
    }
    memmove(decimal->digits + 1, decimal->digits, decimal->size);
    decimal->digits[0] = '1';
    decimal->size++;
    decimal->whole++;
}
