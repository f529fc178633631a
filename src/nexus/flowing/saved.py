"""Saved: the file that a Flow is kept in. The format is written down in docs/formats/flow.md.

Knows arrays by name, not what they mean. Written slice by slice, so that who writes can stop for others in
between. Invariants: no slice takes longer than `SLICE` bytes do, the last one as long as the disk; a file is
used only when its checksum holds, its version is ours and every array has exactly the size that its settings
ask for; nothing in it is code.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nexus.core import atomic
from nexus.core.errors import InvalidInputError, ModelCorruptError, NotFoundError, StorageError
from nexus.flowing.settings import FlowSettings

MAGIC = b"NXFLOW\r\n"
VERSION = 1
_HEAD = struct.Struct("<8sIIQQ")  # magic, version, bytes of the settings, bytes learnt: base, user's
_PART = struct.Struct("<QQ")  # bytes of the array, bytes of it compressed
_SUM = 32
_LONGEST_SETTINGS = 4096
# Most of a table is zeros or noise: more effort costs seconds and saves little.
_EFFORT = 1
# Bytes that are packed, summed and written at once: about ten milliseconds.
SLICE = 1 << 19


def writing(
    path: Path,
    settings: FlowSettings,
    totals: tuple[int, int],
    arrays: Mapping[str, NDArray[Any]],
) -> Iterator[None]:
    """Replace `path`, a slice at each step; it is the new file when this ends, the old one until then.

    `arrays` must not change meanwhile. Whoever gives up half-way closes the generator. Raises `StorageError`;
    the old file is then unchanged.
    """
    text = json.dumps(settings.as_dict(), sort_keys=True).encode()
    digest = hashlib.sha256()
    with atomic.replacing(path) as file:

        def put(data: bytes) -> None:
            digest.update(data)
            file.write(data)

        put(_HEAD.pack(MAGIC, VERSION, len(text), *totals) + text)
        for array in arrays.values():
            # The length stands before what is packed, and the sum goes over both: so one array waits.
            parts, packer = [], zlib.compressobj(_EFFORT)
            data = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
            for at in range(0, len(data), SLICE):
                parts.append(packer.compress(data[at : at + SLICE]))
                yield
            parts.append(packer.flush())
            put(_PART.pack(array.nbytes, sum(map(len, parts))))
            for part in parts:
                put(part)
                yield
        file.write(digest.digest())


class Saved:
    """One file, read and checked."""

    def __init__(self, path: Path) -> None:
        """Raises `NotFoundError`, `StorageError` or `ModelCorruptError` naming `path`."""
        self.path = path
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise NotFoundError(f"there is no saved flow at {path}") from error
        except OSError as error:
            raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
        if data[: len(MAGIC)] != MAGIC:
            raise self.corrupt("it is not a saved flow")
        if len(data) < _HEAD.size + _SUM:
            raise self.corrupt("it is cut short")
        _, version, length, *totals = _HEAD.unpack_from(data)
        if version != VERSION:
            raise self.corrupt(f"it is of version {version}, and this is version {VERSION}")
        if hashlib.sha256(memoryview(data)[:-_SUM]).digest() != data[-_SUM:]:
            raise self.corrupt("its checksum does not hold: it was cut short or changed")
        if length > _LONGEST_SETTINGS:
            raise self.corrupt(f"its settings are said to take {length} bytes")
        self.totals = (totals[0], totals[1])
        self.settings = self._settings(data[_HEAD.size : _HEAD.size + length])
        self._rest = memoryview(data)[_HEAD.size + length : -_SUM]

    def _settings(self, text: bytes) -> FlowSettings:
        try:
            return FlowSettings(**json.loads(text))
        except (ValueError, TypeError, RecursionError, InvalidInputError) as error:
            raise self.corrupt(f"its settings cannot be used: {error}") from error

    def fill(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Fill `arrays`, those of a new model with these settings. Raises `ModelCorruptError`; they are
        then partly filled and of no use."""
        at = 0
        for name, array in arrays.items():
            if at + _PART.size > len(self._rest):
                raise self.corrupt(f"{name} is missing")
            size, length = _PART.unpack_from(self._rest, at)
            at += _PART.size
            if size != array.nbytes or length > len(self._rest) - at:
                raise self.corrupt(f"{name} has {size} bytes where {array.nbytes} are needed")
            opened = zlib.decompressobj()
            try:
                # One byte more than is needed would show that there is more.
                data = opened.decompress(self._rest[at : at + length], size + 1)
            except zlib.error as error:
                raise self.corrupt(f"{name} cannot be unpacked: {error}") from error
            if len(data) != size:
                raise self.corrupt(f"{name} unpacks to another size than {size} bytes")
            array[...] = np.frombuffer(data, array.dtype).reshape(array.shape)
            at += length
        if at != len(self._rest):
            raise self.corrupt(f"it has {len(self._rest) - at} bytes too many")

    def corrupt(self, reason: str) -> ModelCorruptError:
        """What to raise where the file cannot be used for `reason`."""
        return ModelCorruptError(f"{self.path} cannot be used: {reason}", hint="delete it or restore another")
