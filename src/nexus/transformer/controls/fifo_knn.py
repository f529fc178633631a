"""FIFO and nearest neighbours: the keys and values of the last tokens, all of them, and a dense search.

The memory of Memorizing Transformers (Wu and others 2022), read beside the window where a Nexus reads its
own, with as many entries. The key of an entry is of the token before it, so a query finds what came next.
Knows no gate and no hash. Invariant: it holds the last tokens before the chunk, in order, and no others.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from nexus.transformer.config import Config
from nexus.transformer.controls.control import Control, Tensors

NEAREST: Final = 32


class FifoKnn(Control):
    """The softmax over the `NEAREST` keys of a query, chosen from all."""

    def __init__(self, config: Config) -> None:
        memory = config.memory
        super().__init__(config, memory.value_width)
        self.entries = memory.sets * memory.ways
        self.to_query = nn.Linear(config.width, memory.key_width, bias=False)
        self.to_key = nn.Linear(config.width, memory.key_width, bias=False)
        self.to_value = nn.Linear(config.width, memory.value_width, bias=False)
        self.to_query.weight.data.copy_(self.to_key.weight)  # to begin with, a context finds itself
        self.sharpness = nn.Parameter(torch.tensor(10.0))

    def empty(self, batch: int, device: torch.device | str | None) -> Tensors:
        memory = self.config.memory
        return {
            "key": torch.zeros(batch, 0, memory.key_width, device=device),
            "value": torch.zeros(batch, 0, memory.value_width, device=device),
            "place": torch.zeros(batch, 0, dtype=torch.int64, device=device),
        }

    def read(self, held: Tensors, known: Tensor, seen: Tensor, length: int) -> tuple[Tensor, Tensor, Tensors]:
        key, value = held["key"], held["value"]
        batch, count, _ = key.shape
        if not count:
            nothing = seen.new_zeros(batch, length, value.shape[-1])
            return nothing, torch.zeros(batch, length, dtype=torch.bool, device=seen.device), held
        query = functional.normalize(self.to_query(seen[:, -length:]), dim=-1)
        with torch.no_grad():
            near = torch.topk(query @ key.mT, min(NEAREST, count), -1).indices
            row = (near + count * torch.arange(batch, device=near.device)[:, None, None]).flatten()
        keys = key.flatten(0, 1).index_select(0, row).view(*near.shape, -1)
        values = value.flatten(0, 1).index_select(0, row).view(*near.shape, -1)
        weight = (self.sharpness * (keys @ query[..., None])[..., 0]).softmax(-1)
        found = (weight[..., None, :] @ values)[..., 0, :]
        return found, torch.ones_like(near[..., 0], dtype=torch.bool), held

    def write(self, held: Tensors, known: Tensor, seen: Tensor, began: int) -> Tensors:
        new = {
            "key": functional.normalize(self.to_key(seen[:, :-1]), dim=-1),
            "value": self.to_value(seen[:, 1:]),
            "place": torch.arange(began, began + seen.shape[1] - 1, device=seen.device).expand(len(seen), -1),
        }
        return {name: torch.cat([held[name], new[name]], 1)[:, -self.entries :] for name in new}
