"""Roots, powers, exponentials and logarithms of Decimals, by whole numbers scaled by a power of ten."""

from math import isqrt, log

from ._arithmetic import (
    INF,
    finish,
    invalid,
    made,
    nan_of,
    operand,
    product,
    quotient,
    size_of,
    special,
)
from ._signals import ROUND_HALF_EVEN, SIGNALS, Inexact, Rounded

_GUARD = 12


def _finish_even(sign, value, exp, context):
    """finish, rounding halves to even whatever the context says."""
    way = context.rounding
    context.rounding = ROUND_HALF_EVEN
    try:
        return finish(sign, value, exp, context)
    finally:
        context.rounding = way


def root(a, context):
    if special(a):
        found = nan_of(context, a)
        if found is not None:
            return found
        return invalid(context) if a._sign else a
    if not a._int:
        return finish(a._sign, 0, a._exp // 2, context)
    if a._sign:
        return invalid(context)
    exp, value = a._exp, a._int
    odd = exp & 1
    ideal = exp >> 1
    shift = context.prec + 1 - ((size_of(value) + odd + 1) >> 1)
    value *= 10**odd
    exact = True
    if shift >= 0:
        value *= 100**shift
    else:
        value, rest = divmod(value, 100**-shift)
        exact = not rest
    found = isqrt(value)
    exact = exact and found * found == value
    exp = ideal - shift
    if exact:
        while exp < ideal and found % 10 == 0:
            found //= 10
            exp += 1
        if exp > ideal:
            found *= 10 ** (exp - ideal)
            exp = ideal
    elif found % 5 == 0:
        found += 1
    return _finish_even(0, found, exp, context)


def _exp(x, unit):
    """e**(x / unit) * unit, for |x| of a few units."""
    halved = max(4, isqrt(unit.bit_length()))
    grain = 10 ** (halved // 3 + 4)
    unit *= grain
    x = (x * grain) >> halved
    total = term = unit
    n = 1
    while term:
        term = term * x // (unit * n)
        total += term
        n += 1
        if term == -1:
            break
    for _ in range(halved):
        total = total * total // unit
    return total // grain


def _atanh_of_one_over(n, unit):
    power = unit // n
    total, square, odd = power, n * n, 3
    while power:
        power //= square
        total += power // odd
        odd += 2
    return total


_ten = (0, 0)  # digits, ln 10 * 10**digits


def _ln10(digits):
    global _ten
    if _ten[0] < digits:
        unit = 10 ** (digits + 5)
        found = 6 * _atanh_of_one_over(3, unit) + 2 * _atanh_of_one_over(9, unit)
        _ten = digits, found // 100000
    return _ten[1] // 10 ** (_ten[0] - digits)


def _ln(value, exp, digits):
    """ln(value * 10**exp) * 10**digits."""
    unit = 10**digits
    size = size_of(value)
    top = exp + size
    lead = int(str(value)[:17]) / 10.0 ** min(size, 17)
    if lead < 0.3:
        lead, top = lead * 10, top - 1
    shift = digits + exp - top
    x = value * 10**shift if shift >= 0 else value // 10**-shift
    y = int(log(lead) * 1e17) * unit // 10**17
    good = 15
    while True:
        power = _exp(y, unit)
        y += 2 * unit * (x - power) // (x + power)
        good *= 3
        if good > digits:
            break
    return y + top * _ln10(digits)


def exp(a, context):
    if special(a):
        found = nan_of(context, a)
        if found is not None:
            return found
        return made(0, 0, 0) if a._sign else a
    if not a._int:
        return made(0, 1, 0)
    top = a.adjusted()
    prec = context.prec
    if top > 20 or (top >= 0 and top > size_of(max(context.Emax, 1)) + 1):
        # far beyond what the context holds
        far = context.Emax + 1 if not a._sign else context.Etiny() - 1
        return _finish_even(0, 1, far, context)
    if top < -prec - 2:
        # 1 and a little: only how it is rounded
        little = 10 ** (prec + 1)
        return _finish_even(0, little - 1 if a._sign else little + 1, -prec - 1, context)
    digits = prec + _GUARD + max(0, top)
    shift = digits + a._exp
    x = a._int * 10**shift if shift >= 0 else a._int // 10**-shift
    if a._sign:
        x = -x
    tens = x // _ln10(digits)
    x -= tens * _ln10(digits + 25) // 10**25
    return _finish_even(0, _exp(x, 10**digits), tens - digits, context)


def ln(a, context):
    found = _log_special(a, context)
    if found is not None:
        return found
    if a._int == 1 and a._exp == 0 or (a._exp < 0 and a._int == 10**-a._exp):
        return made(0, 0, 0)
    y = _ln(a._int, a._exp, _log_digits(a, context.prec))
    return _finish_even(int(y < 0), abs(y), -_log_digits(a, context.prec), context)


def _log_digits(a, prec):
    """Digits behind the point that the logarithm of `a` needs: more, the nearer `a` is to 1."""
    near = 0
    if a.adjusted() in (0, -1) and a._exp < 0:
        above = abs(a._int - 10**-a._exp)
        near = max(0, -(size_of(above) + a._exp))
    return prec + _GUARD + near


def _log_special(a, context):
    if special(a):
        found = nan_of(context, a)
        if found is not None:
            return found
        return invalid(context) if a._sign else a
    if not a._int:
        return made(1, 0, INF)
    return invalid(context) if a._sign else None


def log10(a, context):
    found = _log_special(a, context)
    if found is not None:
        return found
    digits = str(a._int)
    if digits == "1" + "0" * (len(digits) - 1):
        power = a.adjusted()
        return finish(int(power < 0), abs(power), 0, context)
    places = _log_digits(a, context.prec)
    y = _ln(a._int, a._exp, places) * 10**places // _ln10(places)
    return _finish_even(int(y < 0), abs(y), -places, context)


def _integer(a):
    if a._exp >= 0:
        return True
    return a._int % 10 ** min(-a._exp, size_of(a._int)) == 0


def power(a, b, context, modulo=None):
    if modulo is not None:
        return _power_modulo(a, b, operand(modulo), context)
    found = nan_of(context, a, b)
    if found is not None:
        return found
    if b.is_zero():
        return invalid(context) if a.is_zero() else made(0, 1, 0)
    whole = b._exp == INF or _integer(b)
    odd = 0
    if b._exp != INF and whole:
        odd = int(b.copy_abs()) & 1 if b._exp <= 0 else 0
    sign = 0
    if a._sign:
        if b._exp != INF and whole:
            sign = odd
        elif a._int or special(a):
            return invalid(context)
        a = a.copy_abs()
    if a.is_zero():
        return made(sign, 0, INF if b._sign else 0)
    if a._exp == INF:
        return made(sign, 0, 0 if b._sign else INF)
    one = made(0, 1, 0)
    from ._arithmetic import compared

    against = compared(a, one)
    if against == 0:
        if b._exp == INF or not whole:
            context._signal(Inexact)
            context._signal(Rounded)
            return made(0, 10 ** (context.prec - 1), 1 - context.prec)
        times = -a._exp * int(b.copy_abs()) if not b._sign else 0
        places = min(times, context.prec - 1)
        if times > context.prec - 1:
            context._signal(Rounded)
        return made(sign, 10**places, -places)
    if b._exp == INF:
        if (against > 0) != bool(b._sign):
            return made(sign, 0, INF)
        return made(sign, 0, 0)
    if whole and b.adjusted() < 18:
        return _whole_power(a, b, sign, context)
    return _real_power(a, b, sign, context)


def _whole_power(a, b, sign, context):
    times = int(b.copy_abs())
    work = context.copy()
    work.clear_traps()
    work.rounding = ROUND_HALF_EVEN
    work.prec = context.prec + size_of(times) + 4
    work.clear_flags()
    work.Emax = 10**17
    if b._sign:
        work.prec += 1
        a = quotient(made(0, 1, 0), a, work)
    result = a
    for bit in bin(times)[3:]:
        result = product(result, result, work)
        if bit == "1":
            result = product(result, a, work)
    for signal in SIGNALS:
        if work.flags.held[signal] and not result._int:
            context._signal(signal)
    return made(sign, 0, result._exp) if special(result) else finish(sign, result._int, result._exp, context)


def _real_power(a, b, sign, context):
    digits = context.prec + _GUARD + 10 + max(0, b.adjusted())
    # the logarithm times the power, in units of 10**-digits
    y = _ln(a._int, a._exp, digits + size_of(b._int)) * b._int
    if b._sign:
        y = -y
    shift = b._exp - size_of(b._int)
    y = y * 10**shift if shift >= 0 else y // 10**-shift
    tens = y // _ln10(digits)
    if abs(tens) > 10**16:
        far = context.Emax + 1 if tens > 0 else context.Etiny() - 1
        return finish(sign, 1, far, context)
    y -= tens * _ln10(digits + 20) // 10**20
    value = _exp(y, 10**digits)
    # a result that is a short number exactly shows as one that is all but it
    cut = 10 ** (size_of(value) - context.prec - 6)
    near = (value + cut // 2) // cut * cut
    exact = near if abs(near - value) < cut // 1000 else value
    if exact != value and near % (cut * 10**6) == 0:
        context._signal(Inexact)
        context._signal(Rounded)
    return finish(sign, exact, tens - digits, context)


def _power_modulo(a, b, by, context):
    if by is None:
        return NotImplemented
    for x in (a, b, by):
        if special(x) or not _integer(x):
            return nan_of(context, a, b) or invalid(context)
    if b._sign or by.is_zero() or by.adjusted() >= context.prec or (a.is_zero() and b.is_zero()):
        return invalid(context)
    value = pow(abs(int(a)), int(b), abs(int(by)))
    return made(a._sign if int(b) & 1 else 0, value, 0)
