"""XML text, read into elements. Words and places of errors are expat's; a DTD is refused, unread."""

_SPACE = " \t\r\n"
_ENTITIES = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_XML = "http://www.w3.org/XML/1998/namespace"


class ParseError(SyntaxError):
    """`code` is expat's number of the error, `position` (line from 1, column from 0)."""


_MISPLACED = "XML or text declaration not at start of entity"
_CODES = {
    _MISPLACED: 17,
    "syntax error": 2,
    "no element found": 3,
    "not well-formed (invalid token)": 4,
    "unclosed token": 5,
    "mismatched tag": 7,
    "duplicate attribute": 8,
    "junk after document element": 9,
    "undefined entity": 11,
    "reference to invalid character number": 14,
    "unclosed CDATA section": 20,
    "unbound prefix": 27,
    "documents with a DTD are refused": 0,
}


def _decoded(content):
    if content[:3] == b"\xef\xbb\xbf":
        content = content[3:]
    head = bytes(content[:100])
    at = head.find(b"encoding=")
    if head[:5] == b"<?xml" and 0 < at < head.find(b"?>"):
        quote = head[at + 9 : at + 10]
        name = head[at + 10 : head.find(quote, at + 10)].decode().lower()
        if name in ("iso-8859-1", "latin-1", "latin1"):
            return "".join([chr(c) for c in content])
        if name not in ("utf-8", "utf8", "us-ascii", "ascii"):
            raise ValueError(f"unsupported encoding: {name}")
    return bytes(content).decode()


class Reader:
    """`at` is the place in the text."""

    def __init__(self, content):
        if not isinstance(content, str):
            content = _decoded(content)
        self.text = content.replace("\r\n", "\n").replace("\r", "\n") if "\r" in content else content
        self.at, self.size = 0, len(self.text)

    def error(self, what, at=None):
        at = self.at if at is None else at
        before = self.text[:at]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n") - 1
        made = ParseError(f"{what}: line {line}, column {column}")
        made.code, made.position = _CODES[what], (line, column)
        return made

    def bad(self, at=None):
        return self.error("not well-formed (invalid token)", at)

    def space(self):
        text, size = self.text, self.size
        while self.at < size and text[self.at] in _SPACE:
            self.at += 1

    def starts(self, words):
        return self.text[self.at : self.at + len(words)] == words

    def until(self, end, missing="unclosed token", start=None):
        """The text up to `end`, which is passed."""
        found = self.text.find(end, self.at)
        if found < 0:
            raise self.error(missing, start)
        part, self.at = self.text[self.at : found], found + len(end)
        return part

    def name(self):
        text, start = self.text, self.at
        while self.at < self.size:
            c = text[self.at]
            if not (c.isalpha() or c in "_:" or c > "\x7f" or (self.at > start and c in "-.0123456789")):
                break
            self.at += 1
        if self.at == start:
            raise self.bad()
        return text[start : self.at]

    def plain(self, raw, start):
        """Text with its references replaced."""
        if "&" not in raw:
            return raw
        parts = raw.split("&")
        result, at = parts[0], start + len(parts[0])
        for part in parts[1:]:
            name, semicolon, rest = part.partition(";")
            if not semicolon or not name or not all([c.isalpha() or c in "_#-.:0123456789" for c in name]):
                end = at + 1
                while end < self.size and (self.text[end].isalpha() or self.text[end] in "_#-.:0123456789"):
                    end += 1
                raise self.bad(end)
            if name[0] == "#":
                try:
                    number = int(name[2:], 16) if name[1] == "x" else int(name[1:])
                except (ValueError, IndexError):
                    raise self.bad(at + 2)
                if (
                    number > 0x10FFFF
                    or 0xD800 <= number < 0xE000
                    or (number < 32 and number not in (9, 10, 13))
                ):
                    raise self.error("reference to invalid character number", at)
                result += chr(number)
            elif name in _ENTITIES:
                result += _ENTITIES[name]
            else:
                raise self.error("undefined entity", at)
            result += rest
            at += len(part) + 1
        return result

    def attributes(self):
        """{name: value} of a tag, up to its end."""
        found = {}
        while True:
            before = self.at
            self.space()
            if self.at >= self.size:
                return found
            if self.text[self.at] in "/>":
                return found
            if self.at == before:
                raise self.bad()
            start, name = self.at, self.name()
            self.space()
            if not self.starts("="):
                raise self.bad() if self.at < self.size else self.error("unclosed token", self.tag_start)
            self.at += 1
            self.space()
            quote = self.text[self.at : self.at + 1]
            if quote not in ("'", '"'):
                raise self.bad()
            self.at += 1
            opened = self.at
            value = self.until(quote, start=self.tag_start)
            if "<" in value:
                raise self.bad(opened + value.find("<"))
            if name in found:
                raise self.error("duplicate attribute", start)
            value = value.replace("\n", " ").replace("\t", " ")
            found[name] = self.plain(value, opened)


