"""mean fmean geometric_mean harmonic_mean median median_low median_high median_grouped mode multimode
stdev pstdev variance pvariance quantiles covariance correlation linear_regression NormalDist.

Sums of floats are exact (whole numbers over a power of two), so results are CPython's to the last digit;
Fraction and Decimal are added as they are. `kde` is not here.
"""

from math import _bits, _divided, _root, fsum, sqrt


class StatisticsError(ValueError):
    pass


def _ratio(x):
    if isinstance(x, (int, bool)):
        return int(x), 1
    if isinstance(x, float):
        from math import _ratio as parts

        m, e = parts(x)
        if e >= 0:
            return m << e, 1
        while e < 0 and not m & 1 and m:
            m >>= 1
            e += 1
        return (m, 1 << -e) if e < 0 else (m << e, 1)
    if hasattr(x, "as_integer_ratio"):
        return x.as_integer_ratio()
    if hasattr(x, "numerator"):
        return x.numerator, x.denominator
    raise TypeError("can't convert type '" + type(x).__name__ + "' to numerator/denominator")


def _kind(data):
    """int, float, or the class (Fraction, Decimal) that results are given in."""
    kind = int
    for x in data:
        t = type(x)
        if t is float:
            return float
        if t is not int and t is not bool:
            kind = t
    return kind


def _special(data):
    for x in data:
        if isinstance(x, float) and x - x != 0:
            return True
    return False


