"""Rewrites the matrices of a GGUF file as ternary weights (TQ2_0), after training.

The rule is the one of BitNet b1.58, a scale of mean absolute weight and weights rounded to -1, 0, +1
times it, with a scale for every 256 weights. A model that was not trained so loses most of its
quality: this makes files for speed and tests, and starting points for training, not good models.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from nexus.core.errors import InvalidInputError
from nexus.engine.convert.gguf_reader import GgufReader, StoredTensor
from nexus.engine.convert.gguf_writer import GgufWriter, ValueType
from nexus.engine.convert.quantise import absmean_blocks, pack_tq2_0
from nexus.engine.convert.tensor_types import TensorType, file_type

ARCHITECTURES = ("llama", "qwen2", "qwen3", "gemma3", "bitnet", "bitnet-b1.58", "bitnet-25")
WARNING = (
    "Ternary weights made after training lose most of a model's quality: expect text that makes little "
    "sense. A model that was trained with ternary weights (BitNet b1.58) has its quality; this one has not."
)
_LINEAR = re.compile(r"blk\.\d+\.(attn_q|attn_k|attn_v|attn_output|ffn_gate|ffn_up|ffn_down)\.weight")
_TERNARY = (TensorType.TQ1_0, TensorType.TQ2_0, TensorType.I2_S)
_ROWS = 512  # rewritten at a time


@dataclass(slots=True)
class Ternarised:
    """What was done. `error` is the root of squared error over squared weights, of the rewritten ones."""

    path: Path
    size: int = 0
    rewritten: int = 0
    kept: list[str] = field(default_factory=list)  # why a matrix stayed as it was, by name
    warning: str = WARNING
    squared_error: float = 0.0
    squared: float = 0.0

    @property
    def error(self) -> float:
        """Root mean square of what three values could not say, relative to the weights."""
        return (self.squared_error / self.squared) ** 0.5 if self.squared else 0.0


def ternarise(
    source: Path, target: Path, *, progress: Callable[[int, int], None] | None = None
) -> Ternarised:
    """Write `source` to `target` with its linear matrices as TQ2_0; everything else is copied.

    Embedding, output, norms and biases stay as they are, and so does a matrix whose columns are no multiple
    of 256 (it is listed). Raises `InvalidInputError` where nothing can be rewritten, and what reading and
    writing raise.
    """
    with GgufReader(source) as reader:
        architecture = reader.text("general.architecture")
        if architecture not in ARCHITECTURES:
            raise InvalidInputError(
                f"{source} has the architecture {architecture!r}",
                hint=f"usable are {', '.join(ARCHITECTURES)}",
            )
        done = Ternarised(target)
        writer = GgufWriter(target, alignment=reader.integer("general.alignment") or 32)
        for key, value in reader.values.items():
            if key == "general.file_type":
                value = struct.pack("<II", ValueType.U32, file_type(TensorType.TQ2_0))
            if key != "general.alignment":
                writer.raw(key, value)
        for tensor in reader.tensors:
            if _is_rewritten(tensor, done):
                done.rewritten += 1
                produce = partial(_ternary, reader, tensor, done)
                writer.tensor(tensor.name, tensor.shape, TensorType.TQ2_0, produce)
            else:
                writer.tensor(tensor.name, tensor.shape, tensor.kind, partial(reader.pieces, tensor))
        if not done.rewritten:
            raise InvalidInputError(
                f"{source} has no matrix that can be made ternary",
                hint="; ".join(done.kept[:3]) or "it has no layers",
            )
        done.size = writer.write(progress)
        return done


def _is_rewritten(tensor: StoredTensor, done: Ternarised) -> bool:
    if not _LINEAR.fullmatch(tensor.name):
        return False
    if tensor.kind in _TERNARY:
        done.kept.append(f"{tensor.name} is ternary already")
        return False
    if tensor.columns % 256:
        done.kept.append(f"{tensor.name} has {tensor.columns} columns, no multiple of 256")
        return False
    return True


def _ternary(reader: GgufReader, tensor: StoredTensor, done: Ternarised) -> Iterator[bytes]:
    for start in range(0, tensor.rows, _ROWS):
        rows = reader.rows(tensor, start, min(start + _ROWS, tensor.rows))
        if not np.isfinite(rows).all():
            raise InvalidInputError(
                f"{tensor.name} holds a weight that is not a finite number", hint="fetch the model again"
            )
        try:
            codes, scales = absmean_blocks(rows)
            packed = pack_tq2_0(codes, scales)
        except ValueError as refused:
            raise InvalidInputError(f"{tensor.name} cannot be made ternary: {refused}") from refused
        error = rows.reshape(codes.shape) - codes * scales[:, None]
        done.squared_error += float(np.square(error, dtype=np.float64).sum())
        done.squared += float(np.square(rows, dtype=np.float64).sum())
        yield packed
