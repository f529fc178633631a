"""math, with what MicroPython's lacks: gcd lcm isqrt comb perm prod dist hypot fsum sumprod cbrt exp2
nextafter ulp remainder log with any int, floor and ceil of any number.

CPython's functions that are not here: none of 3.12.
"""

from umath import *
from umath import ceil as _ceil
from umath import floor as _floor
from umath import frexp as _frexp
from umath import inf, ldexp, nan
from umath import log as _log
from umath import log2 as _log2
from umath import sqrt as _sqrt
from umath import trunc as _trunc


def _index(x):
    if isinstance(x, int):
        return x
    if hasattr(x, "__index__"):
        return x.__index__()
    raise TypeError("'" + type(x).__name__ + "' object cannot be interpreted as an integer")


def gcd(*integers):
    result = 0
    for x in integers:
        x = _index(x)
        if x < 0:
            x = -x
        while x:
            result, x = x, result % x
    return result


def lcm(*integers):
    result = 1
    for x in integers:
        x = abs(_index(x))
        if x == 0:
            return 0
        result = result // gcd(result, x) * x
    return result


def isqrt(n):
    n = _index(n)
    if n < 0:
        raise ValueError("isqrt() argument must be nonnegative")
    if n == 0:
        return 0
    if n < 1 << 50:
        return int(_sqrt(n))
    bits = len(hex(n)) * 4
    x = 1 << (bits + 1) // 2
    while True:
        y = (x + n // x) // 2
        if y >= x:
            return x
        x = y


def factorial(n):
    if isinstance(n, float):
        raise TypeError("'float' object cannot be interpreted as an integer")
    n = _index(n)
    if n < 0:
        raise ValueError("factorial() not defined for negative values")
    return _span(1, n)


def _span(low, high):
    if high - low < 8:
        result = 1
        for i in range(low, high + 1):
            result *= i
        return result
    middle = (low + high) // 2
    return _span(low, middle) * _span(middle + 1, high)


def perm(n, k=None):
    if k is None:
        return factorial(n)
    n, k = _index(n), _index(k)
    if n < 0:
        raise ValueError("n must be a non-negative integer")
    if k < 0:
        raise ValueError("k must be a non-negative integer")
    return 0 if k > n else _span(n - k + 1, n)


def comb(n, k):
    n, k = _index(n), _index(k)
    if n < 0:
        raise ValueError("n must be a non-negative integer")
    if k < 0:
        raise ValueError("k must be a non-negative integer")
    if k > n:
        return 0
    k = min(k, n - k)
    return _span(n - k + 1, n) // _span(1, k)


def prod(iterable, *, start=1):
    for x in iterable:
        start = start * x
    return start


def fsum(seq):
    # Partial sums that do not overlap; their sum is exact.
    partials = []
    special = 0.0
    for x in seq:
        x = float(x)
        if x - x != 0:
            special += x
            continue
        i = 0
        for y in partials:
            if abs(x) < abs(y):
                x, y = y, x
            high = x + y
            low = y - (high - x)
            if low:
                partials[i] = low
                i += 1
            x = high
        partials[i:] = [x]
    if special != 0 or special != special:
        return special
    total = 0.0
    n = len(partials)
    if n:
        n -= 1
        total = partials[n]
        low = 0.0
        while n > 0:
            x = total
            n -= 1
            y = partials[n]
            total = x + y
            low = y - (total - x)
            if low:
                break
        # Half way between two floats, what remains decides.
        if n > 0 and ((low < 0 and partials[n - 1] < 0) or (low > 0 and partials[n - 1] > 0)):
            y = low * 2
            x = total + y
            if y == x - total:
                total = x
    return total


def sumprod(p, q):
    p, q = list(p), list(q)
    if len(p) != len(q):
        raise ValueError("Inputs are not the same length")
    total = 0
    exact = True
    for a, b in zip(p, q):
        exact = exact and not (isinstance(a, float) or isinstance(b, float))
        total = total + a * b
    if exact or not all([isinstance(x, (int, float)) for x in p + q]):
        return total
    return _rounded(_exact_sum([_times(a, b) for a, b in zip(p, q)]))


def _ratio(x):
    """(m, e): x is m * 2**e."""
    if isinstance(x, int):
        return x, 0
    m, e = _frexp(x)
    return int(m * 9007199254740992.0), e - 53


def _times(a, b):
    m, e = _ratio(a)
    n, f = _ratio(b)
    return m * n, e + f


def _exact_sum(pairs):
    low = min([e for _, e in pairs]) if pairs else 0
    return sum([m << (e - low) for m, e in pairs]), low


def _bits(n):
    return (len(hex(n)) - 3) * 4 + len(bin(n >> (len(hex(n)) - 3) * 4)) - 2 if n else 0


def _rounded(pair, rest=False):
    """The float nearest to m * 2**e, and a little more where there is a `rest`; ties to even."""
    m, e = pair
    if m < 0:
        return -_rounded((-m, e), rest)
    cut = max(_bits(m) - 53, -1074 - e)
    if cut > 0:
        below = m & ((1 << cut) - 1)
        m >>= cut
        half = 1 << cut - 1
        if below > half or (below == half and (rest or m & 1)):
            m += 1
        e += cut
    if m and _bits(m) + e > 1024:
        raise OverflowError("integer division result too large for a float")
    return ldexp(float(m), e)


def _divided(n, d):
    """The float nearest to n / d, for whole numbers of any size."""
    if d < 0:
        n, d = -n, -d
    if n < 0:
        return -_divided(-n, d)
    shift = max(0, 64 + _bits(d) - _bits(n))
    quotient, rest = divmod(n << shift, d)
    return _rounded((quotient, -shift), rest != 0)


def hypot(*coordinates):
    values = [abs(float(x)) for x in coordinates]
    for x in values:
        if x == inf:
            return inf
    biggest = max(values) if values else 0.0
    if biggest == 0.0 or biggest != biggest:
        return biggest
    for x in values:
        if x != x:
            return nan
    return _root(*_exact_sum([_times(x, x) for x in values]))


def _root(m, e):
    """The float nearest to the root of m * 2**e."""
    if e & 1:
        m, e = m << 1, e - 1
    shift = max(0, 120 - _bits(m))
    shift += shift & 1
    m <<= shift
    root = isqrt(m)
    if root * root != m:
        root |= 1  # a bit that was cut off decides a tie
    return _rounded((root, (e - shift) // 2))


def dist(p, q):
    p, q = tuple(p), tuple(q)
    if len(p) != len(q):
        raise ValueError("both points must have the same number of dimensions")
    return hypot(*[float(a) - float(b) for a, b in zip(p, q)])


def cbrt(x):
    if x == 0 or x != x or x in (inf, -inf):
        return float(x)
    root = abs(x) ** (1 / 3)
    root -= (root * root * root - abs(x)) / (3 * root * root)
    return root if x > 0 else -root


def exp2(x):
    return 2.0**x


def floor(x):
    return x.__floor__() if hasattr(x, "__floor__") and not isinstance(x, (int, float)) else _floor(x)


def ceil(x):
    return x.__ceil__() if hasattr(x, "__ceil__") and not isinstance(x, (int, float)) else _ceil(x)


def trunc(x):
    return x.__trunc__() if hasattr(x, "__trunc__") and not isinstance(x, (int, float)) else _trunc(x)


def _log_of(x, simple, two):
    if isinstance(x, int) and x >= 1 << 1000:
        bits = len(hex(x)) * 4 - 72
        return simple(float(x >> bits)) + bits * two
    if not isinstance(x, (int, float)):
        x = float(x)
    if x <= 0:
        raise ValueError("math domain error")
    return simple(x)


def log(x, *base):
    result = _log_of(x, _log, 0.6931471805599453)
    return result / _log_of(base[0], _log, 0.6931471805599453) if base else result


def log2(x):
    if isinstance(x, int) and x > 0 and x & (x - 1) == 0:
        return float(len(bin(x)) - 3)
    return _log_of(x, _log2, 1.0)


def _log10(x):
    from umath import log10

    return log10(x)


def log10(x):
    return _log_of(x, _log10, 0.3010299956639812)


def log1p(x):
    if x <= -1:
        raise ValueError("math domain error")
    if abs(x) > 0.5:
        return _log(1 + x)
    u = 1.0 + x
    return x if u == 1.0 else _log(u) * x / (u - 1.0)


def sqrt(x):
    x = float(x)
    if x < 0:
        raise ValueError("math domain error")
    return _sqrt(x)


def remainder(x, y):
    if y == 0 or x in (inf, -inf):
        raise ValueError("math domain error")
    if y in (inf, -inf):
        return x
    m, e = _ratio(float(x))
    n, f = _ratio(float(y))
    low = min(e, f)
    m <<= e - low
    n = abs(n << (f - low))
    q, r = divmod(m, n)
    if 2 * r > n or (2 * r == n and q & 1):
        r -= n
    result = _rounded((r, low))
    return -0.0 if result == 0 and x < 0 else result


def ulp(x):
    x = abs(float(x))
    if x != x or x == inf:
        return x
    e = _frexp(x)[1]
    return ldexp(1.0, max(e - 53, -1074)) if x else 5e-324


def nextafter(x, y, *, steps=1):
    from struct import pack, unpack

    x, y = float(x), float(y)
    for _ in range(steps):
        if x != x or y != y:
            return nan
        if x == y:
            return y
        if x == 0:
            x = 5e-324 if y > 0 else -5e-324
            continue
        bits = unpack("<q", pack("<d", x))[0]
        bits += 1 if (y > x) == (x > 0) else -1
        x = unpack("<d", pack("<q", bits))[0]
    return x
