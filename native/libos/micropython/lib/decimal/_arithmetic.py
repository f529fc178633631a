"""Arithmetic on Decimals: every result goes through `finish`, which rounds it to the context."""

from ._context import getcontext
from ._signals import (
    ROUND_05UP,
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    Clamped,
    DivisionByZero,
    DivisionImpossible,
    DivisionUndefined,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Overflow,
    Rounded,
    Subnormal,
    Underflow,
    rounded_up,
)

INF, QUIET, LOUD = "F", "n", "N"
MOST = 999999999999999999  # the largest exponent of any context
Decimal = None  # _number.py puts the class here


def made(sign, value, exp, cls=None):
    self = object.__new__(cls or Decimal)
    self._sign, self._int, self._exp = sign, value, exp
    return self


def whole(value):
    return made(int(value < 0), abs(value), 0)


def size_of(value):
    """The number of decimal digits of an int >= 0; 1 for 0."""
    if value < 1000000000000000000000000000000000000000000000000000000000000:
        return len(str(value))
    guess = int((value.bit_length() - 1) * 0.301029995663981)  # one less, at most
    return guess + 1 + (value >= 10 ** (guess + 1))


def from_float(value, cls=None):
    if value != value:
        return made(0, 0, QUIET, cls)
    if value - value != 0:
        return made(int(value < 0), 0, INF, cls)
    up, down = value.as_integer_ratio()
    sign = 1 if value < 0 or (value == 0 and str(value)[0] == "-") else 0
    power = down.bit_length() - 1
    return made(sign, abs(up) * 5**power, -power, cls)


def operand(value):
    """`value` as a Decimal, or None where it is no number that Decimals work with."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int):
        return whole(int(value))
    return None


def needed(value):
    found = operand(value)
    if found is None:
        raise TypeError("conversion from %s to Decimal is not supported" % type(value).__name__)
    return found


def finish(sign, value, exp, context):
    """The result `value` * 10**exp, rounded and within the context's bounds."""
    prec = context.prec
    size = size_of(value)
    if value == 0:
        low, high = context.Etiny(), context.Etop() if context.clamp else context.Emax
        if not low <= exp <= high:
            context._signal(Clamped)
            exp = low if exp < low else high
        return made(sign, 0, exp)
    top = exp + size - 1
    if size > prec or top < context.Emin:
        small = top < context.Emin
        cut = size - prec
        if small:
            context._signal(Subnormal)
            cut = max(cut, context.Etiny() - exp)
        if cut > 0:
            unit = 10**cut
            value, rest = divmod(value, unit)
            context._signal(Rounded)
            if rest:
                context._signal(Inexact)
                if rounded_up(sign, value, rest, unit, context.rounding):
                    value += 1
                    if not small and size_of(value) > prec:
                        value //= 10
                        cut += 1
                if small:
                    context._signal(Underflow)
            exp += cut
            if value == 0:
                context._signal(Clamped)
        top = exp + size_of(value) - 1
    if top > context.Emax:
        context._signal(Rounded)
        context._signal(Inexact)
        context._signal(Overflow)
        way = context.rounding
        if way in (ROUND_DOWN, ROUND_05UP) or way == (ROUND_FLOOR, ROUND_CEILING)[sign]:
            return made(sign, 10**prec - 1, context.Emax - prec + 1)
        return made(sign, 0, INF)
    if context.clamp and exp > context.Etop():
        context._signal(Clamped)
        value *= 10 ** (exp - context.Etop())
        exp = context.Etop()
    return made(sign, value, exp)


def nan_of(context, a, b=None):
    """What an operation on NaNs gives, or None where neither is one."""
    for loud in (True, False):
        for x in (a, b):
            if x is not None and (x._exp == LOUD if loud else x._exp == QUIET):
                if loud:
                    context._signal(InvalidOperation)
                limit = 10 ** (context.prec - context.clamp)
                return made(x._sign, x._int % limit, QUIET)
    return None


def invalid(context, condition=None):
    context._signal(InvalidOperation, condition)
    return made(0, 0, QUIET)


def special(value):
    return not isinstance(value._exp, int)


