"""The weights of a Nexus as one file that ships: ternary matrices five weights a byte, the rest float16.

Knows models and their configuration; knows no training. Invariants: what is loaded computes what the saved
model computes with its rest rounded to float16, and a ternary matrix bit for bit; a file is the old one or
the new one; one that is truncated, altered, foreign or of another vocabulary is refused before it is used.

A safetensors file. Metadata: format, config (JSON), tokenizer (fingerprint of its vocabulary), step of the
training, writing (budget and least worth, JSON), digest of all that and of the tensors.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from nexus.core.errors import InvalidInputError, ModelMissingError
from nexus.transformer import tensor_file
from nexus.transformer.config import Config
from nexus.transformer.errors import WeightsFileError
from nexus.transformer.model import Nexus
from nexus.transformer.names import Names
from nexus.transformer.step import Writing
from nexus.transformer.ternary import load_packed, packed_state
from nexus.transformer.tokenizer import Tokenizer

FORMAT: Final = "nexus-weights-1"
SHIPPED: Final = Path(__file__).parent / "data" / "weights" / "model.safetensors"
MOST_BYTES: Final = 16_000_000  # of the file that comes with the package


def save(model: Nexus, path: Path, *, step: int = 0, tokenizer: Tokenizer | None = None) -> int:
    """Make or replace `path`; its bytes. `tokenizer`: the one that the model was trained with, else ours.

    Raises `StorageError`, and `InvalidInputError` for a model whose gate is not its own or that has diverged.
    """
    tokenizer = tokenizer or Tokenizer.shipped()
    _same_vocabulary(path, model.config, tokenizer)
    if model.writing.gate is not model.regret:
        raise InvalidInputError(
            f"the gate of this model is {type(model.writing.gate).__name__}, which is no part of its weights",
            hint="set model.writing to Writing(model.regret, ...) before saving",
        )
    tensors = packed_state(model)
    for name, value in tensors.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise InvalidInputError(
                f"{name} has weights that are no number in float16", hint="save an earlier checkpoint"
            )
    metadata = {
        "format": FORMAT,
        "config": model.config.to_json(),
        "tokenizer": tokenizer.fingerprint(),
        "step": str(step),
        "writing": json.dumps({"budget": model.writing.budget, "least": model.writing.least}),
    }
    tensor_file.save(path, tensors, metadata | {"digest": tensor_file.digest(tensors, metadata)})
    return path.stat().st_size


def load(path: Path, tokenizer: Tokenizer | None = None) -> Nexus:
    """The model in a file, on the CPU, ready to stream. Raises `WeightsFileError`."""
    metadata, tensors = _read(path)
    if metadata["tokenizer"] != (tokenizer or Tokenizer.shipped()).fingerprint():
        raise WeightsFileError(
            f"{path} is of vocabulary {metadata['tokenizer']}, "
            f"not {(tokenizer or Tokenizer.shipped()).fingerprint()}",
            hint="use it with the tokenizer that it was trained with",
        )
    try:
        config = Config.from_json(metadata["config"])
        model = Nexus(config)
        load_packed(model, tensors)
        writing = json.loads(metadata["writing"])
        model.writing = Writing(
            model.regret,
            budget=int(writing["budget"]),
            least=float(writing["least"]),
            names=Names.of(tokenizer or Tokenizer.shipped()),
        )
    except (InvalidInputError, ValueError, LookupError, TypeError) as error:
        raise _refused(path, f"holds no model: {error}") from error
    _same_vocabulary(path, config, tokenizer or Tokenizer.shipped())
    return model.eval()


def about(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file, empty where it has none. Raises `WeightsFileError`."""
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise _refused(path, f"is damaged or no safetensors file: {error}") from error


def shipped() -> Nexus:
    """The model that comes with the package. Raises `ModelMissingError` while there is none."""
    if not SHIPPED.exists():
        raise ModelMissingError(
            "no trained Nexus Transformer comes with this version",
            hint="train one (nexus train FOLDER --out DIR) and name it: --model DIR/model.safetensors",
        )
    return load(SHIPPED)


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            if metadata.get("format") != FORMAT:
                raise _refused(path, "holds no weights that this program packed")
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata.pop("digest", "") != tensor_file.digest(tensors, metadata):
            raise _refused(path, "is damaged: it holds other numbers than were saved")
    except (SafetensorError, OSError, ValueError) as error:
        raise _refused(path, f"is damaged or no safetensors file: {error}") from error
    return metadata, tensors


def _same_vocabulary(path: Path, config: Config, tokenizer: Tokenizer) -> None:
    if config.vocabulary != tokenizer.size:
        raise WeightsFileError(
            f"{path}: the model knows {config.vocabulary} tokens, the tokenizer {tokenizer.size}",
            hint="use the tokenizer that the model was trained with",
        )


def _refused(path: Path, why: str) -> WeightsFileError:
    return WeightsFileError(f"{path} {why}", hint="fetch or pack the file again")
