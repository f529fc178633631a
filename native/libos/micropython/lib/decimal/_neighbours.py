"""The numbers beside a Decimal, its magnitude, and the remainder nearest to zero."""

from ._arithmetic import INF, compared, finish, invalid, made, nan_of, rescaled, sum_of, whole
from ._signals import (
    ROUND_CEILING,
    ROUND_FLOOR,
    Clamped,
    DivisionByZero,
    DivisionImpossible,
    DivisionUndefined,
    Inexact,
    InvalidOperation,
    Overflow,
    Rounded,
    Subnormal,
    Underflow,
)


def beside(a, way, context):
    """The next number of the context above (way 1) or below (-1)."""
    found = nan_of(context, a)
    if found is not None:
        return found
    down = int(way < 0)
    if a._exp == INF:
        return a if a._sign == down else made(a._sign, 10**context.prec - 1, context.Etop())
    work = context.copy()
    work.clear_traps()
    work.rounding = ROUND_FLOOR if down else ROUND_CEILING
    found = a._finished(work)
    if compared(found, a):
        return found
    return sum_of(a, made(down, 1, work.Etiny() - 1), 0, work)


def toward(a, b, context):
    found = nan_of(context, a, b)
    if found is not None:
        return found
    way = compared(b, a)
    if not way:
        return made(b._sign, a._int, a._exp)
    found = beside(a, way, context)
    if found._exp == INF:
        signals = (Overflow, Inexact, Rounded)
    elif found.adjusted() < context.Emin:
        signals = (Underflow, Subnormal, Inexact, Rounded) + (() if found._int else (Clamped,))
    else:
        signals = ()
    for signal in signals:
        context._signal(signal)
    return found


def logb(a, context):
    found = nan_of(context, a)
    if found is not None:
        return found
    if a._exp == INF:
        return made(0, 0, INF)
    if not a._int:
        context._signal(DivisionByZero)
        return made(1, 0, INF)
    return whole(a.adjusted())._finished(context)


def remainder_near(a, b, context):
    found = nan_of(context, a, b)
    if found is not None:
        return found
    if a._exp == INF:
        return invalid(context)
    if b._exp == INF:
        return a._finished(context)
    if not b._int:
        return invalid(context, InvalidOperation if a._int else DivisionUndefined)
    exp = min(a._exp, b._exp)
    if not a._int:
        return finish(a._sign, 0, exp, context)
    far = a.adjusted() - b.adjusted()
    if far >= context.prec + 1:
        return invalid(context, DivisionImpossible)
    if far <= -2:
        return rescaled(a, exp, context.rounding)._finished(context)
    y = b._int * 10 ** (b._exp - exp)
    times, rest = divmod(a._int * 10 ** (a._exp - exp), y)
    if 2 * rest + (times & 1) > y:
        rest -= y
        times += 1
    if times >= 10**context.prec:
        return invalid(context, DivisionImpossible)
    return finish(a._sign if rest >= 0 else 1 - a._sign, abs(rest), exp, context)
