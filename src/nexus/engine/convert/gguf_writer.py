"""Writes one GGUF file, version 3, little endian.

Keys and tensors are declared first; `write` then streams the tensors' bytes, produced one after the
other, into a temporary file beside the target and renames it. Invariant: the target is the old file
or a whole new one, and every tensor has exactly the bytes that its shape and type need.
"""

from __future__ import annotations

import os
import secrets
import struct
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO

from nexus.core import atomic
from nexus.core.errors import InvalidInputError, StorageError
from nexus.engine.convert.tensor_types import TensorType

Producer = Callable[[], Iterable[bytes]]


class ValueType(IntEnum):
    """Types of metadata values, with the ids of the format."""

    U8 = 0
    I8 = 1
    U16 = 2
    I16 = 3
    U32 = 4
    I32 = 5
    F32 = 6
    BOOL = 7
    TEXT = 8
    ARRAY = 9
    U64 = 10
    I64 = 11
    F64 = 12


@dataclass(frozen=True, slots=True)
class _Declared:
    name: str
    shape: tuple[int, ...]
    kind: TensorType
    size: int
    produce: Producer


class GgufWriter:
    """One file to be. Keys and tensors are written in the order in which they were declared."""

    def __init__(self, path: Path, *, alignment: int = 32) -> None:
        if alignment < 8 or alignment & (alignment - 1):
            raise ValueError(f"alignment {alignment} is not a power of two from 8 upwards")
        self._path = path
        self._alignment = alignment
        self._values: dict[str, bytes] = {}
        self._tensors: dict[str, _Declared] = {}
        if alignment != 32:
            self.integer("general.alignment", alignment)

    def text(self, key: str, value: str) -> None:
        """A string."""
        self.raw(key, struct.pack("<I", ValueType.TEXT) + _text(value))

    def integer(self, key: str, value: int) -> None:
        """An unsigned integer of 32 bits, as the format's sizes and ids are."""
        try:
            self.raw(key, struct.pack("<II", ValueType.U32, value))
        except struct.error as error:
            raise InvalidInputError(f"{key} is {value}, which does not fit 32 bits") from error

    def real(self, key: str, value: float) -> None:
        """A float32."""
        self.raw(key, struct.pack("<If", ValueType.F32, value))

    def boolean(self, key: str, value: bool) -> None:
        """A boolean."""
        self.raw(key, struct.pack("<IB", ValueType.BOOL, value))

    def texts(self, key: str, values: Sequence[str]) -> None:
        """An array of strings."""
        head = struct.pack("<IIQ", ValueType.ARRAY, ValueType.TEXT, len(values))
        self.raw(key, head + b"".join(_text(value) for value in values))

    def integers(self, key: str, values: Sequence[int]) -> None:
        """An array of int32."""
        head = struct.pack("<IIQ", ValueType.ARRAY, ValueType.I32, len(values))
        self.raw(key, head + struct.pack(f"<{len(values)}i", *values))

    def reals(self, key: str, values: Sequence[float]) -> None:
        """An array of float32."""
        head = struct.pack("<IIQ", ValueType.ARRAY, ValueType.F32, len(values))
        self.raw(key, head + struct.pack(f"<{len(values)}f", *values))

    def raw(self, key: str, value: bytes) -> None:
        """A value with its type in front, as it lies in a file. Each key once."""
        if key in self._values:
            raise ValueError(f"the key {key} is there twice")
        self._values[key] = value

    def tensor(self, name: str, shape: tuple[int, ...], kind: TensorType, produce: Producer) -> None:
        """Declare a tensor of `shape` (rows first, columns last). `produce` is called by `write` and gives
        its bytes in any number of pieces. ValueError: a name or shape that the format does not have."""
        if name in self._tensors:
            raise ValueError(f"the tensor {name} is there twice")
        if not 1 <= len(name.encode()) <= 64:
            raise ValueError(f"the tensor name {name!r} is not 1 to 64 bytes long")
        if not 1 <= len(shape) <= 4 or min(shape) < 1:
            raise ValueError(f"the tensor {name} has the shape {shape}")
        self._tensors[name] = _Declared(name, shape, kind, kind.tensor_bytes(shape), produce)

    def write(self, progress: Callable[[int, int], None] | None = None) -> int:
        """Write the file and return its size in bytes. `progress(done, total)` is told the tensors' bytes.

        Raises `StorageError`, and whatever a producer raises; the target is then unchanged.
        """
        temporary = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}.tmp")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    self._write_to(file, progress)
                    size = file.tell()
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, self._path)
            except BaseException:
                with suppress(OSError):
                    temporary.unlink()
                raise
            atomic.sync_folder(self._path.parent)
        except OSError as error:
            raise StorageError.from_os(error, self._path) from error
        return size

    def _write_to(self, file: BinaryIO, progress: Callable[[int, int], None] | None) -> None:
        file.write(struct.pack("<4sIQQ", b"GGUF", 3, len(self._tensors), len(self._values)))
        for key, value in self._values.items():
            file.write(_text(key) + value)
        offset = 0
        for tensor in self._tensors.values():
            dimensions = tuple(reversed(tensor.shape))
            file.write(_text(tensor.name))
            file.write(struct.pack(f"<I{len(dimensions)}Q", len(dimensions), *dimensions))
            file.write(struct.pack("<IQ", tensor.kind, offset))
            offset += self._padded(tensor.size)
        self._pad(file)
        total, done = sum(tensor.size for tensor in self._tensors.values()), 0
        for tensor in self._tensors.values():
            written = 0
            for piece in tensor.produce():
                file.write(piece)
                written += len(piece)
                if progress is not None:
                    progress(done + written, total)
            if written != tensor.size:
                raise ValueError(f"the tensor {tensor.name} has {written} bytes, not {tensor.size}")
            done += written
            self._pad(file)

    def _padded(self, size: int) -> int:
        return -(-size // self._alignment) * self._alignment

    def _pad(self, file: BinaryIO) -> None:
        at = file.tell()
        file.write(bytes(self._padded(at) - at))


def _text(value: str) -> bytes:
    try:
        data = value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInputError(f"the text {value[:80]!r} has no UTF-8 form") from error
    return struct.pack("<Q", len(data)) + data
