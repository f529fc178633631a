"""The Nexus: a window that reasons, a memory that is read before each chunk and written behind it (seed 001).

One step takes tokens of B streams that lie in one chunk. The window gives hidden states; n-grams that have an
entry give values, which are fused into the hidden states, and payloads, which the pointer follows; at the end
of the chunk the gate chooses what is written. Hidden states never depend on the memory, so the model without
it is in every forward pass, and its loss is known.

Invariant: any split of a stream into calls gives the same; nothing at position t depends on a token after t.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from nexus.transformer.backbone import Backbone, WindowCache
from nexus.transformer.config import Config
from nexus.transformer.fusion import Copy, Fusion, describe, mix
from nexus.transformer.gates import Context, Gate, RegretHead, select
from nexus.transformer.lexical import addresses
from nexus.transformer.pointer import Hits, Runs, runs
from nexus.transformer.rsm import Entries, Found, Writes, chunked, exact

NOWHERE = -1  # a token before the stream's first


@dataclass(frozen=True)
class State:
    """All that a stream has left behind, of one size for ever.

    position: tokens seen, of each of the B streams. window: keys and values of the last tokens. entries: the
    memory as it was at the beginning of the chunk. lately: int64 [B, lead], the last tokens, NOWHERE before
    the first. hidden: float [B, 1 + n, d], of the token before the chunk and its n first.
    """

    position: int
    window: WindowCache | None
    entries: Entries
    lately: Tensor
    hidden: Tensor


@dataclass(frozen=True)
class Read:
    """What the memory gave at T positions: values, and the best run (pointer.Runs) with its entry's facts."""

    value: Tensor  # float [B, T, v]
    there: Tensor  # bool [B, T]: an n-gram that ends here has an entry
    run: Runs
    place: Tensor  # int64 [B, T]: the run's payload token 0 in the stream
    order: Tensor  # int64 [B, T]: of the run's n-gram
    priority: Tensor  # float [B, T]: of the run's entry
    age: Tensor  # int64 [B, T]: tokens since the payload's token was said


@dataclass(frozen=True)
class Output:
    """hidden: [B, T, d], of the window alone. fused: [B, T, d]. read: what the memory gave. state: afterwards.

    trust: [B, T], how far the run is believed. written: entries that this step wrote (0 within a chunk).
    """

    hidden: Tensor
    fused: Tensor
    read: Read
    state: State
    written: Writes | None


class Nexus(nn.Module):
    """Backbone, memory and what joins them. `gate` is the learned one (V67) unless another is set."""

    gate: Gate

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        memory = config.memory
        self.backbone = Backbone(config)
        self.fusion = Fusion(config.width, memory.value_width)
        self.copy = Copy(config.width)
        self.to_value = nn.Linear(config.width, memory.value_width, bias=False)
        self.to_key = nn.Linear(config.width, memory.key_width, bias=False)
        self.refine = nn.Linear(config.width, 1)
        self.gate = RegretHead(config.width, len(memory.orders))

    def start(self, batch: int, device: torch.device | str | None = None) -> State:
        """The state before the first token of `batch` streams."""
        memory = self.config.memory
        lead = 2 * memory.payload + max(memory.orders)
        lately = torch.full((batch, lead), NOWHERE, dtype=torch.int64, device=device)
        hidden = torch.zeros(batch, 1, self.config.width, device=device)
        return State(0, None, Entries.empty(memory, batch, device), lately, hidden)

    def forward(self, tokens: Tensor, state: State) -> Output:
        """One step: int64 [B, T] that do not reach over the end of the state's chunk."""
        chunk = self.config.window
        within = state.position % chunk
        length = tokens.shape[1]
        if not 0 < length <= chunk - within:
            raise ValueError(f"{length} tokens; the chunk has room for 1 to {chunk - within}: use `stream`")
        known = torch.cat([state.lately, tokens], 1)
        entries = self._complete(state.entries, known, state.position, within)
        hidden, window = self.backbone(tokens, state.window)
        read = self._read(entries, known, length, state.position)
        fused = self.fusion(hidden, read.value, read.there)
        seen = torch.cat([state.hidden, hidden], 1)
        written = None
        if within + length == chunk:
            written = self._writes(entries, known, seen, state.position + length)
            entries = chunked.write(entries, written, chunk)
            seen = seen[:, -1:]
        lately = known[:, -state.lately.shape[1] :]
        after = State(state.position + length, window, entries, lately, seen)
        return Output(hidden, fused, read, after, written)
