"""A safetensors file, checked as a whole when it is opened and read row by row.

The file is read, not mapped: one that is cut short in use gives an error, not a signal. Invariant:
every tensor lies inside the file, none over another, no byte belongs to nobody. Format: eight bytes
of length, a JSON object of names to {dtype, shape, data_offsets}, the data.
"""

from __future__ import annotations

import json
import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from nexus.core.errors import InvalidInputError, ModelCorruptError, ModelMissingError

MAX_HEADER = 100_000_000  # bytes; the format's own limit
MAX_DIMENSIONS = 8
_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F64", "I64", "U64"), 8),
}
READABLE = ("F32", "F16", "BF16", "I8", "U8")


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a tensor lies: `start` counts from the beginning of the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    size: int


class SafetensorsFile:
    """One open file. `close` it, or use it in a `with`."""

    def __init__(self, path: Path) -> None:
        """Raises `ModelMissingError` (cannot be opened) or `ModelCorruptError` (is not what it claims)."""
        self.path = path
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise ModelMissingError(
                f"the weights {path} cannot be read: {error.strerror}", hint="name the model's folder"
            ) from error
        try:
            self.entries = self._read_header()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> SafetensorsFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def entry(self, name: str) -> Entry:
        """The tensor's place; raises `InvalidInputError` where the engine cannot use its numbers."""
        entry = self.entries[name]
        if entry.dtype not in READABLE:
            raise InvalidInputError(
                f"the tensor {name} of {self.path} has the type {entry.dtype}",
                hint=f"usable are {', '.join(READABLE)}",
            )
        return entry

    def raw(self, name: str) -> npt.NDArray[Any]:
        """A whole tensor in its own type; BF16 as uint16."""
        entry = self.entry(name)
        rows = entry.shape[0] if entry.shape else 1
        return self._rows(name, entry, 0, rows).reshape(entry.shape)

    def rows(self, name: str, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Rows `start` to `stop` along the first dimension, as f32."""
        entry = self.entry(name)
        data = self._rows(name, entry, start, stop)
        if entry.dtype == "BF16":
            return (data.astype(np.uint32) << 16).view(np.float32)
        return data.astype(np.float32)

    def floats(self, name: str) -> npt.NDArray[np.float32]:
        """A whole tensor as f32."""
        entry = self.entry(name)
        return self.rows(name, 0, entry.shape[0] if entry.shape else 1).reshape(entry.shape)

    def _rows(self, name: str, entry: Entry, start: int, stop: int) -> npt.NDArray[Any]:
        shape = entry.shape or (1,)
        if not 0 <= start <= stop <= shape[0]:
            raise ValueError(f"rows {start} to {stop} of {name}, which has {shape[0]}")
        step = entry.size // shape[0] if shape[0] else 0
        size = (stop - start) * step
        data = os.pread(self._file.fileno(), size, entry.start + start * step) if size else b""
        while 0 < len(data) < size:
            more = os.pread(self._file.fileno(), size - len(data), entry.start + start * step + len(data))
            if not more:
                break
            data += more
        if len(data) != size:
            self._corrupt(f"it ended inside the tensor {name} while it was read")
        kind = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "I8": "i1", "U8": "u1"}[entry.dtype]
        return np.frombuffer(data, dtype=kind).reshape(stop - start, *shape[1:])

    def _corrupt(self, what: str) -> NoReturn:
        raise ModelCorruptError(
            f"the weights {self.path} are damaged: {what}", hint="download the model's folder again"
        )

    def _read_header(self) -> dict[str, Entry]:
        size = os.fstat(self._file.fileno()).st_size
        head = self._file.read(8)
        if len(head) < 8:
            self._corrupt(f"the file has only {len(head)} bytes")
        (length,) = struct.unpack("<Q", head)
        if length > min(MAX_HEADER, size - 8):
            self._corrupt(
                f"its header claims {length} bytes, the file has {size} and the limit is {MAX_HEADER}"
            )
        text = self._file.read(length)
        try:
            header = json.loads(text, object_pairs_hook=self._no_doubles)
        except (ValueError, RecursionError) as error:
            self._corrupt(f"its header is not JSON: {error}")
        if not isinstance(header, dict):
            self._corrupt("its header is not a JSON object")
        entries = {
            name: self._entry(name, facts, 8 + length, size - 8 - length)
            for name, facts in header.items()
            if name != "__metadata__"
        }
        self._check_places(entries, 8 + length, size)
        return entries

    def _no_doubles(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                self._corrupt(f"{name!r} is there twice")
            found[name] = value
        return found

    def _entry(self, name: str, facts: Any, data: int, room: int) -> Entry:
        if not isinstance(facts, dict) or not {"dtype", "shape", "data_offsets"} <= facts.keys():
            self._corrupt(f"the tensor {name!r} lacks dtype, shape or data_offsets")
        dtype, shape, offsets = facts["dtype"], facts["shape"], facts["data_offsets"]
        if not isinstance(dtype, str) or dtype not in _BYTES:
            self._corrupt(f"the tensor {name!r} has the unknown type {dtype!r}")
        if not _are_sizes(shape) or len(shape) > MAX_DIMENSIONS:
            self._corrupt(f"the tensor {name!r} has the shape {shape!r}")
        if not _are_sizes(offsets) or len(offsets) != 2 or not offsets[0] <= offsets[1] <= room:
            self._corrupt(f"the tensor {name!r} lies at {offsets!r}, the data has {room} bytes")
        size = offsets[1] - offsets[0]
        if math.prod(shape) * _BYTES[dtype] != size:
            self._corrupt(f"the tensor {name!r} of shape {shape!r} and type {dtype} has {size} bytes")
        return Entry(dtype, tuple(shape), data + offsets[0], size)

    def _check_places(self, entries: dict[str, Entry], start: int, end: int) -> None:
        at = start
        for name, entry in sorted(entries.items(), key=lambda item: (item[1].start, item[1].size)):
            if entry.start != at:
                what = "overlaps the one before it" if entry.start < at else "leaves bytes before it unused"
                self._corrupt(f"the tensor {name!r} {what} (at byte {entry.start}, expected {at})")
            at += entry.size
        if at != end:
            self._corrupt(f"its tensors end at byte {at}, the file at {end}")


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 1 << 62 for item in value)
