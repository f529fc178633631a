"""Patterns of re as trees.

A tree is a tuple: ("char", code) ("set", Set) ("cat", trees) ("alt", trees) ("rep", tree, low, high, kind)
("group", number, tree) ("ref", number) ("at", kind) ("look", ahead, wanted, tree) ("atomic", tree)
("cond", number, yes, no). `high` is None where there is no bound; `kind` is greedy, lazy or possessive.
Flags are taken into the trees, so that the compiler knows nothing of them but for the case of ("ref", ...,
ignore).
"""

from ._sets import Set, category, one_of

IGNORECASE = 2
LOCALE = 4
MULTILINE = 8
DOTALL = 16
UNICODE = 32
VERBOSE = 64
ASCII = 256

_LETTERS = {"i": 2, "L": 4, "m": 8, "s": 16, "u": 32, "x": 64, "a": 256}
_CONTROL = {"n": 10, "t": 9, "r": 13, "f": 12, "v": 11, "a": 7}
_DIGITS = "0123456789"


class error(Exception):
    def __init__(self, msg, pattern=None, pos=None):
        self.msg = msg
        self.pattern = pattern
        self.pos = pos
        if pos is not None:
            msg = msg + " at position " + str(pos)
            before = pattern[:pos]
            newline = "\n" if isinstance(pattern, str) else b"\n"
            self.lineno = before.count(newline) + 1
            self.colno = pos - before.rfind(newline)
            if newline in pattern:
                msg += " (line %d, column %d)" % (self.lineno, self.colno)
        super().__init__(msg)