def rescaled(a, exp, rounding):
    """A finite number with another exponent, rounded to it."""
    if not a._int:
        return made(a._sign, 0, exp)
    cut = exp - a._exp
    if cut <= 0:
        return made(a._sign, a._int * 10**-cut, exp)
    if cut > size_of(a._int) + 1:
        value, rest, unit = 0, 1, 10
    else:
        unit = 10**cut
        value, rest = divmod(a._int, unit)
    if rest and rounded_up(a._sign, value, rest, unit, rounding):
        value += 1
    return made(a._sign, value, exp)


def sum_of(a, b, negate, context):
    b_sign = b._sign ^ negate
    if special(a) or special(b):
        found = nan_of(context, a, b)
        if found is not None:
            return found
        if a._exp == INF:
            if b._exp == INF and a._sign != b_sign:
                return invalid(context)
            return a
        return made(b_sign, 0, INF)
    exp = min(a._exp, b._exp)
    sign = 1 if a._sign != b_sign and context.rounding == ROUND_FLOOR else 0
    if not a._int and not b._int:
        return finish(sign or min(a._sign, b_sign), 0, exp, context)
    if not a._int or not b._int:
        one, its = (b, b_sign) if not a._int else (a, a._sign)
        exp = max(exp, one._exp - context.prec - 1)
        return finish(its, rescaled(one, exp, ROUND_DOWN)._int, exp, context) if exp <= one._exp else one
    x, x_exp, y, y_exp = a._int, a._exp, b._int, b._exp
    if x_exp != y_exp:
        # a number far below the other only decides how that is rounded
        far = x_exp - y_exp
        if far > context.prec + 2:
            low = x_exp + min(-1, size_of(x) - context.prec - 2)
            if size_of(y) + y_exp - 1 < low:
                y, y_exp = 1, low
        elif -far > context.prec + 2:
            low = y_exp + min(-1, size_of(y) - context.prec - 2)
            if size_of(x) + x_exp - 1 < low:
                x, x_exp = 1, low
        exp = min(x_exp, y_exp)
        x *= 10 ** (x_exp - exp)
        y *= 10 ** (y_exp - exp)
    total = (-x if a._sign else x) + (-y if b_sign else y)
    if not total:
        return finish(sign, 0, exp, context)
    return finish(int(total < 0), abs(total), exp, context)


def product(a, b, context):
    sign = a._sign ^ b._sign
    if special(a) or special(b):
        found = nan_of(context, a, b)
        if found is not None:
            return found
        if a.is_zero() or b.is_zero():
            return invalid(context)
        return made(sign, 0, INF)
    return finish(sign, a._int * b._int, a._exp + b._exp, context)


def quotient(a, b, context):
    sign = a._sign ^ b._sign
    if special(a) or special(b):
        found = nan_of(context, a, b)
        if found is not None:
            return found
        if a._exp == INF:
            return invalid(context) if b._exp == INF else made(sign, 0, INF)
        context._signal(Clamped)
        return made(sign, 0, context.Etiny())
    if not b._int:
        if not a._int:
            return invalid(context, DivisionUndefined)
        context._signal(DivisionByZero)
        return made(sign, 0, INF)
    ideal = exp = a._exp - b._exp
    value = 0
    if a._int:
        shift = size_of(b._int) - size_of(a._int) + context.prec + 1
        exp = ideal - shift
        if shift >= 0:
            value, rest = divmod(a._int * 10**shift, b._int)
        else:
            value, rest = divmod(a._int, b._int * 10**-shift)
        if rest:
            if value % 5 == 0:
                value += 1
        else:
            while exp < ideal and value % 10 == 0:
                value //= 10
                exp += 1
    return finish(sign, value, exp, context)


