"""Fraction: exact rational numbers, from ints, floats, Decimals and text.

Hashes equal those of equal ints and floats, and are not CPython's.
"""

from math import _divided, gcd, inf

from _fraction_text import parsed


def _made(up, down, cls=None):
    """The Fraction of two ints that have no common factor; down > 0."""
    self = object.__new__(cls or Fraction)
    self._up, self._down = up, down
    return self


def _reduced(up, down):
    if down < 0:
        up, down = -up, -down
    common = gcd(up, down)
    if common > 1:
        up, down = up // common, down // common
    return _made(up, down)


def _whole(value):
    return isinstance(value, (int, bool))


class Fraction:
    def __new__(cls, numerator=0, denominator=None):
        if denominator is None:
            if _whole(numerator):
                return _made(int(numerator), 1, cls)
            if isinstance(numerator, Fraction):
                return _made(numerator._up, numerator._down, cls)
            if isinstance(numerator, str):
                pair = parsed(numerator)
                if pair is None:
                    raise ValueError("Invalid literal for Fraction: %r" % numerator)
            elif isinstance(numerator, float) or hasattr(numerator, "as_integer_ratio"):
                pair = numerator.as_integer_ratio()
                return _made(pair[0], pair[1], cls)
            elif hasattr(numerator, "numerator") and hasattr(numerator, "denominator"):
                return _made(numerator.numerator, numerator.denominator, cls)
            else:
                raise TypeError("argument should be a string or a Rational instance")
        elif not (_rational(numerator) and _rational(denominator)):
            raise TypeError("both arguments should be Rational instances")
        else:
            pair = _parts(numerator), _parts(denominator)
            pair = pair[0][0] * pair[1][1], pair[1][0] * pair[0][1]
        up, down = pair
        if down == 0:
            raise ZeroDivisionError("Fraction(%s, 0)" % up)
        if down < 0:
            up, down = -up, -down
        common = gcd(up, down)
        return _made(up // common, down // common, cls)

    @property
    def numerator(self):
        return self._up

    @property
    def denominator(self):
        return self._down

    @property
    def real(self):
        return self

    @property
    def imag(self):
        return 0

    def conjugate(self):
        return self

    @classmethod
    def from_float(cls, f):
        if _whole(f):
            return cls(f)
        if not isinstance(f, float):
            raise TypeError(
                "%s.from_float() only takes floats, not %r (%s)" % (cls.__name__, f, type(f).__name__)
            )
        return cls(f)

    @classmethod
    def from_decimal(cls, dec):
        if _whole(dec):
            return cls(dec)
        if not hasattr(dec, "as_tuple"):
            raise TypeError(
                "%s.from_decimal() only takes Decimals, not %r (%s)" % (cls.__name__, dec, type(dec).__name__)
            )
        return cls(dec)

    def as_integer_ratio(self):
        return self._up, self._down

    def is_integer(self):
        return self._down == 1

    def limit_denominator(self, max_denominator=1000000):
        """The nearest fraction with a denominator of at most so much, by continued fractions."""
        if max_denominator < 1:
            raise ValueError("max_denominator should be at least 1")
        if self._down <= max_denominator:
            return Fraction(self)
        p0, q0, p1, q1 = 0, 1, 1, 0
        n, d = self._up, self._down
        while True:
            a = n // d
            q2 = q0 + a * q1
            if q2 > max_denominator:
                break
            p0, q0, p1, q1 = p1, q1, p0 + a * p1, q2
            n, d = d, n - a * d
        k = (max_denominator - q0) // q1
        # of the last convergent and the largest semiconvergent the nearer; of equals the former
        if 2 * d * (q0 + k * q1) <= self._down:
            return _reduced(p1, q1)
        return _reduced(p0 + k * p1, q0 + k * q1)

    def __repr__(self):
        return "%s(%s, %s)" % (type(self).__name__, self._up, self._down)

    def __str__(self):
        return str(self._up) if self._down == 1 else "%s/%s" % (self._up, self._down)

    def __format__(self, spec):
        if spec:
            raise TypeError("unsupported format string passed to %s.__format__" % type(self).__name__)
        return str(self)

    def __float__(self):
        return _divided(self._up, self._down)

    def __int__(self):
        return -(-self._up // self._down) if self._up < 0 else self._up // self._down

    __trunc__ = __int__

    def __floor__(self):
        return self._up // self._down

    def __ceil__(self):
        return -(-self._up // self._down)

    def __round__(self, ndigits=None):
        if ndigits is None:
            return _nearest(self._up, self._down)
        shift = 10 ** abs(ndigits)
        if ndigits > 0:
            return Fraction(_nearest(self._up * shift, self._down), shift)
        return Fraction(_nearest(self._up, self._down * shift) * shift)

    def __bool__(self):
        return self._up != 0

    def __hash__(self):
        if self._down == 1:
            return hash(self._up)
        if self._down & (self._down - 1) == 0:
            value = float(self)
            if value - value == 0 and value.as_integer_ratio() == (self._up, self._down):
                return hash(value)
        return hash((self._up, self._down))

    def __copy__(self):
        return self if type(self) is Fraction else type(self)(self)

    def __deepcopy__(self, memo):
        return self.__copy__()

    def __neg__(self):
        return _made(-self._up, self._down)

    def __pos__(self):
        return _made(self._up, self._down)

    def __abs__(self):
        return _made(abs(self._up), self._down)

    def __add__(self, other):
        if isinstance(other, float):
            return float(self) + other
        if not _rational(other):
            return float(self) + other if isinstance(other, complex) else NotImplemented
        up, down = _parts(other)
        return _reduced(self._up * down + up * self._down, self._down * down)

    def __radd__(self, other):
        return self.__add__(other)

    def __sub__(self, other):
        if isinstance(other, float):
            return float(self) - other
        if not _rational(other):
            return float(self) - other if isinstance(other, complex) else NotImplemented
        up, down = _parts(other)
        return _reduced(self._up * down - up * self._down, self._down * down)

    def __rsub__(self, other):
        if isinstance(other, (float, complex)):
            return other - float(self)
        if not _rational(other):
            return NotImplemented
        up, down = _parts(other)
        return _reduced(up * self._down - self._up * down, self._down * down)

    def __mul__(self, other):
        if isinstance(other, float):
            return float(self) * other
        if not _rational(other):
            return float(self) * other if isinstance(other, complex) else NotImplemented
        up, down = _parts(other)
        return _reduced(self._up * up, self._down * down)

    def __rmul__(self, other):
        return self.__mul__(other)

    def __truediv__(self, other):
        if isinstance(other, (float, complex)):
            return float(self) / other
        return _quotient(self, _parts(other)) if _rational(other) else NotImplemented

    def __rtruediv__(self, other):
        if isinstance(other, (float, complex)):
            return other / float(self)
        return _quotient(other, (self._up, self._down)) if _rational(other) else NotImplemented

    def __floordiv__(self, other):
        if isinstance(other, float):
            return float(self) // other
        return _floor(self, other)[0] if _rational(other) else NotImplemented

    def __rfloordiv__(self, other):
        if isinstance(other, float):
            return other // float(self)
        return _floor(other, self)[0] if _rational(other) else NotImplemented

    def __mod__(self, other):
        if isinstance(other, float):
            return float(self) % other
        return _floor(self, other, _MODULO)[1] if _rational(other) else NotImplemented

    def __rmod__(self, other):
        if isinstance(other, float):
            return other % float(self)
        return _floor(other, self, _MODULO)[1] if _rational(other) else NotImplemented

    def __divmod__(self, other):
        if isinstance(other, float):
            return divmod(float(self), other)
        return _floor(self, other) if _rational(other) else NotImplemented

    def __rdivmod__(self, other):
        if isinstance(other, float):
            return divmod(other, float(self))
        return _floor(other, self) if _rational(other) else NotImplemented

    def __pow__(self, other):
        if not _rational(other):
            return float(self) ** other if isinstance(other, (float, complex)) else NotImplemented
        power, down = _parts(other)
        if down != 1:
            return float(self) ** _divided(power, down)
        if power >= 0:
            return _made(self._up**power, self._down**power)
        if self._up == 0:
            raise ZeroDivisionError("Fraction(%s, 0)" % self._down**-power)
        if self._up > 0:
            return _made(self._down**-power, self._up**-power)
        return _made((-self._down) ** -power, (-self._up) ** -power)

    def __rpow__(self, other):
        if self._down == 1 and self._up >= 0:
            return other**self._up
        if _rational(other):
            return Fraction(*_parts(other)) ** self
        if self._down == 1:
            return other**self._up
        return other ** float(self)

    def __eq__(self, other):
        if isinstance(other, int):
            return self._down == 1 and self._up == other
        if isinstance(other, float):
            if other - other != 0:
                return False
            return (self._up, self._down) == other.as_integer_ratio()
        if isinstance(other, complex):
            return other.imag == 0 and self == other.real
        if not _rational(other):
            return NotImplemented
        return (self._up, self._down) == _parts(other)

    def __ne__(self, other):
        same = self.__eq__(other)
        return same if same is NotImplemented else not same

    def _order(self, other):
        """Negative, zero or positive as self is less, equal or more; None: not comparable, nan for NaN."""
        if isinstance(other, float):
            if other != other:
                return other
            if other - other != 0:
                return -1 if other == inf else 1
            up, down = other.as_integer_ratio()
        elif _rational(other):
            up, down = _parts(other)
        else:
            return None
        return self._up * down - up * self._down

    def __lt__(self, other):
        order = self._order(other)
        return NotImplemented if order is None else order < 0

    def __le__(self, other):
        order = self._order(other)
        return NotImplemented if order is None else order <= 0

    def __gt__(self, other):
        order = self._order(other)
        return NotImplemented if order is None else order > 0

    def __ge__(self, other):
        order = self._order(other)
        return NotImplemented if order is None else order >= 0


_MODULO = "integer modulo by zero"


def _rational(value):
    return isinstance(value, (Fraction, int, bool))


def _parts(value):
    return (value._up, value._down) if isinstance(value, Fraction) else (int(value), 1)


def _nearest(up, down):
    """To the nearest integer, halves to even."""
    whole, rest = divmod(up, down)
    return whole + 1 if rest * 2 > down or (rest * 2 == down and whole & 1) else whole


def _quotient(value, by):
    up, down = _parts(value)
    if by[0] == 0:
        raise ZeroDivisionError("Fraction(%d, 0)" % ((up > 0) - (up < 0)))
    return _reduced(up * by[1], down * by[0])


def _floor(value, by, text="integer division or modulo by zero"):
    a, b = _parts(value)
    c, d = _parts(by)
    if c == 0:
        raise ZeroDivisionError(text)
    whole, rest = divmod(a * d, b * c)
    return whole, _reduced(rest, b * d)
