"""html.parser: HTMLParser, by the methods that a class of yours overrides.

Lacks: the finest points of broken markup. Text is given in one piece up to the next markup.
"""

from html import unescape

_SPACE = " \t\n\r\f"


class HTMLParser:
    """feed() text, close() at the end."""

    CDATA_CONTENT_ELEMENTS = ("script", "style")

    def __init__(self, *, convert_charrefs=True):
        self.convert_charrefs = convert_charrefs
        self.reset()

    def reset(self):
        self.rawdata, self.cdata_elem, self._line, self._column, self._tag = "", None, 1, 0, None

    def handle_starttag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        pass

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_data(self, data):
        pass

    def handle_comment(self, data):
        pass

    def handle_decl(self, decl):
        pass

    def handle_pi(self, data):
        pass

    def unknown_decl(self, data):
        pass

    def handle_entityref(self, name):
        pass

    def handle_charref(self, name):
        pass

    def get_starttag_text(self):
        return self._tag

    def getpos(self):
        return self._line, self._column

    def feed(self, data):
        self.rawdata += data
        self._go(False)

    def close(self):
        self._go(True)

    def _take(self, end):
        text, self.rawdata = self.rawdata[:end], self.rawdata[end:]
        lines = text.count("\n")
        if lines:
            self._line += lines
            self._column = len(text) - text.rfind("\n") - 1
        else:
            self._column += len(text)

    def _data(self, end):
        text = self.rawdata[:end]
        if text:
            if self.cdata_elem is None and self.convert_charrefs:
                self.handle_data(unescape(text))
            elif self.cdata_elem is None and "&" in text:
                self._references(text)
            else:
                self.handle_data(text)
            self._take(end)

    def _references(self, text):
        parts = text.split("&")
        if parts[0]:
            self.handle_data(parts[0])
        for part in parts[1:]:
            end = 1 if part[:1] == "#" else 0
            while end < len(part) and (part[end].isalpha() or part[end].isdigit()):
                end += 1
            name, rest = part[:end], part[end + (part[end : end + 1] == ";") :]
            if name[:1] == "#" and len(name) > 1:
                self.handle_charref(name[1:])
            elif name and name[0].isalpha():
                self.handle_entityref(name)
            else:
                rest = "&" + part
            if rest:
                self.handle_data(rest)

    def _go(self, ends):
        while self.rawdata:
            raw = self.rawdata
            if self.cdata_elem is not None:
                at = raw.lower().find("</" + self.cdata_elem)
            else:
                at = raw.find("<")
                while 0 <= at < len(raw) - 1 and not (raw[at + 1].isalpha() or raw[at + 1] in "/!?"):
                    at = raw.find("<", at + 1)
            if at < 0:
                if not ends and self.convert_charrefs and self.cdata_elem is None:
                    amp = raw.rfind("&", max(0, len(raw) - 34))
                    if amp >= 0 and ";" not in raw[amp:]:
                        return
                if self.cdata_elem is not None and not ends:
                    return
                self._data(len(raw))
                return
            self._data(at)
            end = self._markup(self.rawdata)
            if end < 0:
                if ends:
                    self._data(len(self.rawdata))
                return
            self._take(end)

    def _markup(self, raw):
        """The place behind the markup at the start, or -1 where its end is not there yet."""
        if raw.startswith("<!--"):
            end = raw.find("-->", 4)
            if end >= 0:
                self.handle_comment(raw[4:end])
            return end + 3 if end >= 0 else -1
        if raw.startswith("<!["):
            end = raw.find("]]>" if raw.startswith("<![CDATA[") else "]>", 3)
            if end >= 0:
                self.unknown_decl(raw[3:end])
            return raw.find(">", end) + 1 if end >= 0 else -1
        end = raw.find(">") if raw[1:2] in ("!", "?", "/") else self._tag_end(raw)
        if end < 0:
            return -1
        inside = raw[2:end]
        if raw[1] == "?":
            self.handle_pi(inside)
        elif raw[1] == "!":
            self.handle_decl(inside) if inside[:7].lower() == "doctype" else self.handle_comment(inside)
        elif raw[1] == "/":
            if inside[:1].isalpha():
                tag = inside.split()[0].lower()
                self.cdata_elem = None
                self.handle_endtag(tag)
            elif inside:
                self.handle_comment(inside)
        else:
            self._tag = raw[: end + 1]
            self._start(raw[1:end])
        return end + 1

    def _tag_end(self, raw):
        quote, i, value = "", 1, False
        for i in range(1, len(raw)):
            letter = raw[i]
            if quote:
                if letter == quote:
                    quote = ""
            elif letter == ">":
                return i
            elif letter in "\"'" and value:
                quote = letter
            elif letter == "=":
                value = True
            elif letter not in _SPACE:
                value = False
        return -1

    def _start(self, text):
        i, size = 0, len(text)
        while i < size and text[i] not in _SPACE + "/":
            i += 1
        tag, attrs = text[:i].lower(), []
        while i < size:
            if text[i] in _SPACE + "/":
                i += 1
                continue
            start = i
            i += 1
            while i < size and text[i] not in _SPACE + "/=":
                i += 1
            name, value = text[start:i].lower(), None
            look = i
            while look < size and text[look] in _SPACE:
                look += 1
            if look < size and text[look] == "=":
                i = look + 1
                while i < size and text[i] in _SPACE:
                    i += 1
                if i < size and text[i] in "\"'":
                    end = text.find(text[i], i + 1)
                    end = size if end < 0 else end
                    value, i = text[i + 1 : end], end + 1
                else:
                    start = i
                    while i < size and text[i] not in _SPACE:
                        i += 1
                    value = text[start:i]
                value = unescape(value)
            attrs.append((name, value))
        if text.endswith("/") and not (
            attrs and attrs[-1][1] and attrs[-1][1].endswith("/") and text[-2:-1] not in "\"'"
        ):
            self.handle_startendtag(tag, attrs)
        else:
            self.handle_starttag(tag, attrs)
            if tag in self.CDATA_CONTENT_ELEMENTS:
                self.cdata_elem = tag
