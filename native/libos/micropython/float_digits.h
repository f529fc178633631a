/* Doubles and decimal digits, exactly, in both directions. No allocation, no floating-point arithmetic except
 * where it is exact. Values are finite and greater than 0. */
#ifndef NX_FLOAT_DIGITS_H
#define NX_FLOAT_DIGITS_H

#include <stddef.h>
#include <stdint.h>

/* The decimal digits * 10**exponent, without zeros at the digits' end. */
struct nx_decimal {
    uint64_t digits;
    int exponent;
};

/* The shortest decimal that reads back as `value`; of those, the nearest. */
struct nx_decimal nx_shortest(double value);

/* Digits of the exact value, correctly rounded (half to even): `count` significant ones, or where `count` <
 * 0, those up to and including the one `places` behind the point. Writes at most NX_DIGITS_MOST, gives how
 * many: fewer than asked where the rest are zeros, 0 where all is rounded away. The value is 0.DIGITS *
 * 10**point. */
#define NX_DIGITS_MOST 1100
size_t nx_rounded_digits(double value, int count, int places, char *digits, int *point);

/* The double nearest to digits * 10**exponent, ties to even: 0 and infinity too. Digits are '0' to '9', any
 * number of them; zeros in front are allowed. */
double nx_nearest(const char *digits, size_t count, long exponent);

#endif
