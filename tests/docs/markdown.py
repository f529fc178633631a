"""Reading our own Markdown: links, code spans and fenced blocks, with the line each stands on.

Knows as much of Markdown as this project writes, no more.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^\s*(`{3,}|~{3,})\s*([\w+-]*)")
_LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_SPAN = re.compile(r"(`+)(.+?)\1")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")


@dataclass(frozen=True)
class Found:
    """Something on one line of a page."""

    page: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}: {self.text}"


def pages(*patterns: str) -> list[Path]:
    """The Markdown files of the project, tracked or about to be."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    found = (ROOT / name for name in listing.split("\0") if name.endswith(".md"))
    return sorted(path for path in found if path.is_file() and "vendor" not in path.parts)


def _lines(page: Path) -> Iterator[tuple[int, str, str | None]]:
    """(line number, text, language of the fenced block around it or None); fences left out."""
    fence, language = "", None
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not mark[2]:
                fence, language = "", None
            else:
                yield number, line, language
        elif mark:
            fence, language = mark[1], mark[2]
        else:
            yield number, line, None


def links(page: Path) -> Iterator[Found]:
    """Targets of links and pictures outside code."""
    for number, line, language in _lines(page):
        if language is None:
            # A link whose text is a code span loses its text here, not its target.
            for match in _LINK.finditer(_SPAN.sub("", line)):
                yield Found(page, number, match[1])


def spans(page: Path) -> Iterator[Found]:
    """Code spans outside fenced blocks."""
    for number, line, language in _lines(page):
        if language is None:
            for match in _SPAN.finditer(line):
                yield Found(page, number, match[2].strip())


def block_lines(page: Path, *languages: str) -> Iterator[Found]:
    """The lines inside fenced blocks of these languages."""
    for number, line, language in _lines(page):
        if language in languages:
            yield Found(page, number, line)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    found: set[str] = set()
    for _, line, language in _lines(page):
        heading = _HEADING.match(line) if language is None else None
        if heading:
            words = re.sub(r"[^\w\s-]", "", heading[1].lower())
            found.add(re.sub(r"\s", "-", words.strip()))
    return found
