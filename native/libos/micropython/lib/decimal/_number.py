"""The class Decimal: a sign, an int and an exponent; the exponent is "F" for infinities, "n" and "N" for NaNs."""

from . import _arithmetic
from ._arithmetic import (
    INF,
    LOUD,
    QUIET,
    chosen,
    compared,
    divided_whole,
    finish,
    from_float,
    invalid,
    made,
    nan_of,
    needed,
    operand,
    order,
    ordered,
    product,
    quotient,
    rescaled,
    size_of,
    special,
    sum_of,
    total_order,
)
from ._context import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    ConversionSyntax,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Rounded,
    Subnormal,
    getcontext,
)


class DecimalTuple(tuple):
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


class Decimal:
    def __new__(cls, value="0", context=None):
        if isinstance(value, str):
            from ._text import read

            parts = read(value)
            if parts is None:
                context = context or getcontext()
                context._signal(InvalidOperation, ConversionSyntax)
                return made(0, 0, QUIET, cls)
            return made(parts[0], parts[1], parts[2], cls)
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
                raise ValueError("cannot round a NaN")
            return int(rescaled(self, 0, ROUND_HALF_EVEN))
        return self.quantize(made(0, 1, -n))

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def _finished(self, context):
        """This value, rounded to the context."""
        if special(self):
            found = nan_of(context, self)
            return made(self._sign, 0, INF) if found is None else found
        return finish(self._sign, self._int, self._exp, context)

    def __pos__(self, context=None):
        context = context or getcontext()
        if not special(self) and not self._int and context.rounding != ROUND_FLOOR:
            return finish(0, 0, self._exp, context)
        return self._finished(context)

    def __neg__(self, context=None):
        context = context or getcontext()
        if self.is_nan():
            return nan_of(context, self)
        sign = 1 - self._sign
        if self._int == 0 and not special(self) and context.rounding != ROUND_FLOOR:
            sign = 0
        return made(sign, self._int, self._exp)._finished(context)

    def __abs__(self, context=None):
        context = context or getcontext()
        return self.__neg__(context) if self._sign else self.__pos__(context)

    def copy_abs(self):
        return made(0, self._int, self._exp)

    def copy_negate(self):
        return made(1 - self._sign, self._int, self._exp)

    def copy_sign(self, other, context=None):
        return made(needed(other)._sign, self._int, self._exp)

    def __add__(self, other, context=None):
        other = operand(other)
        return NotImplemented if other is None else sum_of(self, other, 0, context or getcontext())

    __radd__ = __add__

    def __sub__(self, other, context=None):
        other = operand(other)
        return NotImplemented if other is None else sum_of(self, other, 1, context or getcontext())

    def __rsub__(self, other, context=None):
        other = operand(other)
        return NotImplemented if other is None else sum_of(other, self, 1, context or getcontext())

    def __mul__(self, other, context=None):
        other = operand(other)
        return NotImplemented if other is None else product(self, other, context or getcontext())

    __rmul__ = __mul__

    def __truediv__(self, other, context=None):
        other = operand(other)
        return NotImplemented if other is None else quotient(self, other, context or getcontext())

    def __rtruediv__(self, other, context=None):
        other = operand(other)
        return NotImplemented if other is None else quotient(other, self, context or getcontext())

    def __floordiv__(self, other, context=None):
        other = operand(other)
        return NotImplemented if other is None else divided_whole(self, other, context or getcontext(), 0)

    def __rfloordiv__(self, other, context=None):
        other = operand(other)
        return NotImplemented if other is None else divided_whole(other, self, context or getcontext(), 0)

    def __mod__(self, other, context=None):
        other = operand(other)
        return NotImplemented if other is None else divided_whole(self, other, context or getcontext(), 1)

    def __rmod__(self, other, context=None):
        other = operand(other)
        return NotImplemented if other is None else divided_whole(other, self, context or getcontext(), 1)

    def __divmod__(self, other, context=None):
        other = operand(other)
        return NotImplemented if other is None else divided_whole(self, other, context or getcontext(), 2)

    def __rdivmod__(self, other, context=None):
        other = operand(other)
        return NotImplemented if other is None else divided_whole(other, self, context or getcontext(), 2)

    def __pow__(self, other, modulo=None, context=None):
        other = operand(other)
        if other is None:
            return NotImplemented
        from ._functions import power

        return power(self, other, context or getcontext(), modulo)

    def __rpow__(self, other, context=None):
        other = operand(other)
        return NotImplemented if other is None else other.__pow__(self, None, context)

    def fma(self, other, third, context=None):
        other, third, context = needed(other), needed(third), context or getcontext()
        if special(self) or special(other):
            product = product(self, other, context)
        else:
            product = made(self._sign ^ other._sign, self._int * other._int, self._exp + other._exp)
        return sum_of(product, third, 0, context)

    def sqrt(self, context=None):
        from ._functions import root

        return root(self, context or getcontext())

    def exp(self, context=None):
        from ._functions import exp

        return exp(self, context or getcontext())

    def ln(self, context=None):
        from ._functions import ln

        return ln(self, context or getcontext())

    def log10(self, context=None):
        from ._functions import log10

        return log10(self, context or getcontext())

    def quantize(self, exp, rounding=None, context=None):
        exp, context = needed(exp), context or getcontext()
        if special(self) or special(exp):
            found = nan_of(context, self, exp)
            if found is not None:
                return found
            return self if self._exp == exp._exp else invalid(context)
        if not context.Etiny() <= exp._exp <= context.Emax:
            return invalid(context)
        found = rescaled(self, exp._exp, rounding or context.rounding)
        if self._int and (found.adjusted() > context.Emax or size_of(found._int) > context.prec):
            return invalid(context)
        if found._int and found.adjusted() < context.Emin:
            context._signal(Subnormal)
        if found._exp > self._exp:
            context._signal(Rounded)
            if found._int * 10 ** (found._exp - self._exp) != self._int:
                context._signal(Inexact)
        return found

    def same_quantum(self, other, context=None):
        other = needed(other)
        if special(self) or special(other):
            return (self.is_nan() and other.is_nan()) or (self.is_infinite() and other.is_infinite())
        return self._exp == other._exp

    def to_integral_value(self, rounding=None, context=None):
        context = context or getcontext()
        if special(self):
            found = nan_of(context, self)
            return self if found is None else found
        return self if self._exp >= 0 else rescaled(self, 0, rounding or context.rounding)

    to_integral = to_integral_value

    def to_integral_exact(self, rounding=None, context=None):
        context = context or getcontext()
        found = self.to_integral_value(rounding, context)
        if not special(self) and self._exp < 0:
            context._signal(Rounded)
            if found._int * 10**-self._exp != self._int:
                context._signal(Inexact)
        return found

    def normalize(self, context=None):
        context = context or getcontext()
        found = self._finished(context)
        if special(found):
            return found
        if not found._int:
            return made(found._sign, 0, 0)
        value, exp = found._int, found._exp
        limit = context.Etop() if context.clamp else context.Emax
        while value % 10 == 0 and exp < limit:
            value //= 10
            exp += 1
        return made(found._sign, value, exp)

    def scaleb(self, other, context=None):
        other, context = needed(other), context or getcontext()
        found = nan_of(context, self, other)
        if found is not None:
            return found
        if other._exp != 0:
            return invalid(context)
        if special(self):
            return self
        return finish(self._sign, self._int, self._exp + int(other), context)

    def __eq__(self, other):
        found = order(self, other)
        if found is None:
            return NotImplemented
        if found != found and (self.is_snan() or (isinstance(other, Decimal) and other.is_snan())):
            getcontext()._signal(InvalidOperation)
        return found == 0

    def __ne__(self, other):
        same = self.__eq__(other)
        return same if same is NotImplemented else not same

    def __lt__(self, other):
        found = ordered(self, other)
        return NotImplemented if found is None else found < 0

    def __le__(self, other):
        found = ordered(self, other)
        return NotImplemented if found is None else found <= 0

    def __gt__(self, other):
        found = ordered(self, other)
        return NotImplemented if found is None else found > 0

    def __ge__(self, other):
        found = ordered(self, other)
        return NotImplemented if found is None else found >= 0

    def compare(self, other, context=None):
        other = needed(other)
        found = nan_of(context or getcontext(), self, other)
        return Decimal(compared(self, other)) if found is None else found

    def compare_signal(self, other, context=None):
        other, context = needed(other), context or getcontext()
        if self.is_nan() or other.is_nan():
            context._signal(InvalidOperation)
            return nan_of(context, self, other)
        return Decimal(compared(self, other))

    def compare_total(self, other, context=None):
        return Decimal(total_order(self, needed(other)))

    def compare_total_mag(self, other, context=None):
        return Decimal(total_order(self.copy_abs(), needed(other).copy_abs()))

    def max(self, other, context=None):
        return chosen(self, other, 1, context or getcontext())

    def min(self, other, context=None):
        return chosen(self, other, -1, context or getcontext())

    def max_mag(self, other, context=None):
        return chosen(self, other, 1, context or getcontext(), True)

    def min_mag(self, other, context=None):
        return chosen(self, other, -1, context or getcontext(), True)


_arithmetic.Decimal = Decimal
