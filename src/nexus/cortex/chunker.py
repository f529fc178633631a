"""Documents cut into passages that can be found and can answer by themselves (seed 004, Chunker).

Headings first, then blocks, then sentences or lines, then tokens. Knows nothing of files, models or
indexes. Invariants: a chunk is an exact slice of the text; chunks come in order; every non-blank
character is in one; none counts more than `ChunkSizes.target` tokens, save a single character that
alone counts more; the same input gives the same chunks. Time is linear in the text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from nexus.core.errors import InvalidInputError
from nexus.cortex import code, markdown
from nexus.cortex.outline import Section, line_spans, paragraphs
from nexus.cortex.packing import Piece, Ruler, TokenCounter, cut_section, join_small, trim

__all__ = ["Chunk", "ChunkSizes", "Kind", "TokenCounter", "chunk", "kind_of"]

Kind = Literal["markdown", "code", "text"]

_MARKDOWN = {".md", ".markdown", ".mdown", ".mkd", ".mdx", ".qmd", ".rmd"}
_CODE = {
    ".py", ".pyi", ".pyw", ".rs", ".go", ".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".hh", ".cu",
    ".cuh", ".java", ".kt", ".kts", ".scala", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".vue",
    ".svelte", ".rb", ".php", ".pl", ".pm", ".lua", ".r", ".jl", ".swift", ".m", ".mm", ".cs",
    ".fs", ".hs", ".ml", ".mli", ".ex", ".exs", ".erl", ".clj", ".dart", ".zig", ".nim", ".d",
    ".sh", ".bash", ".zsh", ".fish", ".ps1", ".bat", ".sql", ".proto", ".graphql", ".cmake",
    ".gradle", ".tf", ".toml", ".yaml", ".yml", ".json", ".jsonc", ".ini", ".cfg", ".conf", ".css",
    ".scss", ".less", ".html", ".xml", ".asm", ".s",
}  # fmt: skip
_CODE_NAMES = {"makefile", "dockerfile", "containerfile", "cmakelists.txt", "justfile", "rakefile"}


@dataclass(frozen=True, slots=True)
class Chunk:
    """One retrievable passage. Lines count from 1 and include the last one."""

    text: str
    heading: tuple[str, ...]
    start_line: int
    end_line: int
    tokens: int


@dataclass(frozen=True, slots=True)
class ChunkSizes:
    """Tokens: at most `target`, joined below `minimum`, `overlap` repeated inside a section."""

    target: int = 220
    minimum: int = 40
    overlap: int = 0

    def __post_init__(self) -> None:
        if self.target < 1 or not 0 <= self.minimum <= self.target:
            raise InvalidInputError(
                f"chunk sizes target={self.target} minimum={self.minimum} cannot be met",
                hint="use 0 <= minimum <= target and target >= 1",
            )
        if not 0 <= self.overlap < self.target:
            raise InvalidInputError(
                f"chunk overlap {self.overlap} is not below the target {self.target}",
                hint="use 0 <= overlap < target",
            )


def kind_of(path: PurePath) -> Kind:
    """How a file is cut, by its name."""
    suffix = path.suffix.lower()
    if suffix in _MARKDOWN:
        return "markdown"
    return "code" if suffix in _CODE or path.name.lower() in _CODE_NAMES else "text"


def chunk(text: str, kind: Kind, counter: TokenCounter, sizes: ChunkSizes, *, name: str = "") -> list[Chunk]:
    """The passages of `text` in order; none for blank text. `name` tells the language of code."""
    if not text.removeprefix("\ufeff").strip():
        return []
    ruler = Ruler(text, counter)
    # Room is kept for the overlap, so that a chunk with it still fits the target.
    limit = sizes.target - sizes.overlap
    pieces: list[Piece] = []
    for number, section in enumerate(_sections(text, kind, name, ruler, limit)):
        whole = ruler.size(section.blocks[0].start, section.blocks[-1].end) <= sizes.target
        room = sizes.target if whole else limit
        pieces += cut_section(section, number, ruler, room, sizes.minimum)
    pieces = join_small(pieces, ruler, limit, sizes.minimum, loose=kind == "code")
    lines = [start for start, _ in line_spans(text)]
    chunks: list[Chunk] = []
    for index, piece in enumerate(pieces):
        before = pieces[index - 1] if index else None
        repeats = before is not None and before.section == piece.section and sizes.overlap > 0
        start = _overlap_start(ruler, piece, sizes.overlap) if repeats else piece.start
        if before is not None:
            start = max(start, before.start)
        if start < piece.start and counter.count(text[start : piece.end]) > sizes.target:
            start = piece.start
        for first, last, tokens in _fitting(ruler, counter, start, piece.end, sizes.target):
            chunks.append(
                Chunk(
                    text=text[first:last],
                    heading=piece.heading,
                    start_line=bisect_right(lines, first),
                    end_line=bisect_right(lines, last - 1),
                    tokens=tokens,
                )
            )
    return chunks


def _sections(text: str, kind: Kind, name: str, ruler: Ruler, limit: int) -> list[Section]:
    if kind == "markdown":
        return markdown.sections(text)
    if kind == "text":
        return paragraphs(text)
    found = code.sections(text, name, lambda start, end: ruler.size(start, end) > limit)
    if len(found) > 1 and ruler.size(found[0].blocks[0].start, found[-1].blocks[-1].end) <= limit:
        # A short file is one thing: its imports and its only function explain each other.
        named = [section.heading for section in found if section.heading]
        blocks = [block for section in found for block in section.blocks]
        return [Section(named[0] if len(named) == 1 else (), blocks)]
    return found


def _overlap_start(ruler: Ruler, piece: Piece, overlap: int) -> int:
    """Where the repeated words begin: at most `overlap` tokens back, at the start of a word."""
    start = ruler.before(piece.start, overlap)
    if start > 0 and not ruler.text[start - 1].isspace():
        blank = re.compile(r"\s").search(ruler.text, start, piece.start)
        start = blank.end() if blank else piece.start
    return trim(ruler.text, start, piece.start)[0] if start < piece.start else piece.start


def _fitting(
    ruler: Ruler, counter: TokenCounter, start: int, end: int, target: int
) -> Iterator[tuple[int, int, int]]:
    """`text[start:end]`, halved until each part counts at most `target` tokens.

    The plan is made from token starts in the whole text; a slice read by itself may count a token
    or two more, and then a target that was met exactly is exceeded.
    """
    waiting = [(start, end)]
    while waiting:
        first, last = waiting.pop()
        if not ruler.text[first:last].strip():
            continue
        tokens = counter.count(ruler.text[first:last])
        if tokens <= target or last - first <= 1:
            yield first, last, tokens
            continue
        middle = ruler.middle(first, last)
        left, right = trim(ruler.text, first, middle), trim(ruler.text, middle, last)
        waiting += [right, left]
