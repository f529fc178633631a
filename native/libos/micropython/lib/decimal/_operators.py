"""The operators of Decimals. An operand that is no Decimal or int decides the operation itself."""

from ._arithmetic import (
    divided_whole,
    finish,
    made,
    nan_of,
    needed,
    operand,
    order,
    ordered,
    product,
    quotient,
    special,
    sum_of,
)
from ._context import getcontext
from ._signals import ROUND_FLOOR, InvalidOperation


class Operators:
    def _finished(self, context):
        """This value, rounded to the context."""
        if special(self):
            found = nan_of(context, self)
            return self if found is None else found
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

    def __eq__(self, other):
        found = order(self, other)
        if found is None:
            return NotImplemented
        if found != found and (self.is_snan() or (hasattr(other, "is_snan") and other.is_snan())):
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
