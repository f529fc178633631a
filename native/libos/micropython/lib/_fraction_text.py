"""Text of fractions, read."""


def parsed(text):
    """Numerator and denominator of "3", "-3/4", "1.5", ".5e-3"; None where it is none of these."""
    part = text.strip()
    sign = 1
    if part[:1] in ("+", "-"):
        sign = -1 if part[0] == "-" else 1
        part = part[1:]
    if "/" in part:
        up, _, down = part.partition("/")
        if not (_digits(up) and _digits(down)):
            return None
        return sign * int(up), int(down)
    exponent = 0
    for mark in "eE":
        if mark in part:
            part, _, power = part.partition(mark)
            if not _digits(power[1:] if power[:1] in ("+", "-") else power):
                return None
            exponent = int(power)
            break
    whole, dot, rest = part.partition(".")
    if not (whole or rest) or (whole and not _digits(whole)) or (rest and not _digits(rest)):
        return None
    rest = rest.replace("_", "")
    up = int((whole + rest).replace("_", "") or "0") * sign
    exponent -= len(rest)
    return (up * 10**exponent, 1) if exponent >= 0 else (up, 10**-exponent)


def _digits(text):
    """Digits, with single underscores between them."""
    previous = "_"
    for char in text:
        if char == "_":
            if previous == "_":
                return False
        elif not "0" <= char <= "9":
            return False
        previous = char
    return previous != "_"
