/* exp, log, log2, log10 and pow whose last digit is right: in pairs of doubles, 100 bits and more, rounded
 * once. Those of lib/libm_dbl are off by one there often enough that a program prints another number than
 * under CPython; they still decide what is infinite, zero or not a number (under the names nx_plain_*).
 * Invariant: nothing here is reassociated by the compiler (no -ffast-math). */
#include <math.h>

typedef struct {
    double high, low;
} pair;

static const pair ln2 = {0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56},
                  per_ln2 = {0x1.71547652b82fep+0, 0x1.777d0ffda0d24p-56},
                  per_ln10 = {0x1.bcb7b1526e50ep-2, 0x1.95355baaafad3p-57};
static const pair odd[] = { /* 1 / (2 n + 1) */
    {0x1.0000000000000p+0, 0x0.0p+0},
    {0x1.5555555555555p-2, 0x1.5555555555555p-56},
    {0x1.999999999999ap-3, -0x1.999999999999ap-57},
    {0x1.2492492492492p-3, 0x1.2492492492492p-57},
    {0x1.c71c71c71c71cp-4, 0x1.c71c71c71c71cp-58},
    {0x1.745d1745d1746p-4, -0x1.745d1745d1746p-59},
    {0x1.3b13b13b13b14p-4, -0x1.3b13b13b13b14p-58},
    {0x1.1111111111111p-4, 0x1.1111111111111p-60},
    {0x1.e1e1e1e1e1e1ep-5, 0x1.e1e1e1e1e1e1ep-61},
    {0x1.af286bca1af28p-5, 0x1.af286bca1af28p-59},
};
static const pair inverse_factorial[] = { /* 1 / n!, from 1 */
    {0x1.0000000000000p+0, 0x0.0p+0},
    {0x1.0000000000000p-1, 0x0.0p+0},
    {0x1.5555555555555p-3, 0x1.5555555555555p-57},
    {0x1.5555555555555p-5, 0x1.5555555555555p-59},
    {0x1.1111111111111p-7, 0x1.1111111111111p-63},
    {0x1.6c16c16c16c17p-10, -0x1.f49f49f49f49fp-65},
    {0x1.a01a01a01a01ap-13, 0x1.a01a01a01a01ap-73},
    {0x1.a01a01a01a01ap-16, 0x1.a01a01a01a01ap-76},
    {0x1.71de3a556c734p-19, -0x1.c154f8ddc6c00p-73},
};

double nx_plain_exp(double), nx_plain_log(double), nx_plain_log10(double), nx_plain_pow(double, double);

static pair quick_sum(double a, double b)
{
    double sum = a + b;
    return (pair){sum, b - (sum - a)};
}

static pair sum_of(double a, double b)
{
    double sum = a + b, part = sum - a;
    return (pair){sum, (a - (sum - part)) + (b - part)};
}

/* The product of two doubles, exactly: each cut in halves of 26 bits. */
static pair product_of(double a, double b)
{
    double cut = 134217729.0 * a, a1 = cut - (cut - a), a2 = a - a1;
    cut = 134217729.0 * b;
    double b1 = cut - (cut - b), b2 = b - b1, product = a * b;
    return (pair){product, ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2};
}

static pair add(pair a, pair b)
{
    pair high = sum_of(a.high, b.high), low = sum_of(a.low, b.low);
    high = quick_sum(high.high, high.low + low.high);
    return quick_sum(high.high, high.low + low.low);
}

static pair multiply(pair a, pair b)
{
    pair product = product_of(a.high, b.high);
    return quick_sum(product.high, product.low + (a.high * b.low + a.low * b.high));
}

static pair divide(pair a, pair b)
{
    double first = a.high / b.high;
    pair rest = multiply(b, (pair){-first, 0});
    rest = add(a, rest);
    double second = rest.high / b.high;
    rest = add(rest, multiply(b, (pair){-second, 0}));
    return add(quick_sum(first, second), (pair){rest.high / b.high, 0});
}

/* ln(x) for a finite x > 0: 2 atanh((m - 1) / (m + 1)) + e ln 2, with m near 1. */
static pair log_pair(double x)
{
    int exponent;
    double m = frexp(x, &exponent);
    if (m < 0.70710678118654752) {
        m *= 2;
        exponent--;
    }
    pair s = divide((pair){m - 1, 0}, sum_of(m, 1)), square = multiply(s, s);
    double tail = 0; /* below 2**-53 of the whole: plain arithmetic is enough */
    for (int n = 21; n >= 10; n--)
        tail = tail * square.high + 1.0 / (2 * n + 1);
    pair sum = {tail, 0};
    for (int n = 9; n >= 0; n--)
        sum = add(multiply(sum, square), odd[n]);
    sum = multiply(sum, s);
    sum = (pair){2 * sum.high, 2 * sum.low};
    return add(multiply(ln2, (pair){exponent, 0}), sum);
}

/* e**x, by e**(r / 512) with r within ln(2) / 2, squared nine times; |x| < 745. */
static double exp_pair(pair x)
{
    double times = nearbyint(x.high * per_ln2.high);
    pair r = add(x, multiply(ln2, (pair){-times, 0})), power;
    r = (pair){r.high / 512, r.low / 512};
    pair less = inverse_factorial[8]; /* e**r - 1 */
    for (int n = 7; n >= 0; n--)
        less = add(multiply(less, r), inverse_factorial[n]);
    less = multiply(less, r);
    for (int i = 0; i < 9; i++)
        less = multiply(less, add(less, (pair){2, 0}));
    power = add(less, (pair){1, 0});
    return ldexp(power.high, (int)times);
}

double exp(double x)
{
    return x > -700 && x < 709 && x != 0 ? exp_pair((pair){x, 0}) : nx_plain_exp(x);
}

static int is_usual(double x)
{
    return x > 0 && isfinite(x) && x != 1;
}

double log(double x)
{
    return is_usual(x) ? log_pair(x).high : nx_plain_log(x);
}

double log2(double x)
{
    return is_usual(x) ? multiply(log_pair(x), per_ln2).high : nx_plain_log(x);
}

double log10(double x)
{
    return is_usual(x) ? multiply(log_pair(x), per_ln10).high : nx_plain_log10(x);
}

/* x**n by squaring: exact as long as the result fits in 106 bits, so that ties are rounded to even. */
static double power_of(double x, int n)
{
    pair result = {1, 0}, square = {x, 0};
    for (unsigned left = n < 0 ? (unsigned)-n : (unsigned)n; left; left >>= 1) {
        if (left & 1)
            result = multiply(result, square);
        square = left > 1 ? multiply(square, square) : square;
    }
    return n < 0 ? divide((pair){1, 0}, result).high : result.high;
}

static double root_of(double x)
{
    double root;
    __asm__("sqrtsd %1, %0" : "=x"(root) : "x"(x)); /* rounds once, as IEEE 754 has it */
    return root;
}

double pow(double x, double y)
{
    if (y == 2)
        return x * x;
    if (y == 0.5 && x > 0 && isfinite(x))
        return root_of(x);
    double plain = nx_plain_pow(x, y), size = fabs(plain);
    /* beyond these bounds the pairs' low halves would vanish, or the result is exact */
    if (!(size > 1e-290 && size < 1e305) || !isfinite(x) || !isfinite(y) || x == 1 || x == -1 || y == 0)
        return plain;
    if (y == floor(y) && fabs(y) <= 64)
        return power_of(x, (int)y);
    pair power = multiply(log_pair(fabs(x)), (pair){y, 0});
    return copysign(exp_pair(power), plain);
}
