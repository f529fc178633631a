/* The functions of lib/libm_dbl and of math_functions.c; double is the only type. */
#ifndef NX_MATH_H
#define NX_MATH_H

#define NAN __builtin_nan("")
#define INFINITY __builtin_inf()
#define HUGE_VAL __builtin_inf()

#define FP_NAN 0
#define FP_INFINITE 1
#define FP_ZERO 2
#define FP_SUBNORMAL 3
#define FP_NORMAL 4
#define fpclassify(x) __builtin_fpclassify(FP_NAN, FP_INFINITE, FP_NORMAL, FP_SUBNORMAL, FP_ZERO, x)
#define isnan(x) __builtin_isnan(x)
#define isinf(x) __builtin_isinf_sign(x)
#define isfinite(x) __builtin_isfinite(x)
#define isnormal(x) __builtin_isnormal(x)
#define signbit(x) __builtin_signbit(x)
#define nan(text) __builtin_nan(text)

#define M_E 2.71828182845904523536
#define M_LN2 0.69314718055994530942
#define M_LN10 2.30258509299404568402
#define M_PI 3.14159265358979323846
#define M_PI_2 1.57079632679489661923
#define M_PI_4 0.78539816339744830962
#define M_SQRT2 1.41421356237309504880

typedef float float_t;
typedef double double_t;

double acos(double), acosh(double), asin(double), asinh(double), atan(double), atan2(double, double);
double atanh(double), cbrt(double), ceil(double), copysign(double, double), cos(double), cosh(double);
double erf(double), erfc(double), exp(double), exp2(double), expm1(double), fabs(double), floor(double);
double fmod(double, double), frexp(double, int *), hypot(double, double), ldexp(double, int), lgamma(double);
double log(double), log10(double), log1p(double), log2(double), modf(double, double *), nearbyint(double);
double pow(double, double), rint(double), round(double), scalbn(double, int), sin(double), sinh(double);
void sincos(double, double *, double *);
double sqrt(double), tan(double), tanh(double), tgamma(double), trunc(double);

#endif
