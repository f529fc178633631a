"""Markdown as sections and blocks, by one pass over its lines.

An own scanner instead of a parser: it needs exact offsets, keeps what a page is made of together
(front matter, comments, fences, lists, tables, admonitions), and stays linear on any input. It does
not know inline markup. Invariant: nothing inside a fence, a comment or front matter is a heading.
"""

from __future__ import annotations

import re
from dataclasses import replace

from nexus.cortex.outline import NEVER, Block, Form, Section, line_spans

_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+|$)")
_SETEXT = re.compile(r" {0,3}(?:=+|-+)[ \t]*$")
_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])(?:[ \t]|$)")
_QUOTE = re.compile(r" {0,3}>[ \t]?")
_RULE_ROW = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-*:?[ \t]*)+$")
_ATTRIBUTES = re.compile(r"[ \t]*\{[ \t]*[#.:][^{}]*\}[ \t]*$")
_CLOSING_HASHES = re.compile(r"(?:^|[ \t]+)#+[ \t]*$")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_OPENER = re.compile(r"(?:/{3,}[ \t]*\S|:{3,}[ \t]*\S|!{3}[ \t]|\?{3}|<[A-Za-z][^<>]*>[ \t]*$)")
_CLOSER = re.compile(r"(?:/{3,}[ \t]*$|:{3,}[ \t]*$|</)")
_LABEL = re.compile(r"[ \t]*(?:<!--|<a (?:id|name)=[^<>\n]*>[ \t]*(?:</a>)?[ \t]*(?:[\r\n]|$))")
_CONTINUES = re.compile(r"\.\.\.|…|[a-z]")

_TITLE_LIMIT = 200  # a "title" longer than this is a paragraph above a rule


def sections(text: str) -> list[Section]:
    """The sections of `text` in order; text before the first heading has the path `()`."""
    return _Scanner(text).run()


