"""What all controls share: a window, tensors that are held beside it, and the stream's interface.

A control says what it holds (`empty`), what each token gets of it (`read`) and what the end of a chunk
changes (`write`). Knows no memory. Invariants: any split of a stream into calls gives the same; nothing at
position t depends on a token after t; a state has the fields of a Nexus's, so whoever copies one copies both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from nexus.transformer.backbone import Backbone, WindowCache, pieces
from nexus.transformer.config import Config
from nexus.transformer.fusion import Fusion
from nexus.transformer.lexical import NOTHING

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Held:
    """Tensors by name, each [B, ...]. `place`, if it is one of them, of tokens that have an entry each."""

    tensors: Tensors

    @property
    def place(self) -> Tensor:
        """int64 [B, n]: where in the stream; [B, 0] where tokens are blended."""
        return self.tensors.get("place", torch.zeros(1, 0, dtype=torch.int64))

    @property
    def tag(self) -> Tensor:
        """int64 [B, n]: 0 for each of them; a memory of tags has -1 where an entry is empty."""
        return torch.zeros_like(self.place)

    def occupied(self) -> Tensor:
        """int64 [B]: how many there are."""
        return torch.full(self.place.shape[:1], self.place.shape[1])

    def streams(self, chosen: Tensor) -> Held:
        """Those of the streams `chosen` (int64): a copy."""
        return Held({name: tensor.index_select(0, chosen) for name, tensor in self.tensors.items()})


@dataclass(frozen=True)
class ControlState:
    """As `model.State`: tokens [B, lead + n] and hidden [B, 1 + n, d] of the chunk so far and of before."""

    position: int
    window: WindowCache | None
    entries: Held
    tokens: Tensor
    hidden: Tensor

    def bytes(self) -> int:
        """What its tensors take."""
        window = 0 if self.window is None else self.window.bytes()
        held = sum(tensor.nbytes for tensor in self.entries.tensors.values())
        return window + held + self.tokens.nbytes + self.hidden.nbytes

    def detach(self) -> ControlState:
        """The same without history."""
        held = Held({name: tensor.detach() for name, tensor in self.entries.tensors.items()})
        window = None if self.window is None else self.window.detach()
        return replace(self, window=window, entries=held, hidden=self.hidden.detach())


@dataclass(frozen=True)
class ControlOutput:
    """hidden: [B, T, d], of the window alone. fused: [B, T, d], with what was read."""

    hidden: Tensor
    fused: Tensor
    state: ControlState


class ControlLosses(NamedTuple):
    """Nats with what is held and without, float [B, T], and the mean square of the logits' log-sum."""

    on: Tensor
    off: Tensor
    size: Tensor


class Control(nn.Module):
    """`value_width`: of what is read; 0: nothing ever is. `bounded`: whether a state has a largest size."""

    bounded: ClassVar[bool] = True

    def __init__(self, config: Config, value_width: int = 0) -> None:
        super().__init__()
        self.config = config
        self.backbone = Backbone(config)
        self.fusion = Fusion(config.width, value_width) if value_width else None
        self.lead = max(config.memory.orders)

    def empty(self, batch: int, device: torch.device | str | None) -> Tensors:
        """What is held before the first token."""
        return {}

    def read(self, held: Tensors, known: Tensor, seen: Tensor, length: int) -> tuple[Tensor, Tensor, Tensors]:
        """What the last `length` tokens get, [B, T, v]; whether it is anything, bool [B, T]; and what is held
        after them. `known` and `seen` are tokens and hidden of `ControlState`, up to and with these.
        """
        raise NotImplementedError

    def write(self, held: Tensors, known: Tensor, seen: Tensor, began: int) -> Tensors:
        """What is held after the chunk that `known` and `seen` end with, whose first token is at `began`."""
        return held

    def start(self, batch: int, device: torch.device | str | None = None) -> ControlState:
        """The state before the first token of `batch` streams."""
        tokens = torch.full((batch, self.lead), NOTHING, dtype=torch.int64, device=device)
        hidden = torch.zeros(batch, 1, self.config.width, device=device)
        return ControlState(0, None, Held(self.empty(batch, device)), tokens, hidden)

    def forward(self, tokens: Tensor, state: ControlState) -> ControlOutput:
        """int64 [B, T] that do not reach over the end of the chunk. Raises `ValueError` where they do."""
        chunk, length = self.config.chunk, tokens.shape[1]
        room = chunk - state.position % chunk
        if not 0 < length <= room:
            raise ValueError(f"{length} tokens where the chunk has room for {room}: cut them with `steps`")
        hidden, window = self.backbone(tokens, state.window)
        known, seen = torch.cat([state.tokens, tokens], 1), torch.cat([state.hidden, hidden], 1)
        fused, held = hidden, state.entries.tensors
        if self.fusion is not None:
            value, there, held = self.read(held, known, seen, length)
            fused = self.fusion(hidden, value, there)
        position = state.position + length
        if length == room:
            held = self.write(held, known, seen, position - chunk)
            known, seen = known[:, -self.lead :].clone(), seen[:, -1:].clone()
        return ControlOutput(hidden, fused, ControlState(position, window, Held(held), known, seen))

    def steps(self, tokens: Tensor, state: ControlState) -> Iterator[tuple[int, Tensor]]:
        """int64 [B, N] cut at the ends of chunks: where each piece begins in N, and the piece."""
        return pieces(tokens, state.position, self.config.chunk)

    @torch.no_grad()
    def stream(self, tokens: Tensor, state: ControlState) -> ControlState:
        """Take in int64 [B, N] of any N; the state afterwards."""
        for _, piece in self.steps(tokens, state):
            state = self(piece, state).state
        return state

    def log_p(self, out: ControlOutput) -> Tensor:
        """log p of the next token: float [B, T, vocabulary]."""
        return functional.log_softmax(self.backbone.logits(out.fused), -1)

    def losses(self, out: ControlOutput, target: Tensor) -> ControlLosses:
        """Of int64 [B, T] targets."""
        logits = self.backbone.logits(out.fused)
        on = _nats(logits, target)
        off = on if out.fused is out.hidden else _nats(self.backbone.logits(out.hidden), target)
        return ControlLosses(on, off, logits.logsumexp(-1).square().mean())


def _nats(logits: Tensor, target: Tensor) -> Tensor:
    return functional.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none").view_as(target)
