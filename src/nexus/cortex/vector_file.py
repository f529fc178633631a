"""Vectors in a file that is mapped, not read: rows ordered by point, never changed once written.

What a scan needs lies together: the points, one scale and int8 codes for each (`nexus.cortex.scan`), and
the float16 vectors that decide between the best. Mapped pages belong to the system, which takes them
back when it needs them. A cache: a file that does not fit its header is None, and its owner fills
another. Invariant: a file is complete or absent, whenever the process is killed.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nexus.core import atomic
from nexus.cortex.scan import Codes

Points = NDArray[np.bytes_]
Halves = NDArray[np.float16]
# 16 bytes each. Such strings are ordered like the bytes, and equal only when all bytes are.
POINT = np.dtype("S16")
_HEAD = struct.Struct("<8sIIQI")  # mark, dimensions, width of a row of codes, rows, CRC-32 of the points
_MARK = b"NXVEC\0\0\1"
_ALIGNMENT = 64
_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows: `points` (n,), `codes` of n rows, `vectors` (n, dimensions) float16, unit length."""

    points: Points
    codes: Codes
    vectors: Halves
    memory: mmap.mmap | None = None

    def release(self) -> None:
        """Give the mapped pages back to the system; they come again when they are read."""
        if self.memory is not None and hasattr(mmap, "MADV_DONTNEED"):
            self.memory.madvise(mmap.MADV_DONTNEED)

    def __len__(self) -> int:
        return len(self.points)


def load(path: Path, dimensions: int) -> Block | None:
    """Map a file; None where there is none of this kind and size."""
    try:
        with path.open("rb") as file:
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):  # an empty file cannot be mapped
        return None
    if len(memory) < _HEAD.size:
        return None
    mark, size, width, count, check = _HEAD.unpack_from(memory)
    codes_like = Codes(dimensions)
    if mark != _MARK or size != dimensions or width != codes_like.width:
        return None
    places = _places(count, dimensions, width)
    if len(memory) != places[-1]:
        return None
    points = np.frombuffer(memory, POINT, count, places[0])
    if zlib.crc32(points.tobytes()) != check:
        return None
    scales = np.frombuffer(memory, np.float32, count, places[1])
    codes = np.frombuffer(memory, np.int8, count * width, places[2]).reshape(count, width)
    vectors = np.frombuffer(memory, np.float16, count * dimensions, places[3]).reshape(count, dimensions)
    return Block(points, Codes.over(dimensions, codes, scales), vectors, memory)


def write(path: Path, blocks: list[tuple[Block, NDArray[np.intp]]]) -> None:
    """Write these rows of these blocks, ordered by point, in place of `path`. Raises `OSError`."""
    points = np.concatenate([block.points[rows] for block, rows in blocks])
    source = np.concatenate([np.full(len(rows), i) for i, (_, rows) in enumerate(blocks)])
    row = np.concatenate([rows for _, rows in blocks])
    order = np.argsort(points, kind="stable")
    points, source, row = points[order], source[order], row[order]
    first = blocks[0][0]
    width, dimensions = first.codes.width, first.vectors.shape[1]
    places = _places(len(points), dimensions, width)

    def gathered(section: int) -> Iterator[bytes]:
        for start in range(0, len(points), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            shape, kind = [((), np.float32), ((width,), np.int8), ((dimensions,), np.float16)][section]
            out = np.empty((len(points[part]), *shape), kind)
            for number, (block, _) in enumerate(blocks):
                own = np.flatnonzero(source[part] == number)
                data = (block.codes.scales, block.codes.rows, block.vectors)[section]
                out[own] = data[row[part][own]]
            yield out.tobytes()

    temporary = atomic.temporary_for(path)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_HEAD.pack(_MARK, dimensions, width, len(points), zlib.crc32(points.tobytes())))
            file.seek(places[0])
            file.write(points.tobytes())
            for section in range(3):
                file.seek(places[section + 1])
                file.writelines(gathered(section))
            file.truncate(places[-1])
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    atomic.sync_folder(path.parent)


def _places(count: int, dimensions: int, width: int) -> list[int]:
    """Where points, scales, codes and vectors begin, and where the file ends."""
    places = [_ALIGNMENT]
    for size in (POINT.itemsize, 4, width, 2 * dimensions):
        places.append(-(-(places[-1] + count * size) // _ALIGNMENT) * _ALIGNMENT)
    return places
