"""A folder as model hubs publish it (config.json, tokenizer.json, *.safetensors) to one GGUF file.

Knows how the pieces fit: which weights are reordered, unpacked or widened. Matrices are streamed, so
that no more than one is in memory. The target is a whole new file, or what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt

from nexus.core.errors import InvalidInputError, ModelCorruptError, ModelMissingError
from nexus.engine.convert.gguf_writer import GgufWriter
from nexus.engine.convert.hf_config import HfConfig
from nexus.engine.convert.hf_names import Wanted, wanted
from nexus.engine.convert.hf_tokenizer import HfTokenizer
from nexus.engine.convert.quantise import absmean_codes, encode, encode_ternary
from nexus.engine.convert.safetensors import SafetensorsFile
from nexus.engine.convert.tensor_types import TensorType, file_type

Kind = Literal["auto", "f32", "f16", "bf16", "q8_0", "tq2_0", "i2_s"]
TERNARY = (TensorType.TQ2_0, TensorType.I2_S)
_ROWS = 1024  # converted at a time

Floats = npt.NDArray[np.float32]
_Number = TypeVar("_Number", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was made; `notes` are sentences for the user."""

    path: Path
    architecture: str
    kind: str
    tensors: int
    size: int
    notes: tuple[str, ...]


def convert(
    folder: Path, target: Path, kind: Kind = "auto", *, progress: Callable[[int, int], None] | None = None
) -> Conversion:
    """Write the model in `folder` to `target` with its matrices as `kind`.

    `auto` keeps what the weights have: I2_S for ternary ones, BF16 for BF16, F16 for the others. Norms and
    biases are F32, an embedding beside ternary matrices F16. Raises `ModelMissingError`, `ModelCorruptError`,
    `InvalidInputError` (a model or kind that is not converted) or `StorageError`.
    """
    config = HfConfig.read(folder)
    tokenizer = HfTokenizer.read(folder)
    with ExitStack() as stack:
        weights = _Weights(folder, config, stack)
        items = wanted(config, weights.names)
        chosen = _choose(kind, config, weights, items)
        notes: list[str] = []
        writer = GgufWriter(target)
        config.describe(writer)
        writer.integer("general.file_type", file_type(chosen))
        writer.integer("general.quantization_version", 2)
        tokenizer.describe(writer, config.vocabulary, config.source)
        factors = config.rope_factors()
        if factors is not None:
            data = np.asarray(factors, dtype="<f4").tobytes()
            writer.tensor("rope_freqs.weight", (len(factors),), TensorType.F32, lambda: [data])
        for item in items:
            stored = _type_of(item, chosen, notes)
            weights.check(item)
            writer.tensor(item.gguf_name, item.shape, stored, partial(weights.produce, item, stored))
        size = writer.write(progress)
        count = len(items) + (factors is not None)
        return Conversion(target, config.architecture, chosen.name, count, size, tuple(notes))


def _choose(kind: Kind, config: HfConfig, weights: _Weights, items: list[Wanted]) -> TensorType:
    linear = [item for item in items if item.linear]
    ternary = config.ternary or any(weights.is_packed(item) for item in linear)
    if kind == "auto":
        if ternary:
            return TensorType.I2_S
        return TensorType.BF16 if weights.dtype(linear[0]) == "BF16" else TensorType.F16
    if kind.upper() not in TensorType.__members__ or kind not in (
        "f32",
        "f16",
        "bf16",
        "q8_0",
        "tq2_0",
        "i2_s",
    ):
        raise InvalidInputError(
            f"{kind!r} is no kind of weights", hint="auto, f32, f16, bf16, q8_0, tq2_0 or i2_s"
        )
    chosen = TensorType[kind.upper()]
    if chosen in TERNARY and not ternary:
        raise InvalidInputError(
            f"the model in {weights.folder} has no ternary weights, {kind} cannot hold them",
            hint="convert it as q8_0; `nexus models quantize --ternary` makes it ternary, at a loss",
        )
    return chosen


def _type_of(item: Wanted, chosen: TensorType, notes: list[str]) -> TensorType:
    """How one tensor is stored; a note tells of a matrix whose columns are no whole blocks."""
    if len(item.shape) == 1:
        return TensorType.F32
    if chosen in TERNARY and not item.linear:
        return TensorType.F16
    if item.shape[-1] % chosen.block[0]:
        if chosen in TERNARY:
            raise InvalidInputError(
                f"{item.source_name} has {item.shape[-1]} columns, {chosen.name} needs a multiple of "
                f"{chosen.block[0]}",
                hint="convert it as f16",
            )
        notes.append(
            f"{item.gguf_name} is F16: its {item.shape[-1]} columns are no multiple of {chosen.block[0]}"
        )
        return TensorType.F16
    return chosen


