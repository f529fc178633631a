/* The functions of <math.h> that lib/libm_dbl lacks. Those of one instruction are that instruction. */
#include <math.h>
#include <stdint.h>

double sqrt(double x)
{
    __asm__("sqrtsd %0, %0" : "+x"(x));
    return x;
}

double fabs(double x)
{
    return __builtin_fabs(x);
}

/* 2**n exactly, where that is a number; the rest by parts. */
double exp2(double x)
{
    double whole = floor(x);
    if (whole == x && x > -1075 && x < 1025)
        return ldexp(1, (int)x);
    return pow(2, x);
}

double cbrt(double x)
{
    if (x == 0 || !isfinite(x))
        return x;
    int exponent;
    double fraction = frexp(fabs(x), &exponent); /* in [0.5, 1) */
    int rest = ((exponent % 3) + 3) % 3;
    fraction = ldexp(fraction, rest);
    double root = pow(fraction, 1.0 / 3);
    root -= (root * root * root - fraction) / (3 * root * root); /* Newton: the last bits */
    return copysign(ldexp(root, (exponent - rest) / 3), x);
}

/* Scaled, so that neither squaring overflows nor small numbers vanish. */
double hypot(double x, double y)
{
    x = fabs(x);
    y = fabs(y);
    if (isinf(x) || isinf(y))
        return INFINITY;
    if (x < y) {
        double other = x;
        x = y;
        y = other;
    }
    if (x == 0 || isnan(x) || isnan(y))
        return x + y;
    int exponent;
    frexp(x, &exponent);
    x = ldexp(x, -exponent);
    y = ldexp(y, -exponent);
    return ldexp(sqrt(x * x + y * y), exponent);
}

/* What the compiler makes of sin and cos of one value; it must not see that here too the value is one, or this
 * calls itself. */
void sincos(double x, double *sine, double *cosine)
{
    volatile double same = x;
    *sine = sin(x);
    *cosine = cos(same);
}
