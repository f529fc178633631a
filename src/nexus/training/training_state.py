"""A training as one safetensors file: weights, optimizer, random numbers, and where it stood.

Knows nothing of what the tensors mean. Invariants: a file is the old one or the new one, whenever the
process dies; one that is truncated, altered, foreign or of another configuration is refused by name; what
is loaded is bit for bit what was saved, so a training goes on as if it had not stopped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from nexus.core import atomic
from nexus.training.errors import TrainingStateError
from nexus.training.muon import MuonAdam
from nexus.transformer import tensor_file
from nexus.transformer.config import Config

_FORMAT: Final = "nexus-training-1"
_NAME: Final = re.compile(r"step-(\d{9})\.safetensors\Z")
KEPT: Final = 3


@dataclass(frozen=True, slots=True)
class TrainingState:
    """`tensors` by name, on the CPU; `facts` are what JSON can hold: places in the data, rates, losses."""

    config: Config
    step: int
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Make or replace `path`. Raises `StorageError`; the old file is then unchanged."""
        tensors = {name: t.detach().cpu().contiguous().clone() for name, t in self.tensors.items()}
        metadata = {
            "format": _FORMAT,
            "config": self.config.to_json(),
            "step": str(self.step),
            "facts": json.dumps(dict(self.facts), sort_keys=True),
        }
        metadata["digest"] = tensor_file.digest(tensors, metadata)
        tensor_file.save(path, tensors, metadata)

    @classmethod
    def load(cls, path: Path, config: Config | None = None) -> TrainingState:
        """Raises `TrainingStateError`, also where it is of another configuration than `config`."""
        try:
            with safe_open(path, framework="pt") as file:
                metadata = dict(file.metadata() or {})
                if metadata.get("format") != _FORMAT:
                    raise _refused(path, "is no saved training of this program")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            digest = metadata.pop("digest")
            if digest != tensor_file.digest(tensors, metadata):
                raise _refused(path, "is damaged: it holds other numbers than were saved")
            found = Config.from_json(metadata["config"])
            state = cls(found, int(metadata["step"]), tensors, json.loads(metadata["facts"]))
        except (SafetensorError, OSError, ValueError, LookupError) as error:
            raise _refused(path, f"is damaged or no safetensors file: {error}") from error
        if config is not None and found != config:
            raise _refused(path, f"is of configuration {found.fingerprint()}, not {config.fingerprint()}")
        return state


class TrainingStates:
    """A folder of them, named by their steps; the newest `kept` stay."""

    def __init__(self, folder: Path, kept: int = KEPT) -> None:
        self.folder, self.kept = folder, kept

    def paths(self) -> list[Path]:
        """Oldest first."""
        return sorted(p for p in self.folder.glob("step-*.safetensors") if _NAME.match(p.name))

    def save(self, state: TrainingState) -> Path:
        """Raises `StorageError`; what was there stays."""
        path = self.folder / f"step-{state.step:09d}.safetensors"
        state.save(path)
        atomic.sweep(self.folder)
        for old in self.paths()[: -self.kept]:
            atomic.remove(old)
        return path

    def newest(self, config: Config) -> tuple[TrainingState | None, list[TrainingStateError]]:
        """The newest that is sound, and what was wrong with those that are newer; nothing is removed.

        Raises `TrainingStateError` where the newest sound one is of another configuration.
        """
        wrong = []
        for path in reversed(self.paths()):
            try:
                state = TrainingState.load(path)
            except TrainingStateError as error:
                wrong.append(error)
                continue
            if state.config != config:
                raise _refused(
                    path, f"is of configuration {state.config.fingerprint()}, not {config.fingerprint()}"
                )
            return state, wrong
        return None, wrong


def taken(model: nn.Module, optimizer: MuonAdam) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts of a training: what `put_back` needs to go on bit-exactly on a CPU."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    saved = optimizer.state_dict()
    numbers: dict[str, Any] = {}
    for index, values in saved["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{index}.{name}"] = value
            else:
                numbers[f"{index}.{name}"] = value
    tensors["random.cpu"] = torch.get_rng_state()
    in_use: Callable[[], bool] = torch.cuda.is_initialized
    if torch.cuda.is_available() and in_use():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    return tensors, {"optimizer": {"numbers": numbers, "groups": saved["param_groups"]}}


def put_back(state: TrainingState, model: nn.Module, optimizer: MuonAdam) -> None:
    """The opposite of `taken`. Raises `TrainingStateError` where the tensors are not those of this model."""
    weights = {name[6:]: value for name, value in state.tensors.items() if name.startswith("model.")}
    table: dict[int, dict[str, Any]] = {}
    try:
        for name, value in state.tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".", 2)
                table.setdefault(int(index), {})[key] = value
        for name, number in state.facts["optimizer"]["numbers"].items():
            index, key = name.split(".", 1)
            table.setdefault(int(index), {})[key] = number
        groups = [dict(group) for group in state.facts["optimizer"]["groups"]]
        for group in groups:
            if "betas" in group:
                group["betas"] = tuple(group["betas"])
        model.load_state_dict(weights)
        optimizer.load_state_dict({"state": table, "param_groups": groups})
        torch.set_rng_state(state.tensors["random.cpu"])
        if "random.cuda" in state.tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(state.tensors["random.cuda"])
    except (RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise TrainingStateError(
            f"the saved training does not fit this model: {str(error).splitlines()[0]}",
            hint="resume it with the configuration and the optimizer that it was started with",
        ) from error


def _refused(path: Path, why: str) -> TrainingStateError:
    return TrainingStateError(
        f"{path} {why}", hint="use another checkpoint, or start anew in an empty folder"
    )
