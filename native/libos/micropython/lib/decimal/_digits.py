"""Decimals as rows of digits: shifted, rotated, and joined by logic."""

from ._arithmetic import INF, invalid, made, nan_of, special


def moved(a, by, context, around):
    found = nan_of(context, a, by)
    if found is not None:
        return found
    prec = context.prec
    if by._exp != 0 or by._int > prec:
        return invalid(context)
    if a._exp == INF:
        return a
    by = -by._int if by._sign else by._int
    digits = _padded(a._int, prec)
    if around:
        digits = digits[by:] + digits[:by]
    else:
        digits = digits[:by] if by < 0 else (digits + "0" * by)[-prec:]
    return made(a._sign, int(digits or "0"), a._exp)


def _padded(value, size):
    digits = str(value)
    return "0" * (size - len(digits)) + digits[-size:]


def logical(a, b, context, true):
    """1 at each digit whose pair is one of `true`."""
    rows = []
    for x in (a, b):
        if special(x) or x._sign or x._exp or str(x._int).replace("1", "").replace("0", ""):
            return invalid(context)
        rows.append(_padded(x._int, context.prec))
    first, second = rows
    found = "".join(["1" if first[i] + second[i] in true else "0" for i in range(context.prec)])
    return made(0, int(found), 0)
