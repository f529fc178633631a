"""Routed slots: a few slots of each head, a router that chooses among them, a gated mean (after Raven, 2026).

256 slots of a key and a value; a token moves the 32 whose sigmoid scores are highest, by its share and the
head's rate; a read is the softmax over all slots. Raven stands in every layer and reads after each token;
here the memory is read and written where and when that of a Nexus is. Knows no hash. Invariant: the writes
of a chunk give what the rule gives token by token.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from nexus.transformer.config import Config
from nexus.transformer.controls.control import Control, Tensors

SLOTS: Final = 256
CHOSEN: Final = 32


class RoutedSlots(Control):
    """As many heads as the layers have."""

    def __init__(self, config: Config) -> None:
        super().__init__(config, config.width)
        width, heads = config.width, config.heads
        self.to_query, self.to_key, self.to_value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.to_query.weight.data.copy_(self.to_key.weight)  # to begin with, a context finds itself
        self.router = nn.Linear(width, heads * SLOTS, bias=False)
        self.rate = nn.Linear(width, heads)
        self.speed = nn.Parameter(torch.empty(heads).uniform_(1, 16).log())
        with torch.no_grad():  # as Mamba-2 begins: steps of 0.001 to 0.1
            step = torch.exp(torch.linspace(-6.9, -2.3, heads))
            self.rate.bias.copy_(step + torch.log(-torch.expm1(-step)))

    def empty(self, batch: int, device: torch.device | str | None) -> Tensors:
        room = (batch, self.config.heads, SLOTS, self.config.head_width)
        return {"key": torch.zeros(room, device=device), "value": torch.zeros(room, device=device)}

    def read(self, held: Tensors, known: Tensor, seen: Tensor, length: int) -> tuple[Tensor, Tensor, Tensors]:
        query = self._normed(self.to_query(seen[:, -length:]))
        found = (query @ held["key"].mT).softmax(-1) @ held["value"]
        found = functional.silu(found).transpose(1, 2).flatten(2)
        return found, (found != 0).any(-1), held

    def write(self, held: Tensors, known: Tensor, seen: Tensor, began: int) -> Tensors:
        before, now = seen[:, :-1], seen[:, 1:]
        score = self._heads(self.router(now))
        if self.training:  # noise, without which the router chooses a few slots for ever
            score = score - torch.empty_like(score).exponential_().log()
        score = score.sigmoid()
        top = score.topk(CHOSEN, -1)
        share = torch.zeros_like(score).scatter(
            -1, top.indices, top.values / top.values.sum(-1, keepdim=True)
        )
        kept = -share * self.speed.exp()[:, None, None] * functional.softplus(self._heads(self.rate(now)))
        new = {
            "key": self._normed(self.to_key(before)),
            "value": self._heads(functional.silu(self.to_value(now))),
        }
        return {name: moved(held[name], kept, new[name]) for name in new}

    def _heads(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.config.heads, -1).transpose(1, 2)

    def _normed(self, x: Tensor) -> Tensor:
        return functional.rms_norm(self._heads(functional.silu(x)), (self.config.head_width,))


def moved(slots: Tensor, kept: Tensor, new: Tensor) -> Tensor:
    """slots [..., M, w] after T tokens: each leaves exp(kept) [..., T, M]; the rest is new [..., T, w]."""
    total = kept.double().cumsum(-2)
    share = -torch.expm1(kept) * (total[..., -1:, :] - total).exp().float()
    return total[..., -1, :].exp().float()[..., None] * slots + share.mT @ new