class Parser:
    def __init__(self, pattern, flags):
        self.pattern = pattern
        self.bytes = isinstance(pattern, (bytes, bytearray))
        # Code points apart: a place in a list is found at once.
        self.text = [chr(c) for c in pattern] if self.bytes else list(pattern)
        self.at = 0
        self.flags = flags
        self.groups = 0
        self.names = {}
        self.open = []
        if self.bytes:
            self.flags |= ASCII
        elif not flags & ASCII:
            self.flags |= UNICODE

    def fail(self, msg, pos=None):
        raise error(msg, self.pattern, self.at if pos is None else pos)

    def peek(self):
        return self.text[self.at] if self.at < len(self.text) else ""

    def take(self, text):
        n = len(text)
        if self.at + n <= len(self.text) and "".join(self.text[self.at : self.at + n]) == text:
            self.at += n
            return True
        return False

    def until(self, end, what):
        start = self.at
        while self.peek() != end:
            if not self.peek():
                self.fail(
                    "missing " + end + ", unterminated name" if self.at > start else "missing " + what, start
                )
            self.at += 1
        name = "".join(self.text[start : self.at])
        self.at += 1
        if not name:
            self.fail("missing " + what, start)
        return name, start

    def parse(self):
        tree = self.alternatives(self.flags)
        if self.peek() == ")":
            self.fail("unbalanced parenthesis")
        return tree

    def alternatives(self, flags):
        first = self.at == 0
        branches = []
        parts = []
        while True:
            c = self.peek()
            if not c or c == ")":
                break
            if c == "|":
                self.at += 1
                branches.append(("cat", parts))
                parts = []
                continue
            if flags & VERBOSE:
                if c in " \t\n\r\f\v":
                    self.at += 1
                    continue
                if c == "#":
                    while self.peek() and self.peek() != "\n":
                        self.at += 1
                    continue
            if first and self.at == 0 and c == "(":
                flags = self.global_flags(flags)
                first = False
                if self.at:
                    continue
            item = self.item(flags)
            if item is not None:
                parts.append(self.repeated(item, flags))
        branches.append(("cat", parts))
        return branches[0] if len(branches) == 1 else ("alt", branches)

    def global_flags(self, flags):
        """(?i) at the very start."""
        if not self.take("(?"):
            return flags
        start = self.at
        added = 0
        while self.peek() and self.peek() in _LETTERS:
            added |= _LETTERS[self.peek()]
            self.at += 1
        if self.at > start and self.take(")"):
            self.flags |= added
            return flags | added
        self.at = 0
        return flags

    def bounds(self):
        """{m}, {m,}, {,n}, {m,n} or None, where the brace is a character like any other."""
        start = self.at
        self.at += 1
        low = self.digits()
        high = low
        if self.take(","):
            high = self.digits()
        elif low is None:
            high = ""
        if high == "" or not self.take("}") or (low is None and high is None):
            self.at = start
            return None
        low = low or 0
        if high is not None and high < low:
            self.fail("min repeat greater than max repeat", start + 1)
        return low, high

    def digits(self):
        start = self.at
        while self.peek() and self.peek() in _DIGITS:
            self.at += 1
        return int("".join(self.text[start : self.at])) if self.at > start else None

    def repeated(self, item, flags):
        while True:
            start = self.at
            c = self.peek()
            if c == "*":
                low, high = 0, None
            elif c == "+":
                low, high = 1, None
            elif c == "?":
                low, high = 0, 1
            elif c == "{":
                bounds = self.bounds()
                if bounds is None:
                    return item
                low, high = bounds
                self.at -= 1
            else:
                return item
            self.at += 1
            if item[0] == "at":
                self.fail("nothing to repeat", start)
            if item[0] == "rep":
                self.fail("multiple repeat", start)
            kind = "greedy"
            if self.take("?"):
                kind = "lazy"
            elif self.take("+"):
                kind = "possessive"
            item = ("rep", item, low, high, kind)

    def item(self, flags):
        c = self.text[self.at]
        start = self.at
        if c in "*+?":
            self.fail("nothing to repeat")
        self.at += 1
        if c == ".":
            if flags & DOTALL:
                return ("set", category("any", False))
            return ("set", category("line", False))
        if c == "^":
            return ("at", "line start" if flags & MULTILINE else "start")
        if c == "$":
            return ("at", "line end" if flags & MULTILINE else "end")
        if c == "(":
            return self.group(flags, start)
        if c == "[":
            return self.set(flags, start)
        if c == "\\":
            return self.escape(flags, start)
        return self.char(ord(c), flags)

    def char(self, code, flags):
        if flags & IGNORECASE:
            found = one_of([code], True, self.bytes)
            if found is not None:
                return ("set", found)
        return ("char", code)

    def hexadecimal(self, count, start):
        digits = "".join(self.text[self.at : self.at + count])
        if len(digits) < count:
            self.fail("incomplete escape " + "".join(self.text[start : self.at]) + digits, start)
        for c in digits:
            if c not in "0123456789abcdefABCDEF":
                self.fail("incomplete escape " + "".join(self.text[start : self.at]), start)
        self.at += count
        return int(digits, 16)

    def code_of_escape(self, c, start):
        """The character that an escape stands for, or None."""
        if c in _CONTROL:
            return _CONTROL[c]
        if c == "x":
            return self.hexadecimal(2, start)
        if c == "u" and not self.bytes:
            return self.hexadecimal(4, start)
        if c == "U" and not self.bytes:
            return self.hexadecimal(8, start)
        if c == "0":
            value = 0
            for _ in range(2):
                if not self.peek() or self.peek() not in "01234567":
                    break
                value = value * 8 + int(self.peek())
                self.at += 1
            return value
        if c < "\x80" and (c.isalpha() or c in _DIGITS):
            return None
        return ord(c)

    def escape(self, flags, start):
        c = self.peek()
        if not c:
            self.fail("bad escape (end of pattern)", start)
        self.at += 1
        if c in "dDwWsS":
            return ("set", category(c, flags & ASCII))
        if c == "b":
            return ("at", "boundary" if not flags & ASCII else "ascii boundary")
        if c == "B":
            return ("at", "inside" if not flags & ASCII else "ascii inside")
        if c == "A":
            return ("at", "start")
        if c == "Z":
            return ("at", "very end")
        if c in _DIGITS and c != "0":
            number = c
            if self.peek() and self.peek() in _DIGITS:
                number += self.peek()
                self.at += 1
                if (
                    number[0] in "0123"
                    and self.peek()
                    and self.peek() in "01234567"
                    and number[1] in "01234567"
                ):
                    self.at += 1
                    return self.char(int(number + self.text[self.at - 1], 8), flags)
            number = int(number)
            if number > self.groups:
                self.fail("invalid group reference " + str(number), start + 1)
            if number in self.open:
                self.fail("cannot refer to an open group", start)
            return ("ref", number, bool(flags & IGNORECASE))
        code = self.code_of_escape(c, start)
        if code is None:
            self.fail("bad escape \\" + c, start)
        return self.char(code, flags)

    def set_item(self, flags):
        """One member of a set: (code, None) or (None, Set)."""
        start = self.at
        c = self.peek()
        if not c:
            return None, None
        self.at += 1
        if c != "\\":
            return ord(c), None
        c = self.peek()
        if not c:
            self.fail("bad escape (end of pattern)", start)
        self.at += 1
        if c in "dDwWsS":
            return None, category(c, flags & ASCII)
        if c == "b":
            return 8, None
        if c in "1234567" and self.peek() and self.peek() in "01234567":
            value = int(c)
            while self.peek() and self.peek() in "01234567" and value < 64:
                value = value * 8 + int(self.peek())
                self.at += 1
            return value, None
        code = self.code_of_escape(c, start)
        if code is None:
            self.fail("bad escape \\" + c, start)
        return code, None

    def set(self, flags, start):
        negated = self.take("^")
        ranges = []
        sets = []
        first = True
        while True:
            c = self.peek()
            if not c:
                self.fail("unterminated character set", start)
            if c == "]" and not first:
                self.at += 1
                break
            first = False
            here = self.at
            low, found = self.set_item(flags)
            if self.peek() == "-" and self.at + 1 < len(self.text) and self.text[self.at + 1] != "]":
                self.at += 1
                high, other = self.set_item(flags)
                name = "".join(self.text[here : self.at])
                if low is None or high is None:
                    self.fail("bad character range " + name, here)
                if high < low:
                    self.fail("bad character range " + name, here)
                ranges.append((low, high))
            elif found is not None:
                sets.append(found)
            else:
                ranges.append((low, low))
        ignore = flags & IGNORECASE
        if not negated and not sets and not ignore and len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
            return ("char", ranges[0][0])
        return ("set", Set(ranges, sets, negated, ignore, self.bytes or bool(flags & ASCII)))

    def group(self, flags, start):
        from ._groups import parse_group

        return parse_group(self, flags, start)
