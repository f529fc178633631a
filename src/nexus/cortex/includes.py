"""Pages of a manual that show other files: what a page names is put in its place.

The source of a manual holds its listings in files of their own, and the page says where each is shown. Read
as it stands, a section lacks the very code that it explains, words and all. Known are the lines of mdBook
(`{{#include FILE:LINES}}`, `rustdoc_include`, `playground`, anchors) and of MkDocs: snippets
(`--8<-- "FILE:LINES"`, sections), mdx-include (`{!FILE!}`) and markdown-include-variants
(`{* FILE ln[LINES] *}`), each alone on its line.

Knows no disk: who calls gives the files. Invariants: a line that names what is not given stays as it is;
every line of the result has its line in the page; what is put in is not looked through again.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nexus.cortex.outline import line_spans

MOST_CHARACTERS = 16_000
"""Of one part that is shown. Of a longer one the page keeps the name only; it is a document of its own."""

MOST_ADDED, MOST_REFERENCES = 1_000_000, 5_000
"""Characters that one page may grow by, and lines of it that are looked up; the rest stays as it is."""

# Possessive, so that no line takes longer than its length.
_MDBOOK = re.compile(
    r"\{\{#(?:include|rustdoc_include|playground)[ \t]++([^\s{}:]++)(?::([^\s{}]*+))?[^{}]*+\}\}"
)
_SNIPPET = re.compile(r"-++8<-++[ \t]++([\"'])([^\"':]++)(?::(?!//)([^\"']*+))?\1")
_BANG = re.compile(r"\{!>?[ \t]*+([^\s{}!]++)[ \t]*+!\}")
_STAR = re.compile(r"\{\*[ \t]*+([^\s{}*]++)((?:[ \t]++\w++\[[^][]*+\])*+)[ \t]*+\*\}")
_STAR_LINES = re.compile(r"[ \t]ln\[([\d:,\s]*)\]")
_SPAN = re.compile(r"(\d*)(?:(:)(\d*))?")
_NAME = re.compile(r"[\w.-]+")
# The marks of anchors and sections: mdBook's, and those of snippets.
_BEGIN = re.compile(r"ANCHOR:[ \t]*([\w-]+)|--8<--[ \t]*\[start:[ \t]*([\w.-]+)[ \t]*\]")
_END = re.compile(r"ANCHOR_END:[ \t]*([\w-]+)|--8<--[ \t]*\[end:[ \t]*([\w.-]+)[ \t]*\]")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
_PROSE = {"md", "markdown", "mdown", "mkd", "mdx", "txt", ""}


@dataclass(frozen=True, slots=True)
class Reference:
    """A line of a page that shows a file: the path as it is written, and which part ("" for all).

    A part is an anchor's name or lines from 1: `7`, `3:9`, `3:`, `:9`, several parted by commas.
    """

    path: str
    part: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A page with what it shows. `lines[i]` is the page's own line, from 1, that line i + 1 comes from."""

    text: str
    lines: Sequence[int]


def reference(line: str) -> Reference | None:
    """What a line shows, where it is nothing but that."""
    words = line.strip()
    if not words or words[0] not in "{-" or len(words) > 1000:
        return None
    if found := _MDBOOK.fullmatch(words):
        return Reference(found[1], found[2] or "")
    if found := _SNIPPET.fullmatch(words):
        return Reference(found[2].strip(), found[3] or "")
    if found := _BANG.fullmatch(words):
        return Reference(found[1])
    if found := _STAR.fullmatch(words):
        lines = _STAR_LINES.search(found[2])
        return Reference(found[1], re.sub(r"\s", "", lines[1]) if lines else "")
    return None


def candidates(path: str, page: str, root: str) -> list[str]:
    """The files below `root` that a page may mean by `path`, likeliest first.

    That is beside the page, or below any folder above it: tools take names from the folder of their settings.
    """
    if path.startswith(("/", "~")) or "\\" in path or "://" in path:
        return []
    folder, root = posixpath.dirname(page), root.rstrip("/")
    found = [posixpath.normpath(posixpath.join(folder, path))]
    below = re.sub(r"^(?:\.\.?/)+", "", posixpath.normpath(path))
    while folder.startswith(f"{root}/") or folder == root:
        found.append(posixpath.normpath(posixpath.join(folder, below)))
        folder = posixpath.dirname(folder)
    inside = [name for name in found if name.startswith(f"{root}/") and name != page]
    return list(dict.fromkeys(inside))


def part_of(text: str, part: str) -> str | None:
    """The named part of a file, without the marks of anchors; None where it has no such part."""
    rows = [text[start:end] for start, end in line_spans(text)]
    if part and not re.fullmatch(r"[\d:,]+", part):
        rows = _anchored(rows, part) if _NAME.fullmatch(part) else []
    elif part:
        rows = _numbered(rows, part)
    rows = [row for row in rows if not (_BEGIN.search(row) or _END.search(row))]
    while rows and not rows[-1].strip():
        rows.pop()
    while rows and not rows[0].strip():
        del rows[0]
    return "\n".join(rows) or None


def expanded(page: str, find: Callable[[str], str | None]) -> Shown:
    """`page` with the files that it shows; `find` gives the text for a path as it is written, or None."""
    rows: list[str] = []
    lines: list[int] = []
    room, left, fence = MOST_ADDED, MOST_REFERENCES, ""
    for number, (start, end) in enumerate(line_spans(page), 1):
        line = page[start:end]
        shown: list[str] = []
        if left and (named := reference(line)):
            left -= 1
            shown = _shown(named, line, fence, find)
        if shown and (needed := sum(map(len, shown)) + len(shown)) <= room:
            room -= needed
        else:
            shown = [line]
            if mark := _FENCE.match(line):
                closes = fence and mark[1].startswith(fence) and not line[mark.end() :].strip()
                fence = "" if closes else fence or mark[1]
        rows += shown
        lines += [number] * len(shown)
    return Shown("\n".join(rows), lines)


def _shown(named: Reference, line: str, fence: str, find: Callable[[str], str | None]) -> list[str]:
    """The lines in place of one that shows a file; none where there is nothing to show."""
    text = find(named.path)
    part = part_of(text, named.part) if text is not None else None
    if part is None or len(part) > MOST_CHARACTERS:
        return []
    margin = line[: len(line) - len(line.lstrip())]
    rows = part.split("\n")
    if fence:
        # What ends the fence would turn the rest of the page inside out.
        return [] if any(_FENCE.match(row) for row in rows) else [margin + row for row in rows]
    kind = posixpath.splitext(named.path)[1].removeprefix(".").lower()
    if kind not in _PROSE:
        longest = max((len(mark[1]) for row in rows if (mark := _FENCE.match(row))), default=2)
        ticks = "`" * (longest + 1)
        rows = [f"{ticks}{kind}", *rows, ticks]
    return [margin + row for row in rows]


def _numbered(rows: list[str], part: str) -> list[str]:
    chosen: list[str] = []
    for piece in part.split(","):
        span = _SPAN.fullmatch(piece)
        if span is None or not piece.strip(":") or len(piece) > 20:
            return []
        first = int(span[1] or 1)
        last = int(span[3] or len(rows)) if span[2] else first
        if not 1 <= first <= last or first > len(rows):
            return []
        chosen += rows[first - 1 : last]
    return chosen


def _anchored(rows: list[str], name: str) -> list[str]:
    chosen: list[str] = []
    inside = False
    for row in rows:
        if (begin := _BEGIN.search(row)) and name in begin.groups():
            inside = True
        elif (end := _END.search(row)) and name in end.groups():
            inside = False
        elif inside:
            chosen.append(row)
    return chosen
