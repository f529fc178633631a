"""literal_eval, and only that: there are no trees, nodes or visitors.

Never evaluates anything but literals: each token is judged by this parser before the interpreter reads it.
"""

_SPACE = " \t\r\n\f"
_WORDS = {"None": None, "True": True, "False": False}


class _Other(Exception):
    pass


def literal_eval(node_or_string):
    if not isinstance(node_or_string, str):
        raise ValueError(f"malformed node or string: {node_or_string!r}")
    text = node_or_string.lstrip(" \t")
    compile(text, "<unknown>", "eval")  # what is no Python at all is its SyntaxError
    reader = _Reader(text)
    try:
        value = reader.several("")
    except _Other:
        raise ValueError(f"malformed node or string on line {text[: reader.at].count(chr(10)) + 1}")
    return value


class _Reader:
    """`at` is the place of what comes next."""

    def __init__(self, text):
        self.text, self.at, self.depth = text, 0, 0

    def peek(self):
        """The next character that means something, "" at the end."""
        text, size = self.text, len(self.text)
        while self.at < size:
            c = text[self.at]
            if c == "#":
                end = text.find("\n", self.at)
                self.at = size if end < 0 else end
            elif c in _SPACE:
                self.at += 1
            elif c == "\\" and text[self.at + 1 : self.at + 2] == "\n":
                self.at += 2
            else:
                return c
        return ""

    def take(self, wanted):
        if self.peek() != wanted:
            return False
        self.at += len(wanted)
        return True

    def several(self, close):
        """What is between brackets: a value, or a tuple if there is a comma."""
        values, comma = [], False
        while self.peek() != close:
            values.append(self.sum())
            if not self.take(","):
                break
            comma = True
        if not self.take(close) and close:
            raise _Other
        if not close and self.peek():
            raise _Other
        return values[0] if len(values) == 1 and not comma else tuple(values)

    def list(self):
        values = []
        while not self.take("]"):
            values.append(self.sum())
            if not self.take(",") and self.peek() != "]":
                raise _Other
        return values

    def braces(self):
        pairs, values = {}, []
        while not self.take("}"):
            value = self.sum()
            if self.take(":"):
                pairs[value] = self.sum()
            else:
                values.append(value)
            if not self.take(",") and self.peek() != "}":
                raise _Other
        return set(values) if values else pairs

    def sum(self):
        """A value, or a real and an imaginary number added."""
        value = self.signed()
        while self.peek() in ("+", "-") and self.peek():
            minus = self.peek() == "-"
            self.at += 1
            right = self.value()
            if type(value) not in (int, float) or type(right) is not complex:
                raise _Other
            value = value - right if minus else value + right
        return value

    def signed(self):
        c = self.peek()
        if c and c in "+-":
            self.at += 1
            value = self.value()
            if type(value) not in (int, float, complex):
                raise _Other
            return -value if c == "-" else value
        return self.value()

    def value(self):
        self.depth += 1
        if self.depth > 90:
            raise MemoryError("too many nested brackets")
        value = self._value()
        self.depth -= 1
        return value

    def _value(self):
        c = self.peek()
        if c == "(":
            self.at += 1
            return self.several(")")
        if c == "[":
            self.at += 1
            return self.list()
        if c == "{":
            self.at += 1
            return self.braces()
        if c and (c in "0123456789" or (c == "." and self.text[self.at : self.at + 3] != "...")):
            return self.number()
        if c == ".":
            self.at += 3
            return ...
        end = self.at
        while end < len(self.text) and (self.text[end].isalpha() or self.text[end] in "_0123456789"):
            end += 1
        word = self.text[self.at : end]
        if self.text[end : end + 1] in ("'", '"') and word.lower() in ("", "r", "b", "u", "br", "rb"):
            return self.strings()
        if word in _WORDS:
            self.at = end
            return _WORDS[word]
        if word == "set":
            self.at = end
            if self.take("(") and self.take(")"):
                return set()
        raise _Other

    def number(self):
        text, start = self.text, self.at
        end = start + 1
        while end < len(text):
            c = text[end]
            hexadecimal = text[start : start + 2] in ("0x", "0X")
            if not (
                c.isalpha()
                or c in "._0123456789"
                or (c in "+-" and text[end - 1] in "eE" and not hexadecimal)
            ):
                break
            end += 1
        self.at = end
        return eval(text[start:end])

    def strings(self):
        """One literal, or several side by side."""
        text, whole = self.text, None
        while True:
            start = end = self.at
            while text[end] not in "'\"":
                end += 1
            if "f" in text[start:end].lower():
                raise _Other
            quote = text[end : end + 3] if text[end : end + 3] in ("'''", '"""') else text[end]
            end += len(quote)
            while text[end : end + len(quote)] != quote:
                end += 2 if text[end] == "\\" else 1
            self.at = end + len(quote)
            part = eval(text[start : self.at])
            whole = part if whole is None else whole + part
            c = self.peek()
            if not c or c not in "'\"rRbBuUfF":
                return whole
