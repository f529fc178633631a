"""pprint, pformat, pp, PrettyPrinter, isreadable, saferepr for builtin containers and text.

Lacks: dataclasses, SimpleNamespace and subclasses of containers (shown by their repr), underscore_numbers.
"""

import sys


def pformat(
    object, indent=1, width=80, depth=None, *, compact=False, sort_dicts=True, underscore_numbers=False
):
    return _Form(indent, width, depth, compact, sort_dicts).text(object)


def pprint(
    object,
    stream=None,
    indent=1,
    width=80,
    depth=None,
    *,
    compact=False,
    sort_dicts=True,
    underscore_numbers=False,
):
    text = pformat(object, indent, width, depth, compact=compact, sort_dicts=sort_dicts)
    (stream or sys.stdout).write(text + "\n")


def pp(object, *values, sort_dicts=False, **named):
    pprint(object, *values, sort_dicts=sort_dicts, **named)


def saferepr(object):
    return _Form(1, 80, None, False, True).flat(object, (), 1)


def isreadable(object):
    return "<" not in saferepr(object)


class PrettyPrinter:
    def __init__(
        self,
        indent=1,
        width=80,
        depth=None,
        stream=None,
        *,
        compact=False,
        sort_dicts=True,
        underscore_numbers=False,
    ):
        self._stream, self._form = stream, _Form(indent, width, depth, compact, sort_dicts)

    def pformat(self, object):
        return self._form.text(object)

    def pprint(self, object):
        (self._stream or sys.stdout).write(self.pformat(object) + "\n")


def _ordered(values, key=None):
    try:
        return sorted(values, key=key)
    except TypeError:
        pick = key or (lambda value: value)
        return sorted(values, key=lambda value: (str(type(pick(value))), id(pick(value))))


class _Form:
    def __init__(self, indent, width, depth, compact, sort_dicts):
        if indent < 0:
            raise ValueError("indent must be >= 0")
        if depth is not None and depth <= 0:
            raise ValueError("depth must be > 0")
        if not width:
            raise ValueError("width must be != 0")
        self.indent, self.width, self.depth, self.compact, self.sorts = (
            indent,
            width,
            depth,
            compact,
            sort_dicts,
        )

    def text(self, value):
        out = []
        self.put(value, out, 0, 0, (), 0)
        return "".join(out)

    def items(self, value):
        return _ordered(value.items(), lambda pair: pair[0]) if self.sorts else list(value.items())

    def flat(self, value, within, level):
        kind = type(value)
        if kind not in (dict, list, tuple) or not value:
            return repr(value)
        if self.depth is not None and level > self.depth:
            return {dict: "{...}", list: "[...]", tuple: "(...,)" if len(value) == 1 else "(...)"}[kind]
        if id(value) in within:
            return "<Recursion on %s with id=%d>" % (kind.__name__, id(value))
        within = within + (id(value),)
        if kind is dict:
            pairs = [
                self.flat(k, within, level + 1) + ": " + self.flat(v, within, level + 1)
                for k, v in self.items(value)
            ]
            return "{" + ", ".join(pairs) + "}"
        inner = ", ".join([self.flat(one, within, level + 1) for one in value])
        if kind is list:
            return "[" + inner + "]"
        return "(" + inner + (",)" if len(value) == 1 else ")")

    def put(self, value, out, at, allowance, within, level):
        if id(value) in within:
            out.append("<Recursion on %s with id=%d>" % (type(value).__name__, id(value)))
            return
        text, kind = self.flat(value, within, level + 1), type(value)
        if (
            len(text) <= self.width - at - allowance
            or kind not in (dict, list, tuple, set, frozenset, str)
            or not value
        ):
            out.append(text)
            return
        if self.depth is not None and level + 1 > self.depth:
            out.append(text)
            return
        within, level = within + (id(value),), level + 1
        if kind is dict:
            self.put_dict(value, out, at, allowance + 1, within, level)
        elif kind is str:
            self.put_text(value, out, at, allowance, level)
        else:
            opens, closes = {
                list: ("[", "]"),
                tuple: ("(", ")"),
                set: ("{", "}"),
                frozenset: ("frozenset({", "})"),
            }[kind]
            if kind is tuple and len(value) == 1:
                closes = ",)"
            if kind in (set, frozenset):
                value = _ordered(value)
            out.append(opens)
            if kind is frozenset:
                at += 10
            self.put_items(value, out, at, allowance + len(closes), within, level)
            out.append(closes)

    def put_dict(self, value, out, at, allowance, within, level):
        out.append("{" + (self.indent - 1) * " ")
        at += self.indent
        pairs = self.items(value)
        for i, (key, one) in enumerate(pairs):
            last = i == len(pairs) - 1
            name = self.flat(key, within, level + 1)
            out.append(name + ": ")
            self.put(one, out, at + len(name) + 2, allowance if last else 1, within, level)
            if not last:
                out.append(",\n" + " " * at)
        out.append("}")

    def put_items(self, values, out, at, allowance, within, level):
        out.append((self.indent - 1) * " ")
        at += self.indent
        values = list(values)
        room = width = self.width - at + 1
        separator, newline = "", ",\n" + " " * at
        for i, one in enumerate(values):
            last = i == len(values) - 1
            if last:
                width -= allowance
                room -= allowance
            if self.compact:
                text = self.flat(one, within, level + 1)
                size = len(text) + 2
                if room < size:
                    room = width
                    if separator:
                        separator = newline
                if room >= size:
                    room -= size
                    out.append(separator + text)
                    separator = ", "
                    continue
            out.append(separator)
            separator = newline
            self.put(one, out, at, allowance if last else 1, within, level)

    def put_text(self, value, out, at, allowance, level):
        pieces, lines = [], value.splitlines(True)
        if level == 1:
            at += 1
            allowance += 1
        room = self.width - at
        for i, line in enumerate(lines):
            last = i == len(lines) - 1
            if len(repr(line)) <= room - (allowance if last else 0):
                pieces.append(repr(line))
                continue
            words = _words(line)
            current = ""
            for j, word in enumerate(words):
                limit = room - (allowance if last and j == len(words) - 1 else 0)
                if len(repr(current + word)) > limit:
                    if current:
                        pieces.append(repr(current))
                    current = word
                else:
                    current += word
            if current:
                pieces.append(repr(current))
        if len(pieces) == 1:
            out.append(pieces[0])
            return
        joined = ("\n" + " " * at).join(pieces)
        out.append("(" + joined + ")" if level == 1 else joined)


def _words(line):
    """Runs of other characters, each with the white space after it."""
    words, current, blank = [], "", False
    for c in line:
        if c.isspace():
            blank = True
        elif blank:
            words.append(current)
            current, blank = "", False
        current += c
    return words + [current]
