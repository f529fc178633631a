"""Where any of many literals may stand in a text, found in one pass over its characters.

Knows no rules. Invariant: every place of every literal is among the candidates (there may be others:
case is ignored for literals of four characters and more, and different ones may share a place in the
table), and the work does not depend on how many literals there are.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1 << 18
_BITS = 16
_MULTIPLIER = np.uint32(0x9E3779B1)
_SHIFT = np.uint32(32 - _BITS)

_LOWER = np.arange(256, dtype=np.uint8)
_LOWER[ord("A") : ord("Z") + 1] += 32
_LOWER[128:] = 0


class Anchors:
    """Tables for the given literals: ASCII, three characters or more."""

    def __init__(self, literals: Iterable[str]) -> None:
        self._three = np.zeros(1 << _BITS, bool)
        self._four = np.zeros(1 << _BITS, bool)
        for literal in literals:
            if len(literal) < 3 or not literal.isascii():
                raise ValueError(f"an anchor has at least three ASCII characters: {literal!r}")
            if len(literal) == 3:
                self._three[_slots(_codes(literal), 3)] = True
            else:
                self._four[_slots(_LOWER[_codes(literal[:4])], 4)] = True

    def places(self, text: str) -> list[int]:
        """Offsets in `text`, ascending, where one of the literals may begin."""
        codes = _codes(text)
        found: list[int] = []
        for start in range(0, len(codes), _BLOCK):
            block = codes[start : start + _BLOCK + 3]
            marks = np.zeros(len(block), bool)
            if len(block) >= 3:
                marks[: len(block) - 2] = self._three[_slots(block, 3)]
            if len(block) >= 4:
                marks[: len(block) - 3] |= self._four[_slots(_LOWER[block], 4)]
            found += (np.flatnonzero(marks[:_BLOCK]) + start).tolist()
        return found


def _codes(text: str) -> NDArray[np.uint8]:
    """One byte for each character; what is not ASCII becomes 128 or more, which no literal has."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    wide = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return np.minimum(wide, 255).astype(np.uint8)


def _slots(codes: NDArray[np.uint8], width: int) -> NDArray[np.uint32]:
    """Where in its table each run of `width` characters is marked: (n - width + 1,)."""
    count = len(codes) - width + 1
    grams = codes[:count].astype(np.uint32)
    for offset in range(1, width):
        grams |= codes[offset : offset + count].astype(np.uint32) << np.uint32(8 * offset)
    grams *= _MULTIPLIER
    grams >>= _SHIFT
    return grams
