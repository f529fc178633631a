"""Gated delta net: a matrix for each head, S = a S (1 - b k k') + b v k' (Yang, Kautz, Hatamizadeh 2025).

Here it is read beside the window where a Nexus reads its memory, and not in every layer. The key is of the
token before the value's: what the original's short convolution can do. Knows no slot. Invariant: `PIECE`
tokens at once give what the rule gives token by token.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from nexus.transformer.config import Config
from nexus.transformer.controls.control import Control, Tensors

PIECE: Final = 64


class GatedDelta(Control):
    """As many heads as the layers have, each a square matrix."""

    def __init__(self, config: Config) -> None:
        super().__init__(config, config.width)
        self.to_query, self.to_key, self.to_value = (
            nn.Linear(config.width, config.width, bias=False) for _ in range(3)
        )
        self.to_query.weight.data.copy_(self.to_key.weight)  # to begin with, a context finds itself
        self.beta = nn.Linear(config.width, config.heads)
        self.decay = nn.Linear(config.width, config.heads)
        with torch.no_grad():  # the heads forget one half in 40 to 15,000 tokens, to begin with
            self.decay.bias.copy_(torch.linspace(4, 10, config.heads))

    def empty(self, batch: int, device: torch.device | str | None) -> Tensors:
        width = self.config.head_width
        return {"matrix": torch.zeros(batch, self.config.heads, width, width, device=device)}

    def read(self, held: Tensors, known: Tensor, seen: Tensor, length: int) -> tuple[Tensor, Tensor, Tensors]:
        now, before = seen[:, -length:], seen[:, -length - 1 : -1]

        def heads(x: Tensor) -> Tensor:
            return x.view(*x.shape[:2], self.config.heads, -1).transpose(1, 2)

        query = functional.silu(heads(self.to_query(now)))
        key = functional.normalize(functional.silu(heads(self.to_key(before))), dim=-1)
        value, beta = heads(self.to_value(now)), heads(self.beta(now)).sigmoid()
        decay = functional.logsigmoid(heads(self.decay(now)))
        matrix, out = held["matrix"], []
        for at in range(0, length, PIECE):
            q, k, v, b, left = (x[:, :, at : at + PIECE] for x in (query, key, value, beta, decay))
            found, matrix = gated_delta(q, k, v, b, left, matrix)
            out.append(found)
        there = torch.ones(now.shape[:2], dtype=torch.bool, device=now.device)
        return torch.cat(out, 2).transpose(1, 2).flatten(2), there, {"matrix": matrix}


def gated_delta(
    query: Tensor, key: Tensor, value: Tensor, beta: Tensor, decay: Tensor, matrix: Tensor
) -> tuple[Tensor, Tensor]:
    """What T tokens read, [..., T, v], and the matrix [..., v, k] after them.

    query, key: [..., T, k]. value: [..., T, v]. beta, decay: [..., T, 1], decay as a logarithm. Token t
    writes u_t = b_t (v_t - what its key reads), which depends on the u before: a triangular system.
    """
    total = decay.cumsum(-2)
    since = (total - total.mT).tril().exp().tril()  # [t, s]: what is left at t of what was written at s
    rate = total.exp()
    before = beta * since * (key @ key.mT)
    rest = beta * (value - rate * (key @ matrix.mT))
    written = torch.linalg.solve_triangular(before.tril(-1), rest, upper=False, unitriangular=True)
    found = rate * (query @ matrix.mT) + (since * (query @ key.mT)) @ written
    last = since[..., -1:, :].mT
    return found, rate[..., -1:, :] * matrix + (last * written).mT @ key