def _named(reader, name, spaces, attribute=False):
    prefix, colon, local = name.partition(":")
    if not colon:
        uri = None if attribute else spaces.get("")
        return f"{{{uri}}}{name}" if uri else name
    if prefix not in spaces:
        raise reader.error("unbound prefix", reader.tag_start)
    return f"{{{spaces[prefix]}}}{local}"


def build(reader, make):
    """The root element; `make(tag, attributes)` makes each."""
    root, last, open_, spaces = None, None, [], [{"xml": _XML}]
    if reader.starts("\ufeff"):
        reader.at = 1
    while True:
        start, inside = reader.at, bool(open_)
        found = reader.text.find("<", start)
        raw = reader.text[start:] if found < 0 else reader.text[start:found]
        if inside:
            if "]]>" in raw:
                raise reader.bad(start + raw.find("]]>") + 2)
            _add(open_[-1], last, reader.plain(raw, start))
        elif raw.strip(_SPACE):
            at = start + len(raw) - len(raw.lstrip(_SPACE))
            raise reader.error("syntax error" if root is None else "junk after document element", at)
        if found < 0:
            if open_ or root is None:
                raise reader.error("no element found", reader.size)
            return root
        reader.at = reader.tag_start = found
        if reader.starts("<!--"):
            reader.at += 4
            reader.until("--", start=found)
            if not reader.starts(">"):
                raise reader.bad()
            reader.at += 1
        elif reader.starts("<![CDATA["):
            if not inside:
                raise reader.error("syntax error" if root is None else "junk after document element")
            reader.at += 9
            _add(open_[-1], last, reader.until("]]>", "unclosed CDATA section", reader.size))
        elif reader.starts("<!"):
            if not reader.starts("<!DOCTYPE"):
                raise reader.bad(found + 2)
            raise reader.error("documents with a DTD are refused")
        elif reader.starts("<?"):
            reader.at += 2
            if reader.name().lower() == "xml" and found > 0 and reader.text[0] != "\ufeff":
                raise reader.error(_MISPLACED, found)
            reader.until("?>", start=found)
        elif reader.starts("</"):
            reader.at += 2
            at, name = reader.at, reader.name()
            if not open_ or open_[-1]._name != name:
                raise reader.error("mismatched tag", at) if open_ else reader.bad(found + 1)
            reader.space()
            if not reader.starts(">"):
                raise reader.bad() if reader.at < reader.size else reader.error("unclosed token", found)
            reader.at += 1
            last = open_.pop()
            del last._name
            spaces.pop()
        else:
            if root is not None and not inside:
                raise reader.error("junk after document element", found)
            reader.at += 1
            name = reader.name()
            last = _open(reader, name, make, open_, spaces)
            root = last if root is None else root
            if reader.starts("/>"):
                reader.at += 2
                del last._name
                spaces.pop()
            elif reader.starts(">"):
                reader.at += 1
                open_.append(last)
                last = None
            elif reader.at >= reader.size:
                raise reader.error("unclosed token", found)
            else:
                raise reader.bad(reader.at + 1)


def _open(reader, name, make, open_, spaces):
    raw = reader.attributes()
    here = spaces[-1]
    for key, value in raw.items():
        if key == "xmlns" or key[:6] == "xmlns:":
            here = here.copy() if here is spaces[-1] else here
            here[key[6:]] = value
    attributes = {}
    for key, value in raw.items():
        if key != "xmlns" and key[:6] != "xmlns:":
            attributes[_named(reader, key, here, True)] = value
    element = make(_named(reader, name, here), attributes)
    element._name = name
    spaces.append(here)
    if open_:
        open_[-1].append(element)
    return element


def _add(parent, last, text):
    """To the text of the parent, or behind the element that ended last in it."""
    if not text:
        return
    if last is None:
        parent.text = (parent.text or "") + text
    else:
        last.tail = (last.tail or "") + text
