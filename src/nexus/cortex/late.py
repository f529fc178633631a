"""Late interaction: a text as one small vector for each of its words, instead of one for all.

A question is compared word by word: for each of its tokens the most similar token of the text counts,
and the mean of these is the score (ColBERT, Khattab and Zaharia 2020). The vectors are the model's own
last states, made small by `Projection`: 64 numbers of one byte each.

Knows neither the model nor where the vectors are kept. Invariant: a `TokenVectors` holds at least one
vector, and bytes are read back only as what `to_bytes` wrote.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nexus.core.errors import StorageError
from nexus.cortex import scan

Matrix = NDArray[np.float32]
DIMENSIONS = 64
SCALE = 127  # a component of 1.0
_HEAD = struct.Struct("<4sHHI")  # mark, dimensions, reserved, CRC-32 of the rest
_MARK = b"NXTV"


@dataclass(frozen=True, slots=True, eq=False)
class TokenVectors:
    """The kept tokens of one text: `values` int8, shape (n >= 1, 64); each row / 127 has length 1."""

    values: NDArray[np.int8]

    @classmethod
    def of(cls, vectors: Matrix) -> TokenVectors:
        """From float32 unit vectors, shape (n >= 1, 64)."""
        if vectors.ndim != 2 or vectors.shape[1] != DIMENSIONS or not len(vectors):
            raise ValueError(f"token vectors of shape {vectors.shape}, not (n, {DIMENSIONS})")
        return cls(np.clip(np.rint(vectors * SCALE), -SCALE, SCALE).astype(np.int8))

    def __len__(self) -> int:
        return len(self.values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TokenVectors) and np.array_equal(self.values, other.values)

    def to_bytes(self) -> bytes:
        """12 bytes of header, then 64 for each token."""
        body = self.values.tobytes()
        return _HEAD.pack(_MARK, DIMENSIONS, 0, zlib.crc32(body)) + body

    @classmethod
    def from_bytes(cls, data: bytes) -> TokenVectors:
        """What `to_bytes` wrote. Raises `StorageError` for anything else."""
        count, rest = divmod(len(data) - _HEAD.size, DIMENSIONS)
        if count < 1 or rest:
            raise _foreign(f"{len(data)} bytes are no whole number of them")
        mark, dimensions, reserved, check = _HEAD.unpack_from(data)
        if mark != _MARK or dimensions != DIMENSIONS or reserved:
            raise _foreign(f"they begin with {bytes(data[: _HEAD.size - 4]).hex()}")
        body = data[_HEAD.size :]
        if zlib.crc32(body) != check:
            raise _foreign("their checksum is another")
        return cls(np.frombuffer(body, np.int8).reshape(count, DIMENSIONS))


def max_similarity(question: Matrix, items: Sequence[TokenVectors]) -> Matrix:
    """How much of the question each item holds, float32, shape (len(items),), between -1 and 1.

    `question` is float32, shape (q >= 1, 64): the mean over its tokens of the greatest product with
    any token of the item, which for unit rows is the cosine.
    """
    return scan.max_similarity(question, [item.values for item in items], 1 / SCALE)


def _foreign(why: str) -> StorageError:
    return StorageError(f"these bytes are no token vectors: {why}", hint="nexus index rebuild")
