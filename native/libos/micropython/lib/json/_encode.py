"""The writer of json: one object per call, parts gathered in a list."""

import ujson

_INF = float("inf")


def quote(text, ensure_ascii):
    made = ujson.dumps(text if type(text) is str else "".join((text,)))
    if "\\u" in made:
        made = _controls(text)
    if not ensure_ascii or (len(made) == len(made.encode()) and "\x7f" not in made):
        return made
    parts = []
    for c in made:
        code = ord(c)
        if code < 127:
            parts.append(c)
        elif code < 0x10000:
            parts.append("\\u%04x" % code)
        else:
            code -= 0x10000
            parts.append("\\u%04x\\u%04x" % (0xD800 | code >> 10, 0xDC00 | code & 0x3FF))
    return "".join(parts)


_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\x08": "\\b", "\x0c": "\\f"}


def _controls(text):
    parts = ['"']
    for c in text:
        if c in _SHORT:
            c = _SHORT[c]
        elif c < " ":
            c = "\\u%04x" % ord(c)
        parts.append(c)
    parts.append('"')
    return "".join(parts)


class Writer:
    def __init__(self, skipkeys, ensure_ascii, allow_nan, indent, separators, default, sort_keys):
        self.skipkeys = skipkeys
        self.ensure_ascii = ensure_ascii
        self.allow_nan = allow_nan
        if indent is not None and not isinstance(indent, str):
            indent = " " * indent
        self.indent = indent
        if separators is None:
            separators = (", " if indent is None else ",", ": ")
        self.comma, self.colon = separators
        self.default = default
        self.sort_keys = sort_keys
        self.open = set()
        self.parts = []

    def text(self, obj):
        self.write(obj, "\n" if self.indent is not None else None)
        return "".join(self.parts)

    def float(self, o):
        if o != o:
            text = "NaN"
        elif o == _INF:
            text = "Infinity"
        elif o == -_INF:
            text = "-Infinity"
        else:
            return repr(o)
        if not self.allow_nan:
            raise ValueError("Out of range float values are not JSON compliant")
        return text

    def write(self, o, line):
        add = self.parts.append
        if isinstance(o, str):
            add(quote(o, self.ensure_ascii))
        elif o is None:
            add("null")
        elif o is True:
            add("true")
        elif o is False:
            add("false")
        elif isinstance(o, int):
            add(str(o) if type(o) is int else str(int(o)))
        elif isinstance(o, float):
            add(self.float(o))
        elif isinstance(o, (list, tuple)):
            self.sequence(o, line)
        elif isinstance(o, dict):
            self.mapping(o, line)
        elif self.default is not None:
            self.enter(o)
            self.write(self.default(o), line)
            self.open.remove(id(o))
        else:
            raise TypeError("Object of type " + type(o).__name__ + " is not JSON serializable")

    def enter(self, o):
        if id(o) in self.open:
            raise ValueError("Circular reference detected")
        self.open.add(id(o))

    def sequence(self, o, line):
        add = self.parts.append
        if not o:
            add("[]")
            return
        self.enter(o)
        comma = self.comma
        if line is None:
            deeper = None
            add("[")
        else:
            deeper = line + self.indent
            add("[" + deeper)
            comma += deeper
        first = True
        for item in o:
            if not first:
                add(comma)
            first = False
            self.write(item, deeper)
        add("]" if line is None else line + "]")
        self.open.remove(id(o))

    def key(self, key):
        if isinstance(key, str):
            return key
        if key is True:
            return "true"
        if key is False:
            return "false"
        if key is None:
            return "null"
        if isinstance(key, float):
            return self.float(key)
        if isinstance(key, int):
            return str(int(key))
        if self.skipkeys:
            return None
        raise TypeError("keys must be str, int, float, bool or None, not " + type(key).__name__)

    def mapping(self, o, line):
        add = self.parts.append
        if not o:
            add("{}")
            return
        self.enter(o)
        comma = self.comma
        if line is None:
            deeper = None
            add("{")
        else:
            deeper = line + self.indent
            add("{" + deeper)
            comma += deeper
        items = o.items()
        if self.sort_keys:
            items = sorted(items, key=lambda item: item[0])
        first = True
        for key, value in items:
            key = self.key(key)
            if key is None:
                continue
            if not first:
                add(comma)
            first = False
            add(quote(key, self.ensure_ascii))
            add(self.colon)
            self.write(value, deeper)
        add("}" if line is None else line + "}")
        self.open.remove(id(o))
