"""Replacement templates of re: text with \\1, \\g<1>, \\g<name> and escapes, as a list of texts and group
numbers.
"""

from ._parse import error

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a", "b": "\b", "\\": "\\"}


def expand(template, pattern):
    raw = isinstance(template, (bytes, bytearray))
    if (b"\\" if raw else "\\") not in template:
        return [template] if template else []
    pieces = []
    text = []

    def group(number, at):
        if number > pattern.groups:
            raise error("invalid group reference " + str(number), template, at)
        if text:
            joined = "".join(text)
            pieces.append(joined.encode("latin-1") if raw else joined)
            del text[:]
        pieces.append(number)

    chars = [chr(c) for c in template] if raw else list(template)
    n = len(chars)
    i = 0
    while i < n:
        c = chars[i]
        i += 1
        if c != "\\":
            text.append(c)
            continue
        if i >= n:
            raise error("bad escape (end of pattern)", template, i - 1)
        c = chars[i]
        i += 1
        if c == "g":
            if i >= n or chars[i] != "<":
                raise error("missing <", template, i)
            end = i
            while end < n and chars[end] != ">":
                end += 1
            if end >= n:
                raise error("missing >, unterminated name", template, i + 1)
            name = "".join(chars[i + 1 : end])
            if not name:
                raise error("missing group name", template, i + 1)
            if name.isdigit():
                group(int(name), i + 1)
            elif name in pattern.groupindex:
                group(pattern.groupindex[name], i + 1)
            else:
                raise IndexError("unknown group name " + repr(name))
            i = end + 1
        elif c == "0":
            digits = c
            while i < n and len(digits) < 3 and chars[i] in "01234567":
                digits += chars[i]
                i += 1
            text.append(chr(int(digits, 8)))
        elif c in "123456789":
            start = i - 1
            digits = c
            if i < n and chars[i] in "0123456789":
                digits += chars[i]
                i += 1
                if c in "0123" and digits[1] in "01234567" and i < n and chars[i] in "01234567":
                    text.append(chr(int(digits + chars[i], 8)))
                    i += 1
                    continue
            group(int(digits), start)
        elif c in _ESCAPES:
            text.append(_ESCAPES[c])
        elif "a" <= c <= "z" or "A" <= c <= "Z":
            raise error("bad escape \\" + c, template, i - 2)
        else:
            text.append("\\" + c)
    if text:
        joined = "".join(text)
        pieces.append(joined.encode("latin-1") if raw else joined)
    return pieces
