"""Sets of characters: a table for codes below 256, a function for those above."""


def _word(c, ascii):
    if c < 128:
        return 48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122 or c == 95
    if ascii:
        return False
    char = chr(c)
    return char.isalpha() or char.isdigit() or c in (0xB2, 0xB3, 0xB9, 0xBC, 0xBD, 0xBE)


def _digit(c, ascii):
    return 48 <= c <= 57 or (c > 127 and not ascii and 0x660 <= c and chr(c).isdigit())


def _space(c, ascii):
    if c < 128:
        return c == 32 or 9 <= c <= 13 or (28 <= c <= 31 and not ascii)
    return (
        not ascii
        and c in (0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0x2000)
        or (0x2000 <= c <= 0x200A and not ascii)
    )


_KINDS = {
    "any": lambda c, ascii: True,
    "line": lambda c, ascii: c != 10,
    "d": _digit,
    "w": _word,
    "s": _space,
}
_made = {}


def category(name, ascii):
    """The Set of \\d \\w \\s and their opposites, of "any" and of "line" (all but a newline)."""
    ascii = bool(ascii)
    key = (name, ascii)
    if key not in _made:
        test = _KINDS[name.lower()]
        _made[key] = Set([], [], name in "DWS", False, ascii, test)
    return _made[key]


def cases(c, ascii):
    """The other case of a code, as a list of none or more."""
    if c < 128:
        if 65 <= c <= 90:
            found = [c + 32]
        elif 97 <= c <= 122:
            found = [c - 32]
        else:
            return []
        if not ascii:
            if c in (75, 107):
                found.append(0x212A)
            if c in (83, 115):
                found.append(0x17F)
        return found
    if ascii:
        return []
    char = chr(c)
    return [ord(other) for other in (char.lower(), char.upper()) if len(other) == 1 and other != char]


def one_of(codes, ignore, ascii):
    """A Set for one letter in either case; None where there is but one."""
    if not cases(codes[0], ascii):
        return None
    return Set([(c, c) for c in codes], [], False, ignore, ascii)


class Set:
    def __init__(self, ranges, sets, negated, ignore, ascii, test=None):
        self.ranges = ranges
        self.sets = sets
        self.negated = negated
        self.ignore = ignore
        self.ascii = ascii
        self.test = test
        table = bytearray(256)
        if test is not None:
            for c in range(256):
                table[c] = test(c, ascii)
        else:
            for low, high in ranges:
                for c in range(low, min(high, 255) + 1):
                    table[c] = 1
            for one in sets:
                other = one.table
                for c in range(256):
                    if other[c]:
                        table[c] = 1
            if ignore:
                self.both_cases(table)
        if negated:
            for c in range(256):
                table[c] = not table[c]
        self.table = table
        self.only = self.single() if negated and not sets and test is None else -1

    def both_cases(self, table):
        for c in range(256):
            if table[c]:
                for other in cases(c, self.ascii):
                    if other < 256:
                        table[other] = 1
        for low, high in self.ranges:
            if high > 255 and not self.ascii:
                for c in range(max(low, 256), min(high, 0x24F) + 1):
                    for other in cases(c, False):
                        if other < 256:
                            table[other] = 1
                if low <= 0x212A <= high:
                    table[75] = table[107] = 1

    def single(self):
        """The one code below 256 that is not in this set, or -1."""
        missing = [c for c in range(256) if not self.table[c]]
        return missing[0] if len(missing) == 1 and missing[0] < 128 else -1

    def _has(self, c):
        for low, high in self.ranges:
            if low <= c <= high:
                return True
        for one in self.sets:
            if one.big(c):
                return True
        return False

    def big(self, c):
        """Membership of a code of any size; the table's is faster."""
        if c < 256:
            return self.table[c]
        if self.test is not None:
            return self.test(c, self.ascii) != self.negated
        found = self._has(c)
        if not found and self.ignore:
            for other in cases(c, self.ascii):
                found = found or self._has(other)
        return found != self.negated
