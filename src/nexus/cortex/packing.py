"""Cutting sections to size: which blocks share a passage, and where a long block breaks.

A section over the target is cut where the sum of prices is least (a shortest path over its atoms),
so that an introduction stays with its list and no heading stands alone. Works on offsets only.
Invariant: pieces are in order, do not overlap, and leave out nothing but blanks.
"""

from __future__ import annotations

import math
import re
import unicodedata
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from nexus.cortex.outline import NEVER, Block, Section, line_spans

CHARACTERS_PER_TOKEN = 32
"""Text with fewer tokens than this is measured by its length: a tokenizer may take a word of a
megabyte for one unknown token, and a passage must stay readable."""

_SLICE = 64 * 1024
_CROWDED = 24  # atoms per target above which neighbours are joined first, to stay linear
# Closing quotes and brackets stay with their sentence; Chinese and Japanese put no blank after it.
_SENTENCE_END = re.compile(
    r"[.!?\u2026][\"'\u201d\u2019)\]*_`]{0,3}(?=\s)|[\u3002\uff01\uff1f][\"'\u201d\u2019\u300d\uff09]{0,2}"
)
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|vs|cf|approx|no|fig|dr|mr|mrs|st|[A-Za-z]))\.$", re.I)
_CLOSER = re.compile(r"[})\]]|</|end\b|else\b|```|~~~|:::|///[ \t]*$")
_ITEM = re.compile(r"[-*+] |\d{1,9}[.)] |\||\w")


class TokenCounter(Protocol):
    """Counts tokens as the embedding model will see them."""

    def count(self, text: str) -> int:
        """The number of tokens of `text`, without any the model adds around it."""

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        """Start and end of each token in `text`, in characters, in order."""


@dataclass(slots=True)
class Piece:
    """`text[start:end]` of one section; neither end is blank."""

    start: int
    end: int
    heading: tuple[str, ...]
    section: int


class Ruler:
    """Measures any part of one text, from one pass of the tokenizer over it."""

    def __init__(self, text: str, counter: TokenCounter) -> None:
        self.text = text
        self.starts = array("Q")
        position = furthest = 0
        while position < len(text):
            end = self._slice_end(position)
            for start, _ in counter.spans(text[position:end]):
                # A blank that is a token of its own may have an empty span: it counts all the same.
                furthest = max(furthest, position + start)
                self.starts.append(furthest)
            position = end

    def _slice_end(self, position: int) -> int:
        end = position + _SLICE
        if end >= len(self.text):
            return len(self.text)
        for mark in ("\n", " "):
            cut = self.text.rfind(mark, position + 1, end)
            if cut > position:
                return cut + 1
        return end

    def size(self, start: int, end: int) -> int:
        """Tokens that begin in `text[start:end]`, or its length in units of 32 characters."""
        tokens = bisect_left(self.starts, end) - bisect_left(self.starts, start)
        return max(tokens, math.ceil((end - start) / CHARACTERS_PER_TOKEN))

    def after(self, start: int, tokens: int) -> int:
        """The offset where the token begins that comes `tokens` after the one at `start`."""
        index = bisect_left(self.starts, start) + tokens
        while index < len(self.starts) and self.starts[index] <= start:
            index += 1
        return self.starts[index] if index < len(self.starts) else len(self.text)

    def before(self, start: int, tokens: int) -> int:
        """The offset where the token begins that comes `tokens` before `start`."""
        index = bisect_left(self.starts, start) - tokens
        return self.starts[index] if index > 0 else 0

    def middle(self, start: int, end: int) -> int:
        """A token start near the middle of `text[start:end]`, or its middle character."""
        low, high = bisect_right(self.starts, start), bisect_left(self.starts, end)
        return self.starts[(low + high) // 2] if low < high else (start + end) // 2


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """The part of `text[start:end]` without blanks at its ends, as offsets."""
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), start + len(part.rstrip())


def cut_section(section: Section, number: int, ruler: Ruler, limit: int, minimum: int) -> list[Piece]:
    """The pieces of one section, each at most `limit` in size. The whole section when it fits."""
    blocks = section.blocks
    if ruler.size(blocks[0].start, blocks[-1].end) <= limit:
        return [Piece(blocks[0].start, blocks[-1].end, section.heading, number)]
    atoms: list[Block] = []
    for index, block in enumerate(blocks):
        room = limit
        if block.price >= NEVER:
            # Room for the heading above it, so that its first sentences can stay with it.
            above = blocks[index - 1]
            lead = ruler.size(above.start, block.start)
            room = limit - lead if lead < limit // 2 else limit
        atoms += _atoms(block, ruler, room)
    atoms = _join_crowded(atoms, ruler, limit)
    cuts = _cheapest(atoms, ruler, limit, minimum)
    return [
        Piece(atoms[first].start, atoms[last - 1].end, section.heading, number)
        for first, last in pairwise(cuts)
    ]


