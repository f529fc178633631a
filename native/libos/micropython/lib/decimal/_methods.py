"""The methods of Decimals that take a context: functions, roundings and comparisons."""

from ._arithmetic import (
    chosen,
    compared,
    finish,
    invalid,
    made,
    nan_of,
    needed,
    product,
    rescaled,
    size_of,
    special,
    sum_of,
    total_order,
    whole,
)
from ._context import getcontext
from ._signals import Inexact, InvalidOperation, Rounded, Subnormal


class Methods:
    def fma(self, other, third, context=None):
        other, third, context = needed(other), needed(third), context or getcontext()
        if special(self) or special(other):
            both = product(self, other, context)
        else:
            both = made(self._sign ^ other._sign, self._int * other._int, self._exp + other._exp)
        return sum_of(both, third, 0, context)

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
        if found._exp > self._exp and self._int:
            context._signal(Rounded)
            if found._int * 10 ** (found._exp - self._exp) != self._int:
                context._signal(Inexact)
        return found._finished(context) if context.clamp else found

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
        if not special(self) and self._exp < 0 and self._int:
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
        if other._exp != 0 or other._int > 2 * (context.Emax + context.prec):
            return invalid(context)
        if special(self):
            return self
        return finish(self._sign, self._int, self._exp + int(other), context)

    def compare(self, other, context=None):
        other = needed(other)
        found = nan_of(context or getcontext(), self, other)
        return whole(compared(self, other)) if found is None else found

    def compare_signal(self, other, context=None):
        other, context = needed(other), context or getcontext()
        if self.is_nan() or other.is_nan():
            context._signal(InvalidOperation)
            return nan_of(context, self, other)
        return whole(compared(self, other))

    def compare_total(self, other, context=None):
        return whole(total_order(self, needed(other)))

    def compare_total_mag(self, other, context=None):
        return whole(total_order(self.copy_abs(), needed(other).copy_abs()))

    def max(self, other, context=None):
        return chosen(self, other, 1, context or getcontext())

    def min(self, other, context=None):
        return chosen(self, other, -1, context or getcontext())

    def max_mag(self, other, context=None):
        return chosen(self, other, 1, context or getcontext(), True)

    def min_mag(self, other, context=None):
        return chosen(self, other, -1, context or getcontext(), True)

    def remainder_near(self, other, context=None):
        from ._neighbours import remainder_near

        return remainder_near(self, needed(other), context or getcontext())

    def logb(self, context=None):
        from ._neighbours import logb

        return logb(self, context or getcontext())

    def next_minus(self, context=None):
        from ._neighbours import beside

        return beside(self, -1, context or getcontext())

    def next_plus(self, context=None):
        from ._neighbours import beside

        return beside(self, 1, context or getcontext())

    def next_toward(self, other, context=None):
        from ._neighbours import toward

        return toward(self, needed(other), context or getcontext())

    def shift(self, other, context=None):
        from ._digits import moved

        return moved(self, needed(other), context or getcontext(), False)

    def rotate(self, other, context=None):
        from ._digits import moved

        return moved(self, needed(other), context or getcontext(), True)

    def logical_and(self, other, context=None):
        from ._digits import logical

        return logical(self, needed(other), context or getcontext(), ("11",))

    def logical_or(self, other, context=None):
        from ._digits import logical

        return logical(self, needed(other), context or getcontext(), ("01", "10", "11"))

    def logical_xor(self, other, context=None):
        from ._digits import logical

        return logical(self, needed(other), context or getcontext(), ("01", "10"))

    def logical_invert(self, context=None):
        from ._digits import logical

        context = context or getcontext()
        return logical(self, made(0, int("1" * context.prec), 0), context, ("01", "10"))
