"""A model that was trained, of whichever file: packed weights, or a checkpoint of a training.

Knows both forms by their metadata; knows no command line. Invariant: what is opened is on the device, does
not explore, and belongs to the vocabulary that ships.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from nexus.core.errors import InvalidInputError
from nexus.training.errors import TrainingStateError
from nexus.training.training_state import TrainingState
from nexus.transformer import weights
from nexus.transformer.errors import WeightsFileError
from nexus.transformer.model import Nexus
from nexus.transformer.names import Names
from nexus.transformer.step import Writing
from nexus.transformer.tokenizer import Tokenizer

_CONTROLS: Final = "nexus.transformer.controls"


def opened(path: Path | None, device: torch.device | str = "cpu") -> Nexus:
    """The model of a file; without one that of the package.

    Raises `WeightsFileError`, `TrainingStateError`, and `ModelMissingError` where none comes with the
    package.
    """
    if path is None:
        model = weights.shipped()
    elif weights.about(path).get("format") == weights.FORMAT:
        model = weights.load(path)
    else:
        model, _ = from_training(path)
    return model.to(device).eval()


def from_training(path: Path) -> tuple[Nexus, int]:
    """The model of a checkpoint of `nexus train`, and its step. Raises `TrainingStateError`."""
    state = TrainingState.load(path)
    model = Nexus(state.config)
    _fill(model, state, path)
    if state.config.vocabulary != Tokenizer.shipped().size:
        raise WeightsFileError(
            f"{path} knows {state.config.vocabulary} tokens, the tokenizer {Tokenizer.shipped().size}",
            hint="use a checkpoint that was trained with this version's tokenizer",
        )
    # As it was trained: a budget of an eighth of a chunk.
    names = Names.of(Tokenizer.shipped())
    model.writing = Writing(model.regret, budget=max(1, state.config.chunk // 8), names=names)
    return model.eval(), state.step


def candidates(
    path: Path | None, named: Sequence[str] = (), device: torch.device | str = "cpu"
) -> dict[str, Any]:
    """The model, "nexus", and the controls, each NAME=CHECKPOINT. Raises as `opened` and `control` do."""
    found: dict[str, Any] = {"nexus": opened(path, device)}
    for each in named:
        name, equals, file = each.partition("=")
        if not equals or not file:
            raise InvalidInputError(
                f"control {each!r} names no checkpoint", hint="write --control NAME=CHECKPOINT"
            )
        found[name] = control(name, Path(file).expanduser(), device)
    return found


def control(name: str, path: Path, device: torch.device | str = "cpu") -> Any:
    """A control of `nexus.transformer.controls` with the weights of a checkpoint.

    Raises `InvalidInputError` for a name that is none, `TrainingStateError` where the weights are not its
    own.
    """
    known = controls()
    if name not in known:
        there = ", ".join(sorted(known)) or "none in this version"
        raise InvalidInputError(f"no control {name!r}", hint=f"there are: {there}")
    state = TrainingState.load(path)
    made = known[name](state.config)
    _fill(made, state, path)
    return made.to(device).eval()


def controls() -> dict[str, Any]:
    """The controls by name; empty where this version has none."""
    if importlib.util.find_spec(_CONTROLS) is None:
        return {}
    return dict(importlib.import_module(_CONTROLS).CONTROLS)


def _fill(model: nn.Module, state: TrainingState, path: Path) -> None:
    try:
        model.load_state_dict({n[6:]: value for n, value in state.tensors.items() if n.startswith("model.")})
    except RuntimeError as error:
        lines = str(error).splitlines()
        raise TrainingStateError(
            f"{path} does not fit {type(model).__name__}: {lines[-1].strip()}",
            hint="name a checkpoint of this very model",
        ) from error
