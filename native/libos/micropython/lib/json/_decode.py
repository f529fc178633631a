"""The reader of json. It works on UTF-8 bytes, where a place is found at once; errors count in characters."""

_ESCAPES = {34: '"', 92: "\\", 47: "/", 98: "\b", 102: "\f", 110: "\n", 114: "\r", 116: "\t"}


class JSONDecodeError(ValueError):
    def __init__(self, msg, doc, pos):
        self.msg = msg
        self.doc = doc
        self.pos = pos
        self.lineno = doc[:pos].count("\n") + 1
        self.colno = pos - doc[:pos].rfind("\n")
        super().__init__("%s: line %d column %d (char %d)" % (msg, self.lineno, self.colno, pos))


class Reader:
    def __init__(self, text, object_hook, parse_float, parse_int, parse_constant, pairs_hook):
        self.doc = text
        self.text = text.encode()
        self.object_hook = object_hook
        self.pairs_hook = pairs_hook
        self.float = parse_float or float
        self.int = parse_int or int
        self.constant = parse_constant or float

    def fail(self, msg, at):
        raise JSONDecodeError(msg, self.doc, len(self.text[:at].decode()))

    def blank(self, i):
        text = self.text
        n = len(text)
        while i < n and text[i] in b" \n\t\r":
            i += 1
        return i

    def value(self, i):
        text = self.text
        c = text[i] if i < len(text) else 0
        if c == 34:
            return self.string(i + 1)
        if c == 123:
            return self.object(i)
        if c == 91:
            return self.array(i)
        if 48 <= c <= 57 or c == 45:
            return self.number(i)
        if c == 116 and text[i : i + 4] == b"true":
            return True, i + 4
        if c == 102 and text[i : i + 5] == b"false":
            return False, i + 5
        if c == 110 and text[i : i + 4] == b"null":
            return None, i + 4
        if c == 78 and text[i : i + 3] == b"NaN":
            return self.constant("NaN"), i + 3
        if c == 73 and text[i : i + 8] == b"Infinity":
            return self.constant("Infinity"), i + 8
        self.fail("Expecting value", i)

    def number(self, i):
        text = self.text
        n = len(text)
        start = i
        if text[i] == 45:
            i += 1
            if text[i : i + 8] == b"Infinity":
                return self.constant("-Infinity"), i + 8
        if i >= n or not 48 <= text[i] <= 57:
            self.fail("Expecting value", start)
        if text[i] == 48:
            i += 1
        else:
            while i < n and 48 <= text[i] <= 57:
                i += 1
        whole = True
        if i + 1 < n and text[i] == 46 and 48 <= text[i + 1] <= 57:
            whole = False
            i += 2
            while i < n and 48 <= text[i] <= 57:
                i += 1
        if i < n and text[i] in b"eE":
            k = i + 1
            if k < n and text[k] in b"+-":
                k += 1
            if k < n and 48 <= text[k] <= 57:
                whole = False
                while k < n and 48 <= text[k] <= 57:
                    k += 1
                i = k
        digits = text[start:i].decode()
        return (self.int(digits) if whole else self.float(digits)), i

    def string(self, i):
        text = self.text
        end = text.find(b'"', i)
        if end >= 0:
            plain = text[i:end]
            if plain.find(b"\\") < 0:
                for c in plain:
                    if c < 32:
                        break
                else:
                    return plain.decode(), end + 1
        return self.escaped(i)

    def escaped(self, i):
        text = self.text
        n = len(text)
        begin = i - 1
        parts = []
        start = i
        while True:
            if i >= n:
                self.fail("Unterminated string starting at", begin)
            c = text[i]
            if c == 34:
                parts.append(text[start:i].decode())
                return "".join(parts), i + 1
            if c < 32:
                self.fail("Invalid control character at", i)
            if c != 92:
                i += 1
                continue
            parts.append(text[start:i].decode())
            if i + 1 >= n:
                self.fail("Unterminated string starting at", begin)
            c = text[i + 1]
            if c == 117:
                code = self.hexadecimal(i + 2)
                i += 6
                if 0xD800 <= code <= 0xDBFF and text[i : i + 2] == b"\\u":
                    low = self.hexadecimal(i + 2)
                    if 0xDC00 <= low <= 0xDFFF:
                        code = 0x10000 + ((code - 0xD800) << 10 | low - 0xDC00)
                        i += 6
                parts.append(chr(code))
            else:
                if c not in _ESCAPES:
                    self.fail("Invalid \\escape", i)
                parts.append(_ESCAPES[c])
                i += 2
            start = i

    def hexadecimal(self, i):
        digits = self.text[i : i + 4]
        if len(digits) == 4:
            for c in digits:
                if c not in b"0123456789abcdefABCDEF":
                    break
            else:
                return int(digits.decode(), 16)
        self.fail("Invalid \\uXXXX escape", i - 1)

    def array(self, i):
        text = self.text
        values = []
        i = self.blank(i + 1)
        if text[i : i + 1] == b"]":
            return values, i + 1
        while True:
            value, i = self.value(i)
            values.append(value)
            i = self.blank(i)
            c = text[i : i + 1]
            if c == b"]":
                return values, i + 1
            if c != b",":
                self.fail("Expecting ',' delimiter", i)
            i = self.blank(i + 1)

    def object(self, i):
        text = self.text
        pairs = []
        i = self.blank(i + 1)
        if text[i : i + 1] == b"}":
            i += 1
        else:
            if text[i : i + 1] != b'"':
                self.fail("Expecting property name enclosed in double quotes", i)
            while True:
                key, i = self.string(i + 1)
                i = self.blank(i)
                if text[i : i + 1] != b":":
                    self.fail("Expecting ':' delimiter", i)
                value, i = self.value(self.blank(i + 1))
                pairs.append((key, value))
                i = self.blank(i)
                c = text[i : i + 1]
                i += 1
                if c == b"}":
                    break
                if c != b",":
                    self.fail("Expecting ',' delimiter", i - 1)
                i = self.blank(i)
                if text[i : i + 1] != b'"':
                    self.fail("Expecting property name enclosed in double quotes", i)
        if self.pairs_hook is not None:
            return self.pairs_hook(pairs), i
        value = dict(pairs)
        if self.object_hook is not None:
            value = self.object_hook(value)
        return value, i


def decode(text, object_hook=None, parse_float=None, parse_int=None, parse_constant=None, pairs_hook=None):
    if isinstance(text, (bytes, bytearray)):
        text = bytes(text).decode()
    elif not isinstance(text, str):
        raise TypeError("the JSON object must be str, bytes or bytearray, not " + type(text).__name__)
    reader = Reader(text, object_hook, parse_float, parse_int, parse_constant, pairs_hook)
    value, end = reader.value(reader.blank(0))
    end = reader.blank(end)
    if end != len(reader.text):
        reader.fail("Extra data", end)
    return value
