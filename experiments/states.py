"""Hidden states of real text under a trained backbone, and semantic lanes that are trained on them.

NEXUS_WEIGHTS names a state of a training (step-*.safetensors), of which the backbone alone is taken;
NEXUS_TOKENS a folder of train-*.tokens and valid-*.tokens (bench/token_files.py). Invariant: no lane has
seen a token of the text that it is tried on. States are made once and kept in build/experiments.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from nexus.core.errors import InvalidInputError
from nexus.training.muon import optimizer_for
from nexus.training.token_files import TokenFile
from nexus.training.training_state import TrainingState
from nexus.transformer import semantic, tensor_file
from nexus.transformer.backbone import Backbone
from nexus.transformer.mentions import mentions
from nexus.transformer.rsm.shape import Shape
from nexus.transformer.semantic import SemanticLane, pairs
from nexus.transformer.tokenizer import Tokenizer

_KEPT: Final = Path(__file__).resolve().parents[1] / "build" / "experiments"
SHAPE: Final = Shape(replacement="priority")


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """`tokens` int64 [rows, N], a document each, and their `hidden` states, float16 [rows, N, d]."""

    tokens: Tensor
    hidden: Tensor


@cache
def weights() -> tuple[str, Backbone]:
    """A name for NEXUS_WEIGHTS, and its backbone. Raises `InvalidInputError` where it is not set."""
    path = Path(os.environ.get("NEXUS_WEIGHTS", ""))
    if not path.is_file():
        raise InvalidInputError(
            f"NEXUS_WEIGHTS is {str(path)!r} and no file", hint="name a step-*.safetensors of a training"
        )
    state = TrainingState.load(path)
    backbone, prefix = Backbone(state.config), "model.backbone."
    found = {name.removeprefix(prefix): t for name, t in state.tensors.items() if name.startswith(prefix)}
    backbone.load_state_dict(found)
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12], backbone.eval()


@torch.no_grad()
def text(part: str, rows: int, length: int) -> Text:
    """The first `length` tokens of `rows` documents of `part`, "train" or "valid".

    Raises `InvalidInputError` where NEXUS_TOKENS has fewer that are so long.
    """
    name, backbone = weights()
    kept = _KEPT / f"states-{name}-{part}-{rows}x{length}.safetensors"
    if not kept.exists():
        tokens = torch.from_numpy(np.stack(_documents(part, rows, length)))
        hidden = torch.empty(rows, length, backbone.config.width, dtype=torch.float16)
        for row in range(rows):
            past = None
            for at in range(0, length, backbone.config.chunk):
                some, past = backbone(tokens[row : row + 1, at : at + backbone.config.chunk], past)
                hidden[row, at : at + some.shape[1]] = some[0].half()
            print(f"  states of {part} {row + 1}/{rows}", flush=True)
        tensor_file.save(kept, {"tokens": tokens, "hidden": hidden}, {})
    found = load_file(kept)
    return Text(found["tokens"], found["hidden"])


def rare() -> Tensor:
    """bool [vocabulary]: outside the smallest set of tokens that make 80 % of the training text."""
    return torch.from_numpy(~Tokenizer.shipped().mass80)


def trained(on: Text, salt: int, steps: int) -> SemanticLane:
    """A lane trained on a text, its backbone frozen; the centroids follow the keys of random rare tokens.

    Kept beside the states: it is of these weights, this text, salt and number of steps, and this lane's code.
    """
    code = hashlib.sha256(Path(semantic.__file__).read_bytes()).hexdigest()[:8]
    told = f"{weights()[0]}-{'x'.join(map(str, on.tokens.shape))}-{salt}-{steps}-{code}"
    kept = _KEPT / f"lane-{told}.safetensors"
    torch.manual_seed(salt)
    draw = torch.Generator().manual_seed(salt)
    lane = SemanticLane(on.hidden.shape[-1], SHAPE)
    if kept.exists():
        lane.load_state_dict(load_file(kept))
        return lane.eval()
    optimizer = optimizer_for(lane, lr=0.02, adam_lr=0.004)
    found = mentions(on.tokens, rare())
    row, place = rare()[on.tokens].nonzero(as_tuple=True)
    row, place = row[place > 0], place[place > 0]
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 0.004 * min(1.0, (step + 1) / 20, max(1 - step / steps, 0.02))
        losses = lane.losses(on.hidden, on.tokens, found, generator=draw)
        optimizer.zero_grad()
        torch.autograd.backward(losses.total)
        optimizer.step()
        some = torch.randint(0, len(row), (1024,), generator=draw)
        lane.settle(keys_at(lane, on, row[some], place[some]), draw)
    tensor_file.save(kept, {name: t.clone().contiguous() for name, t in lane.state_dict().items()}, {})
    return lane.eval()


@torch.no_grad()
def keys_at(lane: SemanticLane, of: Text, row: Tensor, place: Tensor) -> Tensor:
    """float [n, key_width]: the keys of entries whose payloads begin at n places."""
    return lane.keys(pairs(torch.stack([of.hidden[row, place - 1], of.hidden[row, place]], 1))[:, 0])


def _documents(part: str, rows: int, length: int) -> list[np.ndarray[Any, np.dtype[np.int64]]]:
    """Taken from the files in turn, so that they are of many sources."""
    folder, tokenizer = Path(os.environ.get("NEXUS_TOKENS", "")), Tokenizer.shipped()
    files = [TokenFile(path, tokenizer) for path in sorted(folder.glob(f"{part}-*.tokens"))]
    streams = [
        [ids[:length].astype(np.int64) for ids in file.documents() if len(ids) >= length] for file in files
    ]
    deepest = max((len(stream) for stream in streams), default=0)
    found = [stream[n] for n in range(deepest) for stream in streams if n < len(stream)]
    if len(found) < rows:
        raise InvalidInputError(
            f"NEXUS_TOKENS is {str(folder)!r} with {len(found)} documents of {length} tokens in {part}-*",
            hint="name a folder of token files (bench/token_files.py)",
        )
    return found[:rows]
