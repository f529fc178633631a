"""The class Decimal: a sign, an int and an exponent, which is "F" for infinities, "n" and "N" for NaNs."""

from . import _arithmetic
from ._arithmetic import INF, LOUD, MOST, QUIET, from_float, invalid, made, rescaled, size_of, special
from ._context import Context, getcontext
from ._methods import Methods
from ._operators import Operators
from ._signals import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    ConversionSyntax,
    FloatOperation,
    InvalidOperation,
)


class DecimalTuple(tuple):
    __module__ = "decimal"

    @property
    def sign(self):
        return self[0]

    @property
    def digits(self):
        return self[1]

    @property
    def exponent(self):
        return self[2]

    def __repr__(self):
        return "DecimalTuple(sign=%r, digits=%r, exponent=%r)" % (self[0], self[1], self[2])

    __str__ = __repr__


class Decimal(Operators, Methods):
    __module__ = "decimal"

    def __new__(cls, value="0", context=None):
        if context is not None and not isinstance(context, Context):
            raise TypeError("optional argument must be a context")
        if isinstance(value, str):
            from ._text import read

            parts = read(value)
            if parts is None:
                context = context or getcontext()
                context._signal(InvalidOperation, ConversionSyntax)
                return made(0, 0, QUIET, cls)
            self = made(parts[0], parts[1], parts[2], cls)
            if isinstance(parts[2], int) and not (-2 * MOST < parts[2] and self.adjusted() <= MOST):
                return invalid(context or getcontext())
            return self
        if isinstance(value, int):
            return made(int(value < 0), abs(int(value)), 0, cls)
        if isinstance(value, Decimal):
            return made(value._sign, value._int, value._exp, cls)
        if isinstance(value, float):
            (context or getcontext())._signal(FloatOperation)
            return from_float(value, cls)
        if isinstance(value, (list, tuple)):
            from ._text import from_tuple

            return made(*from_tuple(value), cls)
        raise TypeError("conversion from %s to Decimal is not supported" % type(value).__name__)

    @classmethod
    def from_float(cls, f):
        if isinstance(f, int):
            return cls(f)
        if not isinstance(f, float):
            raise TypeError("argument must be int or float")
        return from_float(f, cls)

    @property
    def real(self):
        return self

    @property
    def imag(self):
        return Decimal(0)

    def conjugate(self):
        return self

    def is_nan(self):
        return self._exp == QUIET or self._exp == LOUD

    def is_qnan(self):
        return self._exp == QUIET

    def is_snan(self):
        return self._exp == LOUD

    def is_infinite(self):
        return self._exp == INF

    def is_finite(self):
        return isinstance(self._exp, int)

    def is_signed(self):
        return self._sign == 1

    def is_zero(self):
        return self._int == 0 and isinstance(self._exp, int)

    def is_canonical(self):
        return True

    def canonical(self):
        return self

    def is_normal(self, context=None):
        context = context or getcontext()
        return self.is_finite() and self._int != 0 and self.adjusted() >= context.Emin

    def is_subnormal(self, context=None):
        context = context or getcontext()
        return self.is_finite() and self._int != 0 and self.adjusted() < context.Emin

    def adjusted(self):
        return self._exp + size_of(self._int) - 1 if isinstance(self._exp, int) else 0

    def as_tuple(self):
        if self._exp == INF:
            return DecimalTuple((self._sign, (0,), INF))
        text = str(self._int)
        if special(self) and not self._int:
            text = ""
        return DecimalTuple((self._sign, tuple([int(c) for c in text]), self._exp))

    def as_integer_ratio(self):
        if special(self):
            if self._exp == INF:
                raise OverflowError("cannot convert Infinity to integer ratio")
            raise ValueError("cannot convert NaN to integer ratio")
        value = -self._int if self._sign else self._int
        if not value:
            return 0, 1
        if self._exp >= 0:
            return value * 10**self._exp, 1
        from math import gcd

        down = 10**-self._exp
        common = gcd(abs(value), down)
        return value // common, down // common

    def radix(self):
        return Decimal(10)

    def number_class(self, context=None):
        if self.is_snan():
            return "sNaN"
        if self.is_nan():
            return "NaN"
        kind = "Infinity"
        if self.is_finite():
            kind = "Zero" if self._int == 0 else "Subnormal" if self.is_subnormal(context) else "Normal"
        return "-+"[not self._sign] + kind

    def __str__(self):
        from ._text import plain

        return plain(self, getcontext().capitals)

    def __repr__(self):
        return "Decimal('%s')" % self

    def to_eng_string(self, context=None):
        from ._text import plain

        return plain(self, (context or getcontext()).capitals, True)

    def __format__(self, spec, context=None):
        from ._text import formatted

        return formatted(self, spec, context or getcontext())

    def __hash__(self):
        if special(self):
            if self._exp == LOUD:
                raise TypeError("Cannot hash a signaling NaN value")
            return 314159 if self._exp == INF else id(self)
        up, down = self.as_integer_ratio()
        if down == 1:
            return hash(up)
        value = float(self)
        if value - value == 0 and value.as_integer_ratio() == (up, down):
            return hash(value)
        return hash((up, down))

    def __bool__(self):
        return self._int != 0 or special(self)

    def __int__(self):
        if special(self):
            if self._exp == INF:
                raise OverflowError("cannot convert Infinity to integer")
            raise ValueError("cannot convert NaN to integer")
        value = self._int * 10**self._exp if self._exp >= 0 else self._int // 10**-self._exp
        return -value if self._sign else value

    __trunc__ = __int__

    def __float__(self):
        if self._exp == LOUD:
            raise ValueError("cannot convert signaling NaN to float")
        if self._exp == QUIET:
            return float("-nan" if self._sign else "nan")
        return float(str(self))

    def __complex__(self):
        return complex(float(self))

    def __floor__(self):
        return int(self.to_integral_value(ROUND_FLOOR)) if not special(self) else int(self)

    def __ceil__(self):
        return int(self.to_integral_value(ROUND_CEILING)) if not special(self) else int(self)

    def __round__(self, n=None):
        if n is None:
            if self._exp == INF:
                raise OverflowError("cannot convert Infinity to integer")
            if special(self):
                raise ValueError("cannot convert NaN to integer")
            return int(rescaled(self, 0, ROUND_HALF_EVEN))
        if not isinstance(n, int):
            raise TypeError("optional arg must be an integer")
        return self.quantize(made(0, 1, -n))

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self


_arithmetic.Decimal = Decimal
