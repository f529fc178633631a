"""Direct-mapped slots: seed 001's memory by the letter, M[S] = (1 - g) M[S] + g V.

As many slots as a Nexus has entries, in one table. A hash names a slot for each n-gram; there are no tags,
so whatever meets in a slot is blended, and a read cannot tell whose value it got. Where the seed is silent, a
Nexus is followed: a slot gets the token that came after its n-gram. Knows n-grams and slots. Invariant: the
writes of a chunk give what the rule gives token by token.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from nexus.transformer.config import Config
from nexus.transformer.controls.control import Control, Tensors
from nexus.transformer.lexical import Lexical


class DirectMapped(Control):
    """The slots of the n-grams that end at a token, one of each length, side by side."""

    def __init__(self, config: Config) -> None:
        memory = config.memory
        super().__init__(config, len(memory.orders) * memory.value_width)
        self.slots = memory.sets * memory.ways
        self.lexical = Lexical(memory.orders, self.slots)
        self.to_value = nn.Linear(config.width, memory.value_width, bias=False)
        self.gate = nn.Linear(config.width, 1)

    def empty(self, batch: int, device: torch.device | str | None) -> Tensors:
        return {"slots": torch.zeros(batch, self.slots, self.config.memory.value_width, device=device)}

    def read(self, held: Tensors, known: Tensor, seen: Tensor, length: int) -> tuple[Tensor, Tensor, Tensors]:
        row = self._rows(known[:, -length - self.lexical.past :])
        value = held["slots"].flatten(0, 1).index_select(0, row.flatten()).view(*row.shape[:2], -1)
        return value, (value != 0).any(-1), held

    def write(self, held: Tensors, known: Tensor, seen: Tensor, began: int) -> Tensors:
        row = self._rows(known[:, -seen.shape[1] - self.lexical.past : -1])  # each with the token after it
        times = row.shape[2]
        value = self.to_value(seen[:, 1:]).repeat_interleave(times, 1).flatten(0, 1)
        gate = self.gate(seen[:, 1:]).repeat_interleave(times, 1).flatten()
        slots = held["slots"]
        return {"slots": blended(slots.flatten(0, 1), row.flatten(), gate, value).view_as(slots)}

    def _rows(self, line: Tensor) -> Tensor:
        """int64 [B, T, orders] of [B, past + T], counted over all streams."""
        past = self.lexical.past
        slot, _, _ = self.lexical.addresses(line[:, past:], line[:, :past])
        return slot + self.slots * torch.arange(len(line), device=line.device)[:, None, None]


def blended(slots: Tensor, row: Tensor, gate: Tensor, value: Tensor) -> Tensor:
    """`slots` [S, v] after n writes in order: sigmoid(gate) [n] of value [n, v] to row int64 [n]."""
    order = row.argsort(stable=True)
    which, run, count = torch.unique_consecutive(row[order], return_inverse=True, return_counts=True)
    end = count.cumsum(0) - 1
    kept = functional.logsigmoid(-gate[order]).double()  # log of 1 - g
    total = kept.cumsum(0)
    share = gate[order].sigmoid() * (total[end][run] - total).exp().float()
    left = (total[end] - total[end - count + 1] + kept[end - count + 1]).exp().float()
    new = torch.zeros(len(which), slots.shape[1], device=slots.device)
    new = new.index_add(0, run, share[:, None] * value[order])
    return slots.index_copy(0, which, left[:, None] * slots[which] + new)
