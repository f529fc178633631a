"""What a document is made of before it is cut: sections that hold blocks, all as offsets.

Knows no tokens and no sizes. Invariant: the blocks of all sections, in order, do not overlap and
together hold every non-blank character of the text (a leading byte order mark is a blank).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Literal

Form = Literal["heading", "prose", "lines", "code"]
"""How a block that is too long is taken apart: `prose` by sentences, the others by lines."""

NEVER = 5.0
"""The price of a cut that leaves a heading without its text."""

_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, list, table, fence or heading: `text[start:end]`, without blank lines around.

    `price` says how much is lost when a passage begins here: 0 nothing, 1 much, `NEVER` all.
    """

    start: int
    end: int
    form: Form
    price: float


@dataclass(slots=True)
class Section:
    """The blocks below one heading (or inside one definition), up to the next."""

    heading: tuple[str, ...]
    blocks: list[Block] = field(default_factory=list)


def line_spans(text: str) -> list[tuple[int, int]]:
    """Start and end (without the line end) of every line; LF, CRLF and a lone CR end one.

    A byte order mark at the start belongs to no line.
    """
    start = 1 if text.startswith("\ufeff") else 0
    if "\r" not in text:
        lengths = map(len, text[start:].split("\n"))
        starts = list(accumulate((length + 1 for length in lengths), initial=start))
        return [(begin, after - 1) for begin, after in pairwise(starts)]
    spans: list[tuple[int, int]] = []
    for match in _LINE_END.finditer(text):
        spans.append((start, match.start()))
        start = match.end()
    spans.append((start, len(text)))
    return spans


def paragraphs(text: str) -> list[Section]:
    """Plain text: one section, its blocks are what stands between blank lines."""
    section = Section(())
    start = end = -1
    for line_start, line_end in line_spans(text):
        if not text[line_start:line_end].strip():
            if start >= 0:
                section.blocks.append(Block(start, end, "prose", 0.1))
            start = -1
            continue
        start = line_start if start < 0 else start
        end = line_end
    if start >= 0:
        section.blocks.append(Block(start, end, "prose", 0.1))
    return [section] if section.blocks else []
