"""Reads the packed granite embedder: one file with a JSON header, a tokenizer and tensors.

Layout, little-endian: `HMSEMB01`, u64 length of the header, the header (JSON), `tokenizer.json`,
then the tensors in the header's order. A `f32` tensor is stored as is; an `i8` one as all its int8
values followed by one float32 scale for each group of consecutive values.

Invariant: nothing is read outside the file, and a pack is either accepted whole (every length,
shape and name as the architecture demands) or refused with `ModelCorruptError`.
"""

from __future__ import annotations

import json
import math
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nexus.core.errors import ModelCorruptError

Floats = NDArray[np.float32]
MAGIC = b"HMSEMB01"
_START = len(MAGIC) + 8
_HEADER_LIMIT = 1 << 20
_DIMENSION_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Architecture:
    """The sizes of the encoder."""

    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every tensor; matrices are (outputs, inputs)."""
        wide, inner = self.hidden, self.intermediate
        shapes: dict[str, tuple[int, ...]] = {
            "word_emb": (self.vocabulary, wide),
            "pos_emb": (self.positions, wide),
            "type_emb": (self.types, wide),
            "emb_ln.w": (wide,),
            "emb_ln.b": (wide,),
        }
        for layer in range(self.layers):
            for name, shape in {
                "qkv.w": (3 * wide, wide),
                "qkv.b": (3 * wide,),
                "ao.w": (wide, wide),
                "ao.b": (wide,),
                "aln.w": (wide,),
                "aln.b": (wide,),
                "f1.w": (inner, wide),
                "f1.b": (inner,),
                "f2.w": (wide, inner),
                "f2.b": (wide,),
                "fln.w": (wide,),
                "fln.b": (wide,),
            }.items():
                shapes[f"l{layer}.{name}"] = shape
        return shapes


@dataclass(frozen=True, slots=True)
class _Tensor:
    offset: int
    shape: tuple[int, ...]
    group: int  # 0: float32 as is


class Pack:
    """An open pack. `rows` gives a tensor piece by piece, so that none need be whole in memory."""

    def __init__(self, path: Path) -> None:
        """Map `path` and check all of its structure. Raises `ModelCorruptError`, `OSError`."""
        self._path = path
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if size < _START:
                raise self._bad(f"{size} bytes are too few for a header")
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            header, offset = self._header(size)
            self.architecture = self._architecture(header)
            length = self._count(header, "tokenizer_len", size)
            if offset + length > size:
                raise self._bad("the tokenizer reaches beyond the file")
            self.tokenizer = self._data[offset : offset + length]
            self._tensors = self._table(header, offset + length, size)
        except BaseException:
            self._data.close()
            raise

    def __enter__(self) -> Pack:
        return self

    def __exit__(self, *_: object) -> None:
        self._data.close()

    def expect_layers(self, count: int) -> None:
        """Raises `ModelCorruptError` where the encoder has another number of layers."""
        if self.architecture.layers != count:
            raise self._bad(f"{self.architecture.layers} layers, not {count}")

    def tensor(self, name: str) -> Floats:
        """The whole tensor, float32, in its shape. Raises as `rows`."""
        shape = self._tensors[name].shape
        return np.concatenate(list(self.rows(name, shape[0]))).reshape(shape)

    def rows(self, name: str, step: int) -> Iterator[Floats]:
        """The tensor by blocks of `step` rows (the last may be shorter), float32.

        Raises `ModelCorruptError` where a value is not finite.
        """
        tensor = self._tensors[name]
        count, width = tensor.shape[0], math.prod(tensor.shape[1:])
        for first in range(0, count, step):
            values = (min(first + step, count) - first) * width
            if tensor.group:
                block = self._dequantized(tensor, first * width, values, count * width)
            else:
                at = tensor.offset + 4 * first * width
                block = np.frombuffer(self._data[at : at + 4 * values], "<f4")
            if not np.isfinite(block).all():
                raise self._bad(f"tensor {name} holds values that are not finite")
            yield block.reshape(-1, *tensor.shape[1:])

    def _dequantized(self, tensor: _Tensor, start: int, values: int, total: int) -> Floats:
        group = tensor.group
        at = tensor.offset + start
        whole = np.frombuffer(self._data[at : at + values], np.int8).astype(np.float32)
        at = tensor.offset + total + 4 * (start // group)
        scale = np.frombuffer(self._data[at : at + 4 * (values // group)], "<f4")
        with np.errstate(invalid="ignore", over="ignore"):  # `rows` refuses what is not finite
            product: Floats = whole.reshape(-1, group) * scale[:, None]
        return product

    def _header(self, size: int) -> tuple[dict[str, Any], int]:
        if self._data[: len(MAGIC)] != MAGIC:
            raise self._bad("it does not begin with the mark of a pack")
        (length,) = struct.unpack("<Q", self._data[len(MAGIC) : _START])
        if length > min(_HEADER_LIMIT, size - _START):
            raise self._bad(f"a header of {length} bytes does not fit")
        try:
            header = json.loads(self._data[_START : _START + length])
        except (ValueError, RecursionError) as error:
            raise self._bad(f"the header is not JSON: {error}") from error
        if not isinstance(header, dict) or header.get("format") != 1:
            raise self._bad("the header is not of format 1")
        return header, _START + length

    def _architecture(self, header: dict[str, Any]) -> Architecture:
        table = header.get("arch")
        if not isinstance(table, dict):
            raise self._bad("the header has no table arch")
        epsilon = table.get("layer_norm_eps")
        if not isinstance(epsilon, float) or not 0 < epsilon < 1:
            raise self._bad(f"layer_norm_eps is {str(epsilon)[:40]}")
        found = Architecture(
            hidden=self._count(table, "hidden", _DIMENSION_LIMIT),
            layers=self._count(table, "layers", _DIMENSION_LIMIT),
            heads=self._count(table, "heads", _DIMENSION_LIMIT),
            intermediate=self._count(table, "intermediate", _DIMENSION_LIMIT),
            vocabulary=self._count(table, "vocab", _DIMENSION_LIMIT),
            positions=self._count(table, "max_positions", _DIMENSION_LIMIT),
            types=self._count(table, "type_vocab", _DIMENSION_LIMIT),
            epsilon=epsilon,
        )
        if found.layers > 64 or found.hidden % found.heads:
            raise self._bad(f"{found.layers} layers, {found.hidden} wide, {found.heads} heads")
        if table.get("position_offset") != 2 or self._meta(header) != ("cls", True):
            raise self._bad("it wants other positions, pooling or normalisation than granite")
        return found

    def _meta(self, header: dict[str, Any]) -> tuple[object, object]:
        meta = header.get("meta")
        return (meta.get("pooling"), meta.get("normalize")) if isinstance(meta, dict) else ("", "")

    def _table(self, header: dict[str, Any], offset: int, size: int) -> dict[str, _Tensor]:
        entries = header.get("tensors")
        if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
            raise self._bad("the header has no list of tensors")
        shapes = self.architecture.shapes()
        tensors: dict[str, _Tensor] = {}
        for entry in entries:
            name, shape = entry.get("name"), entry.get("shape")
            wanted = shapes.get(name) if isinstance(name, str) else None
            if wanted is None or name in tensors or shape != list(wanted):
                raise self._bad(f"tensor {str(name)[:40]!r} of shape {str(shape)[:40]} is not wanted")
            group = self._group(entry, wanted)
            values = math.prod(wanted)
            length = values + 4 * (values // group) if group else 4 * values
            if entry.get("len") != length or offset + length > size:
                raise self._bad(f"tensor {name} reaches beyond its {length} bytes or the file")
            tensors[name] = _Tensor(offset, wanted, group)
            offset += length
        if missing := shapes.keys() - tensors.keys():
            raise self._bad(f"tensor {min(missing)} is missing")
        if offset != size:
            raise self._bad(f"{size - offset} bytes follow the last tensor")
        return tensors

    def _group(self, entry: dict[str, Any], shape: tuple[int, ...]) -> int:
        kind, group = entry.get("dtype"), entry.get("group")
        if kind == "f32":
            return 0
        # A group lies within one row, so that rows can be read one by one.
        whole = isinstance(group, int) and not isinstance(group, bool) and group > 0
        if kind != "i8" or not whole or shape[-1] % int(str(group)):
            raise self._bad(f"tensor {entry.get('name')} is {str(kind)[:20]} in groups of {group}")
        return int(str(group))

    def _count(self, table: dict[str, Any], name: str, limit: int) -> int:
        value = table.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= limit:
            raise self._bad(f"{name} is {str(value)[:40]}")
        return value

    def _bad(self, why: str) -> ModelCorruptError:
        return ModelCorruptError(
            f"{self._path.name} is damaged: {why}",
            hint="nexus models pull granite-embedding-30m-english --force",
        )