def title_of(line: str) -> str:
    """The words of a heading: no anchor suffix, closing hashes, link targets or tags."""
    title = _ATTRIBUTES.sub("", line[:2000])
    title = _CLOSING_HASHES.sub("", title)
    return " ".join(_TAG.sub("", _LINK.sub(r"\1", title)).split())


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = line_spans(text)
        self.result = [Section(())]
        self.path: list[tuple[int, str]] = []
        self.outside: list[tuple[int, str]] | None = None  # the path around a quote with headings
        self.begin = -1  # start of the open block, or -1
        self.end = -1
        self.form: Form = "prose"
        self.kind = ""  # "prose", "list", "table", "quote" while a block is open
        self.open_fence = ""  # fence inside an open quote or list
        self.depth = 0  # open admonitions
        self.comments_end = text.rfind("-->")

    def run(self) -> list[Section]:
        index = self._front_matter()
        while index < len(self.lines):
            index = self._line(index)
        self._close()
        return [section for section in self.result if section.blocks]

    def _at(self, index: int) -> str:
        start, end = self.lines[index]
        return self.text[start:end]

    # ---- blocks -------------------------------------------------------------------------------

    def _open(self, index: int, kind: str, form: Form) -> None:
        self._close()
        self.begin, self.end = self.lines[index]
        self.kind, self.form = kind, form

    def _close(self) -> None:
        if self.begin >= 0:
            self._add(self.begin, self.end, self.form)
        self.begin, self.kind, self.open_fence = -1, "", ""

    def _add(self, start: int, end: int, form: Form, kind: str = "") -> None:
        head = self.text[start : start + 80].lstrip("> \t")
        blocks = self.result[-1].blocks
        price = self._price(blocks[-1] if blocks else None, head, form, kind or self.kind)
        if head.startswith("///") or head.startswith(":::"):
            self.depth += -1 if _CLOSER.match(head.split("\n", 1)[0]) else 1
            self.depth = max(self.depth, 0)
        blocks.append(Block(start, end, form, price))

    def _price(self, before: Block | None, head: str, form: Form, kind: str) -> float:
        if before is None:
            return 0.0
        if before.form == "heading":
            return NEVER
        if _CLOSER.match(head.split("\n", 1)[0]):
            return 3.0
        last_line = self.text[max(before.start, before.end - 300) : before.end].rsplit("\n", 1)[-1]
        first_line = self.text[before.start : before.start + 300].split("\n", 1)[0]
        if _OPENER.match(last_line) or (_OPENER.match(first_line) and first_line == last_line):
            return 3.0
        if last_line.endswith("-->"):
            return 2.0
        price = 0.4 * min(self.depth, 2) + (0.2 if kind == "quote" else 0.0)
        if last_line.rstrip().endswith((":", "\uff1a")):
            return price + 2.0
        if form in ("lines", "code"):
            return price + 0.6
        return price + (0.8 if _CONTINUES.match(head) else 0.1)

    def _heading(self, level: int, title: str, start: int, end: int) -> None:
        while self.path and self.path[-1][0] >= level:
            self.path.pop()
        if title:
            self.path.append((level, title))
        above = self._labels()
        self.result.append(Section(tuple(t for _, t in self.path), above))
        self.depth = 0
        self._add(start, end, "heading")
        if above:
            above[-1] = replace(above[-1], price=NEVER)

    def _labels(self) -> list[Block]:
        """Take the comments and anchors that end the last section: they belong to the heading."""
        blocks = self.result[-1].blocks
        count = len(blocks)
        while count and _LABEL.match(self.text, blocks[count - 1].start):
            count -= 1
        taken = [replace(b, price=NEVER if i else 0.0) for i, b in enumerate(blocks[count:])]
        del blocks[count:]
        return taken

    # ---- lines --------------------------------------------------------------------------------

    def _front_matter(self) -> int:
        mark = self._at(0).rstrip()
        if mark not in ("---", "+++") or len(self.lines) < 2 or not self._at(1).strip():
            return 0
        for index in range(1, len(self.lines)):
            if self._at(index).rstrip() == mark or (mark == "---" and self._at(index) == "..."):
                self._add(self.lines[0][0], self.lines[index][1], "lines")
                return index + 1
        return 0

    def _line(self, index: int) -> int:
        line = self._at(index)
        if self.kind == "quote":
            if self._quoted(index, line):
                return index + 1
            self._leave_quote()
        if not line.strip():
            return self._blank(index)
        if self.kind == "list":
            if self._in_list(index, line):
                return index + 1
            self._close()
        if (fence := _FENCE.match(line)) and _indent(line) < 4 and self._is_fence(line, fence):
            return self._fenced(index, fence[1])
        if line.lstrip().startswith("<!--") and self.lines[index][0] < self.comments_end:
            return self._comment(index)
        if _QUOTE.match(line):
            self._open(index, "quote", "prose")
            self.outside = None
            self._quoted(index, line)
        elif atx := _ATX.match(line):
            self._close()
            start = self.lines[index][0]
            self._heading(len(atx[1]), title_of(line[atx.end() :]), start, self.lines[index][1])
        elif self.kind == "prose" and _SETEXT.match(line) and self._setext(index, line):
            pass
        elif self.kind in ("prose", "table"):
            if _ITEM.match(line) and _indent(line) < 4 and not _SETEXT.match(line):
                self._open(index, "list", "lines")
            else:
                self.end = self.lines[index][1]
        else:
            self._start(index, line)
        return index + 1

    def _start(self, index: int, line: str) -> None:
        following = self._at(index + 1) if index + 1 < len(self.lines) else ""
        if _indent(line) >= 4:
            self._open(index, "indented", "code")
        elif _ITEM.match(line) and not _SETEXT.match(line):
            self._open(index, "list", "lines")
        elif line.lstrip().startswith("|") or ("|" in line and _RULE_ROW.match(following[:2000])):
            self._open(index, "table", "lines")
        else:
            self._open(index, "prose", "prose")

    def _blank(self, index: int) -> int:
        following = index + 1
        while following < len(self.lines) and not self._at(following).strip():
            following += 1
        more = self._at(following) if following < len(self.lines) else ""
        keeps = (self.kind == "list" and bool(more) and (_indent(more) >= 2 or _ITEM.match(more))) or (
            self.kind == "indented" and _indent(more) >= 4
        )
        if not keeps and not self.open_fence:
            self._close()
        return following

    def _in_list(self, index: int, line: str) -> bool:
        """Whether `line` belongs to the open list."""
        fence = _FENCE.match(line)
        if self.open_fence:
            if fence and fence[1].startswith(self.open_fence) and not line[fence.end() :].strip():
                self.open_fence = ""
        elif _indent(line) == 0 and not _ITEM.match(line):
            after_blank = index > 0 and not self._at(index - 1).strip()
            if after_blank or fence or _ATX.match(line) or line.startswith((">", "<", "|", "///")):
                return False
        elif fence and self._is_fence(line, fence):
            self.open_fence = fence[1]
        self.end = self.lines[index][1]
        return True

    def _is_fence(self, line: str, fence: re.Match[str]) -> bool:
        return fence[1][0] == "~" or "`" not in line[fence.end() :]

    def _fenced(self, index: int, mark: str) -> int:
        self._close()
        start = self.lines[index][0]
        last = index + 1
        while last < len(self.lines):
            line = self._at(last)
            close = _FENCE.match(line)
            if close and close[1].startswith(mark) and not line[close.end() :].strip():
                break
            last += 1
        last = min(last, len(self.lines) - 1)
        while last > index and not self._at(last).strip():
            last -= 1  # an unclosed fence ends with its last written line
        self._add(start, self.lines[last][1], "code")
        return last + 1

    def _comment(self, index: int) -> int:
        self._close()
        start = self.lines[index][0]
        closing = self.text.find("-->", self.lines[index][0])
        while self.lines[index][1] < closing:
            index += 1
        self._add(start, self.lines[index][1], "lines")
        return index + 1

    def _setext(self, index: int, line: str) -> bool:
        title = self.text[self.begin : self.end]
        if len(title) > _TITLE_LIMIT:
            return False
        start, self.begin = self.begin, -1
        self.kind = ""
        level = 1 if line.lstrip().startswith("=") else 2
        self._heading(level, title_of(title), start, self.lines[index][1])
        return True

    # ---- quotes: a side note with a heading of its own is a section of its own -----------------

    def _quoted(self, index: int, line: str) -> bool:
        """Take `line` into the open quote; False when it does not belong to it."""
        mark = _QUOTE.match(line)
        if mark is None:
            return False
        inner = line[mark.end() :]
        if self.begin < 0:
            self._open(index, "quote", "prose")
        fence = _FENCE.match(inner)
        if self.open_fence:
            if fence and fence[1].startswith(self.open_fence) and not inner[fence.end() :].strip():
                self.open_fence = ""
        elif fence and self._is_fence(inner, fence):
            self.open_fence = fence[1]
        elif atx := _ATX.match(inner):
            start, end = self.lines[index]
            if self.outside is None:
                self.outside = list(self.path)
            if self.begin == start:
                self.begin = -1
            self._close()
            self._heading(len(atx[1]), title_of(inner[atx.end() :]), start, end)
            self.kind = "quote"
            return True
        elif not inner.strip():
            self.end = self.lines[index][1]
            self._close()
            self.kind = "quote"
            return True
        self.end = self.lines[index][1]
        return True

    def _leave_quote(self) -> None:
        self._close()
        if self.outside is not None:
            self.path, self.outside = self.outside, None
            self.result.append(Section(tuple(title for _, title in self.path)))


def _indent(line: str) -> int:
    """Columns before the first character, tabs to the next multiple of four."""
    width = 0
    for character in line:
        if character == " ":
            width += 1
        elif character == "\t":
            width += 4 - width % 4
        else:
            break
    return width
