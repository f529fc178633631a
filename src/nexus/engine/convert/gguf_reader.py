"""Reads a GGUF file for rewriting it: values as they lie there, weights as f32.

The engine's own loader (native/engine/gguf) is the strict one; this refuses what it could trip over
and does not repeat every check. The file is read, not mapped. Invariant: no length is believed
before it is compared with what is left of the file.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from nexus.core.errors import InvalidInputError, ModelCorruptError, ModelMissingError
from nexus.engine.convert.dequantise import decode
from nexus.engine.convert.gguf_writer import ValueType
from nexus.engine.convert.tensor_types import I2_S_TRAILER, TensorType

_WIDTHS = {
    **dict.fromkeys((ValueType.U8, ValueType.I8, ValueType.BOOL), 1),
    **dict.fromkeys((ValueType.U16, ValueType.I16), 2),
    **dict.fromkeys((ValueType.U32, ValueType.I32, ValueType.F32), 4),
    **dict.fromkeys((ValueType.U64, ValueType.I64, ValueType.F64), 8),
}
_INTEGERS = {
    ValueType.U8: "<B",
    ValueType.U16: "<H",
    ValueType.U32: "<I",
    ValueType.I32: "<i",
    ValueType.U64: "<Q",
}
_PIECE = 8 << 20  # bytes copied at a time


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor of the file: `shape` has rows first, `start` counts from the beginning of the file."""

    name: str
    shape: tuple[int, ...]
    kind: TensorType
    start: int
    size: int

    @property
    def columns(self) -> int:
        """Length of the last dimension."""
        return self.shape[-1]

    @property
    def rows(self) -> int:
        """Product of the others."""
        return math.prod(self.shape[:-1])


class GgufReader:
    """One open file: `values` by key with their type in front, `tensors` in the order of the file."""

    def __init__(self, path: Path) -> None:
        """Raises `ModelMissingError`, `ModelCorruptError`, or `InvalidInputError` for an unusable kind."""
        self.path = path
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise ModelMissingError(
                f"the model file {path} cannot be read: {error.strerror}", hint="name a .gguf file"
            ) from error
        try:
            self._size = os.fstat(self._file.fileno()).st_size
            self.values: dict[str, bytes] = {}
            self.tensors = self._read_header()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> GgufReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def text(self, key: str) -> str | None:
        """The text of a key, or None where it is not there or no text."""
        value = self.values.get(key, b"")
        if value[:4] != struct.pack("<I", ValueType.TEXT):
            return None
        return value[12:].decode("utf-8", errors="replace")

    def integer(self, key: str) -> int | None:
        """The integer of a key, or None where it is not there or no integer."""
        value = self.values.get(key)
        form = None if value is None else _INTEGERS.get(ValueType(struct.unpack_from("<I", value)[0]))
        return None if value is None or form is None else int(struct.unpack_from(form, value, 4)[0])

    def rows(self, tensor: StoredTensor, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Rows `start` to `stop` of a tensor as rows x columns floats."""
        step = tensor.kind.row_bytes(tensor.columns)
        weights = decode(
            self._read_at(tensor.start + start * step, (stop - start) * step), tensor.kind, tensor.columns
        )
        if tensor.kind is TensorType.I2_S:
            (scale,) = struct.unpack("<f", self._read_at(tensor.start + tensor.size - I2_S_TRAILER, 4))
            weights = weights * np.float32(scale)
        return weights

    def pieces(self, tensor: StoredTensor) -> Iterator[bytes]:
        """A tensor's bytes as they are, in pieces."""
        for at in range(0, tensor.size, _PIECE):
            yield self._read_at(tensor.start + at, min(_PIECE, tensor.size - at))

    def _corrupt(self, what: str) -> NoReturn:
        raise ModelCorruptError(f"the model file {self.path} is damaged: {what}", hint="fetch it again")

    def _read_at(self, at: int, size: int) -> bytes:
        data = os.pread(self._file.fileno(), size, at)
        if len(data) != size:
            self._corrupt(f"it ended at byte {at + len(data)} while it was read")
        return data

    def _take(self, size: int) -> bytes:
        at = self._file.tell()
        if size > self._size - at:
            self._corrupt(f"{size} bytes are missing at byte {at}")
        return self._file.read(size)

    def _number(self, form: str) -> int:
        (value,) = struct.unpack(form, self._take(struct.calcsize(form)))
        return int(value)

    def _name(self) -> str:
        try:
            return self._take(self._number("<Q")).decode("utf-8")
        except UnicodeDecodeError:
            self._corrupt(f"the name before byte {self._file.tell()} is not UTF-8")

    def _read_header(self) -> list[StoredTensor]:
        if self._take(4) != b"GGUF":
            self._corrupt("it does not begin with GGUF")
        version = self._number("<I")
        if version not in (2, 3):
            raise InvalidInputError(f"{self.path} has GGUF version {version}", hint="usable are 2 and 3")
        tensors, keys = self._number("<Q"), self._number("<Q")
        for _ in range(keys):
            self._read_value()
        if (self.integer("split.count") or 1) > 1:
            raise InvalidInputError(
                f"{self.path} is one part of several", hint="join the parts to one file first"
            )
        entries = [self._read_entry() for _ in range(min(tensors, self._size))]
        alignment = self.integer("general.alignment") or 32
        data = -(-self._file.tell() // alignment) * alignment
        found = [
            StoredTensor(*head, data + offset, head[2].tensor_bytes(head[1])) for head, offset in entries
        ]
        for tensor in found:
            if tensor.start + tensor.size > self._size:
                self._corrupt(f"the tensor {tensor.name} ends past the file's {self._size} bytes")
        if len({tensor.name for tensor in found}) != len(found):
            self._corrupt("two tensors have the same name")
        return found

    def _read_value(self) -> None:
        key = self._name()
        if key in self.values:
            self._corrupt(f"the key {key} is there twice")
        start = self._file.tell()
        self._skip_value(key, self._number("<I"), depth=0)
        end = self._file.tell()
        self.values[key] = self._read_at(start, end - start)

    def _skip_value(self, key: str, kind: int, depth: int) -> None:
        if kind in _WIDTHS:
            self._take(_WIDTHS[ValueType(kind)])
        elif kind == ValueType.TEXT:
            self._take(self._number("<Q"))
        elif kind == ValueType.ARRAY and depth < 4:
            inner, count = self._number("<I"), self._number("<Q")
            if inner in _WIDTHS:
                self._take(count * _WIDTHS[ValueType(inner)])
            else:
                for _ in range(count):  # an element takes bytes, so the file's end ends this
                    self._skip_value(key, inner, depth + 1)
        else:
            self._corrupt(f"the key {key} has value type {kind}")

    def _read_entry(self) -> tuple[tuple[str, tuple[int, ...], TensorType], int]:
        name = self._name()
        dimensions = self._number("<I")
        if not 1 <= dimensions <= 4:
            self._corrupt(f"the tensor {name} has {dimensions} dimensions")
        shape = tuple(self._number("<Q") for _ in range(dimensions))[::-1]
        number = self._number("<I")
        if number not in set(TensorType):
            raise InvalidInputError(
                f"the tensor {name} of {self.path} has type {number}, which is not read",
                hint=f"usable are {', '.join(kind.name for kind in TensorType)}",
            )
        kind = TensorType(number)
        if min(shape) < 1 or shape[-1] % kind.block[0]:
            self._corrupt(f"the tensor {name} of type {kind.name} has the shape {shape}")
        return (name, shape, kind), self._number("<Q")
