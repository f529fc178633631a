"""Weights and tokens of a training that is not part of the repository, named by the environment.

Knows where they are; knows no experiment. Invariant: what is missing or foreign is an error that names the
variable. NEXUS_WEIGHTS is a state that a training has kept (step-*.safetensors, names `model.backbone.*`),
NEXUS_TOKENS a folder of token files of books (train-*, valid-*) in the shipped vocabulary.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nexus.core.errors import InvalidInputError
from nexus.training.token_files import TokenFile
from nexus.training.training_state import TrainingState
from nexus.transformer.backbone import Backbone
from nexus.transformer.tokenizer import Tokenizer

_PREFIX: Final = "model.backbone."


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """The window of a training, after `step` steps."""

    backbone: Backbone
    step: int


def trained(variable: str = "NEXUS_WEIGHTS") -> Trained:
    """Raises `InvalidInputError` without the variable, `TrainingStateError` for what is no state."""
    name = os.environ.get(variable, "")
    if not name:
        raise InvalidInputError(
            f"{variable} is not set", hint="name the newest step-*.safetensors of a training"
        )
    state = TrainingState.load(Path(name))
    backbone = Backbone(state.config).eval()
    backbone.load_state_dict(
        {key.removeprefix(_PREFIX): value for key, value in state.tensors.items() if key.startswith(_PREFIX)}
    )
    return Trained(backbone, state.step)


def rows(kind: str, count: int, length: int) -> NDArray[np.int64]:
    """[count, length]: the first tokens of the files `kind`-*.tokens, cut into rows.

    Raises `InvalidInputError` where there are not so many.
    """
    folder, tokenizer = os.environ.get("NEXUS_TOKENS", ""), Tokenizer.shipped()
    found: list[NDArray[np.int64]] = []
    missing = count * length
    for path in sorted(Path(folder).glob(f"{kind}-*.tokens")) if folder else []:
        found.append(TokenFile(path, tokenizer).tokens[:missing].astype(np.int64))
        missing -= len(found[-1])
        if not missing:
            return np.concatenate(found).reshape(count, length)
    raise InvalidInputError(
        f"NEXUS_TOKENS is {folder!r} and lacks {missing} of {count * length} tokens of {kind}-*",
        hint="name a folder that `nexus train prepare` has made of books",
    )
