"""Which text was met before: runs of words, by their hashes, in a table that never grows.

Knows nothing of what a text is for. Invariants: a run that was never added is never said to be known,
but for two runs with the same 64 bits; the table has a fixed size, and where it is full the newer
run takes the older one's place, so what was met long ago may be new again.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nexus.core.errors import NexusError
from nexus.training.quality import words

RUN_WORDS: Final = 4
_MAGIC = b"NXKNOWN1"


class DamagedTableError(NexusError):
    """Bytes that are no saved table."""

    code = "damaged_table"


class KnownText:
    """`slots` is rounded up to a power of two; 8 bytes each."""

    def __init__(self, slots: int = 1 << 17) -> None:
        self._table: NDArray[np.uint64] = np.zeros(1 << max(4, (slots - 1).bit_length()), np.uint64)

    @property
    def count(self) -> int:
        """Runs that are held now."""
        return int(np.count_nonzero(self._table))

    def add(self, text: str) -> None:
        """Remember every run of words of `text`."""
        hashes = runs(text)
        self._table[hashes & np.uint64(len(self._table) - 1)] = hashes

    def share(self, text: str) -> float:
        """The part of the runs of `text` that was met before, 0 to 1; 0 for a text without words."""
        hashes = runs(text)
        if not len(hashes):
            return 0.0
        return float(np.mean(self._table[hashes & np.uint64(len(self._table) - 1)] == hashes))

    def clear(self) -> None:
        """Forget everything."""
        self._table[:] = 0

    def take(self, other: KnownText) -> None:
        """Become what `other` is."""
        self._table = other._table

    def dump(self) -> bytes:
        """For `load`."""
        return _MAGIC + self._table.astype("<u8").tobytes()

    @classmethod
    def load(cls, data: bytes) -> KnownText:
        """Raises `DamagedTableError`."""
        slots = (len(data) - len(_MAGIC)) // 8
        right = data.startswith(_MAGIC) and len(data) == len(_MAGIC) + 8 * slots
        if not right or slots < 16 or slots & (slots - 1):
            raise DamagedTableError(f"{len(data)} bytes that are no table of known text")
        known = cls(slots)
        known._table[:] = np.frombuffer(data, "<u8", offset=len(_MAGIC))
        return known


def runs(text: str) -> NDArray[np.uint64]:
    """One hash for each run of `RUN_WORDS` words; a shorter text is one run. Never 0."""
    found = words(text)
    if not found:
        return np.zeros(0, np.uint64)
    last = max(1, len(found) - RUN_WORDS + 1)
    joined = (" ".join(found[i : i + RUN_WORDS]) for i in range(last))
    digests = b"".join(hashlib.blake2b(run.encode(), digest_size=8).digest() for run in joined)
    return np.maximum(np.frombuffer(digests, "<u8").astype(np.uint64), np.uint64(1))