def _sum(data):
    """The exact sum as (numerator, denominator)."""
    parts = {}
    for x in data:
        n, d = _ratio(x)
        parts[d] = parts.get(d, 0) + n
    n, d = 0, 1
    for below, above in parts.items():
        if below == d:
            n += above
        elif below % d == 0:
            n = n * (below // d) + above
            d = below
        elif d % below == 0:
            n += above * (d // below)
        else:
            n, d = n * below + above * d, d * below
    return n, d


def _give(n, d, kind):
    """n / d as `kind`; whole numbers of int data become float where they are not whole."""
    if kind is int:
        return n // d if n % d == 0 else _divided(n, d)
    if kind is float:
        return _divided(n, d)
    name = kind.__name__
    if name == "Fraction":
        return kind(n, d)
    return kind(n) / kind(d)


def _list(data):
    return data if isinstance(data, list) else list(data)


def mean(data):
    data = _list(data)
    if not data:
        raise StatisticsError("mean requires at least one data point")
    if _special(data):
        return sum(data) / len(data)
    n, d = _sum(data)
    return _give(n, d * len(data), _kind(data))


def fmean(data, weights=None):
    data = _list(data)
    if weights is None:
        if not data:
            raise StatisticsError("fmean requires at least one data point")
        return fsum(data) / len(data)
    weights = _list(weights)
    if len(weights) != len(data):
        raise StatisticsError("data and weights must be the same length")
    total = fsum(weights)
    if not total:
        raise StatisticsError("sum of weights must be non-zero")
    return fsum([x * w for x, w in zip(data, weights)]) / total


def geometric_mean(data):
    from math import exp, log

    data = [float(x) for x in data]
    if not data:
        raise StatisticsError("Must have a non-empty dataset")
    for x in data:
        if x <= 0:
            raise StatisticsError(
                "No negative inputs allowed" if x < 0 else "geometric mean requires positive data"
            )
    return exp(fsum([log(x) for x in data]) / len(data))


def harmonic_mean(data, weights=None):
    data = _list(data)
    if not data:
        raise StatisticsError("harmonic_mean requires at least one data point")
    weights = [1] * len(data) if weights is None else _list(weights)
    parts = []
    for x, w in zip(data, weights):
        if x < 0:
            raise StatisticsError("harmonic mean does not support negative values")
        if x == 0:
            return 0
        parts.append(w / x)
    n, d = _sum(parts)
    wn, wd = _sum(weights)
    return _give(wn * d, wd * n, _kind(parts))


def median(data):
    data = sorted(data)
    n = len(data)
    if n == 0:
        raise StatisticsError("no median for empty data")
    i = n // 2
    return data[i] if n % 2 else (data[i - 1] + data[i]) / 2


def median_low(data):
    data = sorted(data)
    if not data:
        raise StatisticsError("no median for empty data")
    return data[(len(data) - 1) // 2]


def median_high(data):
    data = sorted(data)
    if not data:
        raise StatisticsError("no median for empty data")
    return data[len(data) // 2]


def median_grouped(data, interval=1.0):
    data = sorted(data)
    n = len(data)
    if not n:
        raise StatisticsError("no median for empty data")
    x = data[n // 2]
    i = 0
    while data[i] != x:
        i += 1
    f = 0
    while i + f < n and data[i + f] == x:
        f += 1
    interval = float(interval)
    return float(x) - interval / 2.0 + interval * (n / 2 - i) / f


def _counts(data):
    counts = {}
    for x in data:
        counts[x] = counts.get(x, 0) + 1
    return counts


def mode(data):
    best = None
    most = 0
    for x, count in _counts(data).items():
        if count > most:
            best, most = x, count
    if not most:
        raise StatisticsError("no mode for empty data")
    return best


def multimode(data):
    counts = _counts(data)
    most = max(counts.values()) if counts else 0
    return [x for x, count in counts.items() if count == most]


def _squares(data, centre):
    """The exact sum of squared distances from `centre` (of the mean where it is None), as a ratio."""
    if centre is not None:
        n, d = _ratio(centre)
        total = (0, 1)
        pairs = []
        for x in data:
            a, b = _ratio(x)
            a = a * d - n * b
            pairs.append((a * a, b * b * d * d))
        for a, b in pairs:
            if b == total[1]:
                total = (total[0] + a, b)
            else:
                total = (total[0] * b + a * total[1], total[1] * b)
        return total
    n = len(data)
    sn, sd = _sum(data)
    parts = {}
    for x in data:
        a, b = _ratio(x)
        parts[b] = parts.get(b, 0) + a * a
    qn, qd = 0, 1
    for below, above in parts.items():
        below *= below
        qn, qd = qn * below + above * qd, qd * below
    return (n * qn * sd * sd - sn * sn * qd), n * qd * sd * sd


def _variance(data, centre, less, name, least):
    data = _list(data)
    if len(data) < least:
        raise StatisticsError(
            name + " requires at least " + ("two data points" if least == 2 else "one data point")
        )
    n, d = _squares(data, centre)
    return n, d * (len(data) - less), _kind(data)


def variance(data, xbar=None):
    return _give(*_variance(data, xbar, 1, "variance", 2))


def pvariance(data, mu=None):
    return _give(*_variance(data, mu, 0, "pvariance", 1))


def _deviation(n, d, kind):
    if kind is not int and kind is not float and kind.__name__ == "Decimal":
        return (kind(n) / kind(d)).sqrt()
    return _ratio_root(n, d)


def _ratio_root(n, d):
    """The float nearest to the root of n / d."""
    if n == 0:
        return 0.0
    shift = max(0, 124 - _bits(n) + _bits(d))
    shift += shift & 1
    quotient, rest = divmod(n << shift, d)
    if rest:
        quotient = quotient << 2 | 1
        shift += 2
    return _root(quotient, -shift)


def stdev(data, xbar=None):
    return _deviation(*_variance(data, xbar, 1, "stdev", 2))


def pstdev(data, mu=None):
    return _deviation(*_variance(data, mu, 0, "pstdev", 1))


def quantiles(data, *, n=4, method="exclusive"):
    if n < 1:
        raise StatisticsError("n must be at least 1")
    data = sorted(data)
    size = len(data)
    if size < 2:
        raise StatisticsError("must have at least two data points")
    result = []
    if method == "inclusive":
        for i in range(1, n):
            j, delta = divmod(i * (size - 1), n)
            result.append((data[j] * (n - delta) + data[j + 1] * delta) / n)
        return result
    if method != "exclusive":
        raise ValueError("Unknown method: " + repr(method))
    for i in range(1, n):
        j = i * (size + 1) // n
        j = 1 if j < 1 else size - 1 if j > size - 1 else j
        delta = i * (size + 1) - j * n
        result.append((data[j - 1] * (n - delta) + data[j] * delta) / n)
    return result


def _pairs(x, y, name):
    x, y = _list(x), _list(y)
    if len(x) != len(y):
        raise StatisticsError(name + " requires that both inputs have same number of data points")
    if len(x) < 2:
        raise StatisticsError(name + " requires at least two data points")
    return x, y


def covariance(x, y):
    x, y = _pairs(x, y, "covariance")
    n = len(x)
    xbar, ybar = fsum(x) / n, fsum(y) / n
    return fsum([(a - xbar) * (b - ybar) for a, b in zip(x, y)]) / (n - 1)


def correlation(x, y, *, method="linear"):
    x, y = _pairs(x, y, "correlation")
    if method == "ranked":
        x, y = _ranks(x), _ranks(y)
    n = len(x)
    xbar, ybar = fsum(x) / n, fsum(y) / n
    sxy = fsum([(a - xbar) * (b - ybar) for a, b in zip(x, y)])
    sxx = fsum([(a - xbar) * (a - xbar) for a in x])
    syy = fsum([(b - ybar) * (b - ybar) for b in y])
    if not sxx * syy:
        raise StatisticsError("at least one of the inputs is constant")
    return sxy / sqrt(sxx * syy)


def _ranks(data):
    order = sorted(range(len(data)), key=lambda i: data[i])
    ranks = [0.0] * len(data)
    i = 0
    while i < len(order):
        k = i
        while k + 1 < len(order) and data[order[k + 1]] == data[order[i]]:
            k += 1
        for at in range(i, k + 1):
            ranks[order[at]] = (i + k) / 2 + 1
        i = k + 1
    return ranks


_line = None


def linear_regression(x, y, *, proportional=False):
    global _line
    if _line is None:
        from collections import namedtuple

        _line = namedtuple("LinearRegression", ("slope", "intercept"))
    x, y = _pairs(x, y, "linear regression")
    n = len(x)
    xbar = ybar = 0.0
    if not proportional:
        xbar, ybar = fsum(x) / n, fsum(y) / n
        x = [a - xbar for a in x]
        y = [b - ybar for b in y]
    sxy = fsum([a * b for a, b in zip(x, y)]) + 0.0
    sxx = fsum([a * a for a in x])
    if not sxx:
        raise StatisticsError("x is constant")
    slope = sxy / sxx
    return _line(slope, 0.0 if proportional else ybar - slope * xbar)


def __getattr__(name):
    if name == "NormalDist":
        from _normal import NormalDist

        return NormalDist
    raise AttributeError("module 'statistics' has no attribute '" + name + "'")