class _Weights:
    """All safetensors files of a folder as one set of tensors."""

    def __init__(self, folder: Path, config: HfConfig, stack: ExitStack) -> None:
        self.folder = folder
        self._config = config
        self._files: dict[str, SafetensorsFile] = {}
        for path in sorted(folder.glob("*.safetensors")):
            file = stack.enter_context(SafetensorsFile(path))
            for name in file.entries:
                if name in self._files:
                    raise ModelCorruptError(
                        f"the tensor {name} is in {self._files[name].path.name} and in {path.name}",
                        hint="leave one set of *.safetensors in the folder",
                    )
                self._files[name] = file
        if not self._files:
            raise ModelMissingError(f"{folder} holds no *.safetensors", hint="download the model's weights")

    @property
    def names(self) -> list[str]:
        return list(self._files)

    def dtype(self, item: Wanted) -> str:
        return self._files[item.source_name].entries[item.source_name].dtype

    def is_packed(self, item: Wanted) -> bool:
        """Whether four ternary rows lie in each stored one."""
        return item.linear and self.dtype(item) == "U8"

    def check(self, item: Wanted) -> None:
        """The stored shape is the wanted one, so that no later surprise breaks a written header."""
        entry = self._files[item.source_name].entry(item.source_name)
        rows = item.shape[0]
        expected = (-(-rows // 4), *item.shape[1:]) if self.is_packed(item) else item.shape
        if entry.shape != expected:
            raise ModelCorruptError(
                f"the tensor {item.source_name} has the shape {entry.shape}, config.json makes it {expected}",
                hint="config.json and the weights are of different models",
            )
        if self.is_packed(item) and f"{item.source}.weight_scale" not in self._files:
            raise ModelCorruptError(f"the ternary tensor {item.source_name} has no weight_scale")

    def produce(self, item: Wanted, stored: TensorType) -> Iterator[bytes]:
        """The tensor's bytes, in pieces."""
        try:
            if stored in TERNARY:
                codes, scale = self._ternary(item)
                yield encode_ternary(codes, scale, stored)
            else:
                for rows in self._pieces(item):
                    yield encode(rows, stored)
        except ValueError as error:
            raise InvalidInputError(
                f"the tensor {item.source_name} cannot be converted: {error}",
                hint="try another kind, such as bf16",
            ) from error

    def _pieces(self, item: Wanted) -> Iterator[Floats]:
        file = self._files[item.source_name]
        if item.linear and (self.is_packed(item) or self._config.ternary):
            codes, scale = self._ternary(item)
            yield codes.astype(np.float32) * np.float32(scale)
        elif item.heads or len(item.shape) == 1:
            yield _turned(file.floats(item.source_name), item.heads)
        else:
            for start in range(0, item.shape[0], _ROWS):
                yield file.rows(item.source_name, start, min(start + _ROWS, item.shape[0]))

    def _ternary(self, item: Wanted) -> tuple[npt.NDArray[np.int8], float]:
        """Codes (rows x columns of -1, 0, +1) and scale of a ternary matrix."""
        file = self._files[item.source_name]
        if self.is_packed(item):
            codes = _unpacked(file.raw(item.source_name), item.shape[0])
            if codes.max() > 1:
                raise ValueError("it holds the code 3, which is no ternary weight")
            return _turned(codes, item.heads), self._scale(item)
        rows = file.floats(item.source_name)
        if not np.isfinite(rows).all():
            raise ValueError("it holds a weight that is not a finite number")
        if f"{item.source}.weight_scale" in self._files:
            if not np.isin(rows, (-1, 0, 1)).all():
                raise ValueError("it has a scale, but weights that are not -1, 0 or 1")
            return _turned(rows.astype(np.int8), item.heads), self._scale(item)
        codes, scale = absmean_codes(rows)
        return _turned(codes, item.heads), scale

    def _scale(self, item: Wanted) -> float:
        name = f"{item.source}.weight_scale"
        values = self._files[name].floats(name).reshape(-1)
        if values.size != 1 or not np.isfinite(values[0]) or values[0] <= 0:
            raise ValueError(f"its weight_scale is {values[:4].tolist()}, not one positive number")
        return float(np.float32(1) / values[0]) if self._config.inverse_scales else float(values[0])


def _unpacked(packed: npt.NDArray[np.uint8], rows: int) -> npt.NDArray[np.int8]:
    """Two bits a row: bits 0-1 of all bytes are the first quarter of the rows, bits 2-3 the second ..."""
    quarters = [(packed >> shift & 3).astype(np.int8) - 1 for shift in (0, 2, 4, 6)]
    return np.concatenate(quarters)[:rows]


def _turned(rows: npt.NDArray[_Number], heads: int) -> npt.NDArray[_Number]:
    """Rows of each head from halves (the pair of row i is i + d/2) to neighbours (2i, 2i + 1), as the
    rotation of the llama architecture pairs them; 0 heads: as they are."""
    if not heads:
        return rows
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(rows.shape)
