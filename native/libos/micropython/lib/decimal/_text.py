"""Decimals from text and as text."""

from ._arithmetic import INF, LOUD, QUIET, made, rescaled, size_of, special


def _digits(text):
    for char in text:
        if not "0" <= char <= "9":
            return False
    return text != ""


def read(text):
    """(sign, int, exponent) of a number's text; None where it is none."""
    text = text.strip().replace("_", "")
    sign = 0
    if text[:1] in ("+", "-"):
        sign = 1 if text[0] == "-" else 0
        text = text[1:]
    head, mark, power = text, "", ""
    for mark in "eE":
        if mark in text:
            head, _, power = text.partition(mark)
            if not _digits(power[1:] if power[:1] in ("+", "-") else power):
                head = ""
            break
    whole, _, rest = head.partition(".")
    if (whole or rest) and _digits(whole + rest):
        return sign, int(whole + rest), (int(power) if power else 0) - len(rest)
    word = text.lower()
    if word in ("inf", "infinity"):
        return sign, 0, INF
    for name, exp in (("nan", QUIET), ("snan", LOUD)):
        if word.startswith(name) and (word == name or _digits(word[len(name) :])):
            return sign, int(word[len(name) :] or "0"), exp
    return None


def from_tuple(value):
    if len(value) != 3:
        raise ValueError("argument must be a sequence of length 3")
    sign, digits, exp = value
    if sign not in (0, 1):
        raise ValueError("sign must be an integer with the value 0 or 1")
    number = 0
    for digit in digits:
        if not isinstance(digit, int) or not 0 <= digit <= 9:
            raise ValueError("coefficient must be a tuple of digits")
        number = number * 10 + digit
    if exp in (INF, QUIET, LOUD):
        return sign, 0 if exp == INF else number, exp
    if not isinstance(exp, int):
        raise ValueError("string argument in the third position must be 'F', 'n' or 'N'")
    return sign, number, exp


def _placed(digits, place):
    """The digits before and behind a point at `place`."""
    if place <= 0:
        return "0", "0" * -place + digits
    if place >= len(digits):
        return digits + "0" * (place - len(digits)), ""
    return digits[:place], digits[place:]


def _word(a):
    if a._exp == INF:
        return "Infinity"
    return ("sNaN" if a._exp == LOUD else "NaN") + (str(a._int) if a._int else "")


def plain(a, capitals, engineering=False):
    sign = "-" if a._sign else ""
    if special(a):
        return sign + _word(a)
    digits = str(a._int)
    left = a._exp + len(digits)
    if a._exp <= 0 and left > -6:
        place = left
    elif not engineering:
        place = 1
    elif not a._int:
        place = (left + 1) % 3 - 1
    else:
        place = (left - 1) % 3 + 1
    whole, part = _placed(digits, place)
    if part:
        whole += "." + part
    if left != place:
        whole += ("E" if capitals else "e") + "%+d" % (left - place)
    return sign + whole


def _digits_of(a, count, rounding):
    """Rounded to so many digits, all of them kept."""
    exp = a.adjusted() + 1 - count
    found = rescaled(a, exp, rounding)
    return rescaled(found, exp + 1, rounding) if size_of(found._int) > count else found


def _specified(spec):
    """(fill, align, sign, zero, width, comma, precision, type)"""
    bad = ValueError("invalid format string")
    at, fill, align = 0, "", ""
    if len(spec) > 1 and spec[1] in "<>=^":
        fill, align, at = spec[0], spec[1], 2
    elif spec and spec[0] in "<>=^":
        align, at = spec[0], 1
    sign = spec[at] if at < len(spec) and spec[at] in "+- " else ""
    at += len(sign)
    zero = spec[at : at + 1] == "0"
    if zero:
        if align:
            raise bad
        at += 1
    start = at
    while at < len(spec) and "0" <= spec[at] <= "9":
        at += 1
    width = int(spec[start:at] or "0")
    comma = spec[at : at + 1] == ","
    at += comma
    precision = None
    if spec[at : at + 1] == ".":
        start = at = at + 1
        while at < len(spec) and "0" <= spec[at] <= "9":
            at += 1
        if start == at:
            raise bad
        precision = int(spec[start:at])
    kind = spec[at:]
    if len(kind) > 1 or (kind and kind not in "eEfFgGn%"):
        raise bad
    fill, align = fill or ("0" if zero else " "), align or ("=" if zero else ">")
    return fill, align, sign, zero, width, comma, precision, kind


def _grouped(digits, least):
    """With commas, and zeros before it up to a width of `least`."""
    groups = []
    while True:
        size = min(max(len(digits), least, 1), 3)
        group = digits[-size:]
        groups.append("0" * (size - len(group)) + group)
        digits = digits[:-size]
        least -= size
        if not digits and least <= 0:
            break
        least -= 1
    return ",".join(reversed(groups))


def formatted(a, spec, context):
    if not isinstance(spec, str):
        raise TypeError("format arg must be str")
    fill, align, sign, zero, width, comma, precision, kind = _specified(spec)
    mark = "-" if a._sign else sign if sign in ("+", " ") else ""
    if special(a):
        body = _word(a) + ("%" if kind == "%" else "")
        if zero:
            fill, align = " ", ">"
    else:
        if not kind:
            kind = "G" if context.capitals else "g"
        elif kind == "n":
            kind = "g"
        if kind == "%":
            a = made(a._sign, a._int, a._exp + 2)
        if precision is not None:
            if kind in "eE" and not a._int:
                pass  # its exponent stays, as in CPython
            elif kind in "eE":
                a = _digits_of(a, precision + 1, context.rounding)
            elif kind in "fF%":
                a = rescaled(a, -precision, context.rounding)
            elif size_of(a._int) > max(precision, 1):
                a = _digits_of(a, max(precision, 1), context.rounding)
        if not a._int and a._exp > 0 and kind in "fF%":
            a = rescaled(a, 0, context.rounding)
        digits = str(a._int)
        left = a._exp + len(digits)
        if kind in "eE":
            place = 1 - precision if not a._int and precision is not None else 1
        elif kind in "fF%" or (a._exp <= 0 and left > -6):
            place = left
        else:
            place = 1
        whole, part = _placed(digits, place)
        tail = "." + part if part else ""
        if left != place or kind in "eE":
            tail += ("E" if kind in "EG" else "e") + "%+d" % (left - place)
        if kind == "%":
            tail += "%"
        if comma:
            least = width - len(mark) - len(tail) if zero else 0
            whole = _grouped(whole, least)
        body = whole + tail
    spare = width - len(mark) - len(body)
    if spare <= 0:
        return mark + body
    if align == "<":
        return mark + body + fill * spare
    if align == "=":
        return mark + fill * spare + body
    if align == "^":
        return fill * (spare // 2) + mark + body + fill * (spare - spare // 2)
    return fill * spare + mark + body
