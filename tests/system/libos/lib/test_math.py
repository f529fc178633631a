"""The guests' math against CPython's."""


def test_math(same):
    same("""
import math
print(math.gcd(12,18), math.gcd(), math.lcm(4,6), math.isqrt(10**40+1), math.factorial(30))
print(math.comb(50,25), math.perm(5,2), math.prod([1,2,3.5]), math.hypot(3,4), math.hypot(1,2,3))
print(math.dist((1,2),(4,6)), math.fsum([.1]*10), math.fsum([1e100,1,-1e100]), math.log2(1024))
print(math.log(10**400), math.log(8,2), math.log10(1000), math.sqrt(2), math.floor(-2.5), math.ceil(2.1))
print(math.ulp(1.0), math.nextafter(1.0,2), math.remainder(7,4), math.exp(1), math.pi, math.log1p(1e-10))
print(math.degrees(math.pi), math.isclose(0.1+0.2,0.3), math.copysign(1,-0.0), math.modf(2.5))
print(math.frexp(8.0))
for f in (lambda: math.sqrt(-1), lambda: math.log(0), lambda: math.factorial(-1), lambda: math.gcd(1.5)):
    try: f()
    except (ValueError,TypeError) as e: print(type(e).__name__, e)
""")