def divided_whole(a, b, context, which):
    """The quotient cut to a whole number (which 0), the remainder (1), or both (2)."""
    sign = a._sign ^ b._sign
    if special(a) or special(b):
        found = nan_of(context, a, b)
        if found is not None:
            return (found, found) if which == 2 else found
        if a._exp == INF:
            if b._exp == INF:
                found = invalid(context)
                return (found, found) if which == 2 else found
            whole = made(sign, 0, INF)
            return whole if which == 0 else invalid(context) if which == 1 else (whole, invalid(context))
        whole, rest = made(sign, 0, 0), a
    elif not b._int:
        if not a._int:
            found = invalid(context, DivisionUndefined)
            return (found, found) if which == 2 else found
        if which == 1:
            return invalid(context)
        if which == 2:
            if context.traps.held[InvalidOperation] and context.traps.held[DivisionByZero]:
                context.flags.held[InvalidOperation] = context.flags.held[DivisionByZero] = True
                raise InvalidOperation([InvalidOperation, DivisionByZero])
            rest = invalid(context)
            context._signal(DivisionByZero)
            return made(sign, 0, INF), rest
        context._signal(DivisionByZero)
        return made(sign, 0, INF)
    else:
        far = a.adjusted() - b.adjusted()
        exp = min(a._exp, b._exp)
        if not a._int or far <= -2:
            whole, rest = made(sign, 0, 0), rescaled(a, exp, context.rounding)
        else:
            value = None
            if far <= context.prec:
                x, y = a._int * 10 ** (a._exp - exp), b._int * 10 ** (b._exp - exp)
                value, left = divmod(x, y)
            if value is None or value >= 10**context.prec:
                found = invalid(context, DivisionImpossible)
                return (found, found) if which == 2 else found
            whole, rest = made(sign, value, 0), made(a._sign, left, exp)
    if which != 1:
        whole = whole._finished(context)
    if which == 0:
        return whole
    rest = rest._finished(context)
    return rest if which == 1 else (whole, rest)


def compared(a, b):
    """-1, 0 or 1; neither is a NaN."""
    if a._exp == INF or b._exp == INF:
        x = 0 if a._exp != INF else -1 if a._sign else 1
        y = 0 if b._exp != INF else -1 if b._sign else 1
        return (x > y) - (x < y)
    x, y = a._int, b._int
    if not x or not y:
        x = 0 if not x else -1 if a._sign else 1
        y = 0 if not y else -1 if b._sign else 1
        return (x > y) - (x < y)
    if a._sign != b._sign:
        return -1 if a._sign else 1
    if a._exp != b._exp:
        far = a.adjusted() - b.adjusted()
        if far:
            return 1 if (far > 0) != a._sign else -1
        exp = min(a._exp, b._exp)
        x *= 10 ** (a._exp - exp)
        y *= 10 ** (b._exp - exp)
    found = (x > y) - (x < y)
    return -found if a._sign else found


_NOT_ORDERED = float("nan")


def order(a, other):
    """Negative, zero or positive as `a` is less, equal or more; None: not comparable, nan for NaNs."""
    if isinstance(other, float):
        getcontext().flags.held[FloatOperation] = True
        other = from_float(other)
    elif not isinstance(other, (Decimal, int)):
        if not hasattr(other, "limit_denominator"):
            return None
        if not special(a):
            a = made(a._sign, a._int * other.denominator, a._exp)
        other = other.numerator
    other = operand(other)
    if a.is_nan() or other.is_nan():
        return _NOT_ORDERED
    return compared(a, other)


def ordered(a, other):
    """The same for <, <=, > and >=, where a NaN is an invalid operation."""
    if isinstance(other, float):
        getcontext()._signal(FloatOperation)
    found = order(a, other)
    if found is not None and found != found:
        getcontext()._signal(InvalidOperation)
    return found


def total_order(a, b):
    if a._sign != b._sign:
        return -1 if a._sign else 1
    x = 0 if not a.is_nan() else 1 if a._exp == LOUD else 2
    y = 0 if not b.is_nan() else 1 if b._exp == LOUD else 2
    if x == y and x:
        x, y = a._int, b._int
    elif x == y:
        found = compared(a, b)
        if found or special(a):
            return found
        x, y = a._exp, b._exp
    found = (x > y) - (x < y)
    return -found if a._sign else found


def chosen(a, b, which, context, magnitude=False):
    """The larger (which 1) or smaller (-1) of both; a number rather than a quiet NaN."""
    b = needed(b)
    if a.is_nan() or b.is_nan():
        if a._exp == QUIET and not b.is_nan():
            return b._finished(context)
        if b._exp == QUIET and not a.is_nan():
            return a._finished(context)
        return nan_of(context, a, b)
    found = compared(a.copy_abs(), b.copy_abs()) if magnitude else compared(a, b)
    if not found:
        found = total_order(a, b)
    return (a if found * which >= 0 else b)._finished(context)