# ---- atoms: what is never cut ------------------------------------------------------------------

_Level = Callable[[Block, Ruler, int], Iterator[Block]]


def _atoms(block: Block, ruler: Ruler, limit: int) -> Iterator[Block]:
    levels: tuple[_Level, ...] = (
        (_sentences, _lines, _windows) if block.form == "prose" else (_lines, _sentences, _windows)
    )
    yield from _divide(block, levels, ruler, limit)


def _divide(block: Block, levels: tuple[_Level, ...], ruler: Ruler, limit: int) -> Iterator[Block]:
    if not levels or ruler.size(block.start, block.end) <= limit:
        yield block
        return
    for part in levels[0](block, ruler, limit):
        yield from _divide(part, levels[1:], ruler, limit)


def _lines(block: Block, ruler: Ruler, limit: int) -> Iterator[Block]:
    """The lines of a block; of very many small ones, a few together, as `_join_crowded` would."""
    text = ruler.text
    spans = line_spans(text[block.start : block.end])
    grain = max(1, limit // _CROWDED)
    crowded = len(spans) > 2 * _CROWDED * max(1, ruler.size(block.start, block.end) // limit)
    after_blank, number, edge = False, 0, -1
    price = 0.0
    begin = finish = 0
    for start, end in spans:
        start, end = block.start + start, block.start + end
        if crowded and number and start < edge and end <= edge:
            finish = end if not text[start:end].isspace() and end > start else finish
            number += 1
            continue
        line = text[start:end]
        content = line.strip()
        if not content:
            after_blank = True
            continue
        if number:
            yield Block(begin, finish, block.form, price)
        price = block.price if number == 0 else _line_price(line, content, number, after_blank)
        begin, finish = start, end
        edge = ruler.after(start, grain) if crowded else -1
        after_blank, number = False, number + 1
    if number:
        yield Block(begin, finish, block.form, price)


def _line_price(line: str, content: str, number: int, after_blank: bool) -> float:
    """What is lost when a passage begins with this line."""
    if _CLOSER.match(content):
        return 2.0
    price = 0.3 + 0.05 * min(len(line) - len(line.lstrip()), 12)
    price += -0.2 if after_blank else 0.0 if _ITEM.match(content) else 0.4
    return price + (1.0 if number == 1 else 0.0)  # the first line says what the rest is


def _sentences(block: Block, ruler: Ruler, limit: int) -> Iterator[Block]:
    text = ruler.text
    begin, price = block.start, block.price
    for match in _SENTENCE_END.finditer(text, block.start, block.end):
        if _ABBREVIATION.search(text, max(begin, match.end() - 8), match.end()):
            continue
        start, end = trim(text, begin, match.end())
        if end > start:
            yield Block(start, end, block.form, price)
            price = 0.9
        begin = match.end()
    start, end = trim(text, begin, block.end)
    if end > start:
        yield Block(start, end, block.form, price)


def _windows(block: Block, ruler: Ruler, limit: int) -> Iterator[Block]:
    """Even parts at token starts, for text without sentences or lines."""
    text, start, price = ruler.text, block.start, block.price
    parts = math.ceil(ruler.size(block.start, block.end) / limit)
    step = max(1, math.ceil(ruler.size(block.start, block.end) / parts))
    while start < block.end:
        end = min(ruler.after(start, step), start + step * CHARACTERS_PER_TOKEN, block.end)
        end = _word_start(text, start, end, block.end)
        first, last = trim(text, start, end)
        if last > first:
            yield Block(first, last, block.form, price)
            price = 1.5
        start = end


def _word_start(text: str, start: int, end: int, last: int) -> int:
    """Move a cut back to a blank a few characters before it, and off a combining character."""
    if end >= last:
        return last
    for back in range(end, max(start + 1, end - 24), -1):
        if text[back - 1].isspace():
            return back
    cut = end
    while cut > start + 1 and end - cut < 32 and _extends(text, cut):
        cut -= 1
    return cut if not _extends(text, cut) else end


def _extends(text: str, position: int) -> bool:
    character = text[position]
    return (
        unicodedata.combining(character) != 0
        or character in "\u200d\ufe0f\n"
        or text[position - 1] == "\u200d"
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )


def _join_crowded(atoms: list[Block], ruler: Ruler, limit: int) -> list[Block]:
    """Join tiny neighbours when there are very many: the search below looks back over a target."""
    total = ruler.size(atoms[0].start, atoms[-1].end)
    if len(atoms) <= _CROWDED * max(1, total // limit):
        return atoms
    grain = max(1, limit // _CROWDED)
    joined = [atoms[0]]
    for atom in atoms[1:]:
        last = joined[-1]
        if ruler.size(last.start, last.end) < grain and ruler.size(last.start, atom.end) <= limit:
            joined[-1] = Block(last.start, atom.end, last.form, last.price)
        else:
            joined.append(atom)
    return joined


# ---- the cheapest cuts -------------------------------------------------------------------------


def _cheapest(atoms: list[Block], ruler: Ruler, limit: int, minimum: int) -> list[int]:
    """Indexes where pieces begin, and the end: the cuts with the least sum of prices."""
    count = len(atoms)
    first = [bisect_left(ruler.starts, atom.start) for atom in atoms]
    last = [bisect_left(ruler.starts, atom.end) for atom in atoms]
    best = [0.0] + [math.inf] * count
    origin = [0] * (count + 1)
    for end in range(1, count + 1):
        for begin in range(end - 1, -1, -1):
            length = atoms[end - 1].end - atoms[begin].start
            size = max(last[end - 1] - first[begin], length // CHARACTERS_PER_TOKEN)
            if size > limit and begin < end - 1:
                break
            empty = 1.0 - size / limit
            price = best[begin] + 0.25 + 0.5 * empty * empty
            price += atoms[begin].price if begin else 0.0
            price += 1.0 if size < minimum else 0.0
            if price < best[end]:
                best[end], origin[end] = price, begin
    cuts = [count]
    while cuts[-1] > 0:
        cuts.append(origin[cuts[-1]])
    return cuts[::-1]


# ---- joining what is too small -----------------------------------------------------------------


def join_small(pieces: list[Piece], ruler: Ruler, limit: int, minimum: int, *, loose: bool) -> list[Piece]:
    """Join pieces under `minimum` with a neighbour of the same section or parent, where it fits.

    `loose` lets the document itself be the parent: for code, whose files are one thing.
    """
    result: list[Piece] = []
    for number, piece in enumerate(pieces):
        following = pieces[number + 1] if number + 1 < len(pieces) else None
        if result:
            back = _rank(result[-1], piece, ruler, limit, minimum, loose)
            ahead = _rank(piece, following, ruler, limit, minimum, loose) if following else 9
            if back < 9 and (back <= ahead or _size(result[-1], ruler) < minimum):
                result[-1] = _joined(result[-1], piece, ruler, minimum)
                continue
        result.append(piece)
    return result


def _size(piece: Piece, ruler: Ruler) -> int:
    return ruler.size(piece.start, piece.end)


def _rank(a: Piece, b: Piece, ruler: Ruler, limit: int, minimum: int, loose: bool) -> int:
    """How well two neighbours go together: 0 best, 9 not at all."""
    small = [piece for piece in (a, b) if _size(piece, ruler) < minimum]
    if not small or ruler.size(a.start, b.end) > limit:
        return 9
    if a.heading == b.heading:
        return 0
    shared = len(_shared(a.heading, b.heading))
    if shared == len(a.heading) and a in small:
        return 1  # the few lines above the first subheading introduce it
    if shared == len(b.heading):
        return 2
    parent = min(len(piece.heading) for piece in small) - 1
    return 3 if shared >= parent and (shared or loose) else 9


def _shared(a: tuple[str, ...], b: tuple[str, ...]) -> tuple[str, ...]:
    count = 0
    while count < min(len(a), len(b)) and a[count] == b[count]:
        count += 1
    return a[:count]


def _joined(a: Piece, b: Piece, ruler: Ruler, minimum: int) -> Piece:
    heading = _shared(a.heading, b.heading)
    if heading == a.heading and _size(a, ruler) < minimum:
        heading = b.heading
    elif heading == b.heading and _size(b, ruler) < minimum:
        heading = a.heading
    return Piece(a.start, b.end, heading, b.section)
