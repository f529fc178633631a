"""What was read, put into what is said next: values by the residual, words by the pointer.

`Fusion` is seed 001's step 4, H + beta * RMSNorm(W_out R), and nothing where nothing was read. `Copy` mixes
the model's own distribution with the word a run of a payload says. Knows hidden states, values and runs;
knows no entries. Invariant: without a read, both leave what they are given bit for bit.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

FEATURES = 7
LEAST = 1e-6  # no word is ever certain, and none impossible


class Fusion(nn.Module):
    """H + beta * RMSNorm(W_out R)."""

    def __init__(self, width: int, value_width: int, beta: float = 0.3) -> None:
        super().__init__()
        self.out = nn.Linear(value_width, width, bias=False)
        self.beta = nn.Parameter(
            torch.tensor(beta)
        )  # its own group of parameters: no decay, ten times the rate

    def forward(self, hidden: Tensor, read: Tensor, there: Tensor) -> Tensor:
        """hidden [..., d]; read [..., v]; there: bool [...], whether anything was read."""
        added = self.beta * functional.rms_norm(self.out(read), (hidden.shape[-1],))
        return torch.where(there[..., None], hidden + added, hidden)


class Copy(nn.Module):
    """How far a run is to be believed: lambda in [LEAST, 1 - LEAST]."""

    def __init__(self, width: int, features: int = 24) -> None:
        super().__init__()
        self.of_hidden = nn.Linear(width, features, bias=False)
        self.of_run = nn.Linear(FEATURES, features)
        self.out = nn.Linear(features, 1)
        nn.init.constant_(self.out.bias, -2.0)

    def trust(self, hidden: Tensor, run: Tensor) -> Tensor:
        """float [...] of hidden [..., d] and `describe`d runs [..., FEATURES]."""
        seen = functional.gelu(self.of_hidden(hidden) + self.of_run(run))
        trust: Tensor = torch.sigmoid(self.out(seen))[..., 0].float()
        return trust.clamp(LEAST, 1 - LEAST)


def describe(
    evidence: Tensor, order: Tensor, offset: Tensor, age: Tensor, priority: Tensor, own: Tensor
) -> Tensor:
    """Features [..., FEATURES] of runs; all [...].

    evidence, order, offset, age: int64, in tokens. priority: float, the entry's. own: float, the model's own
    log probability of the word that the run says.
    """
    return torch.stack(
        [
            evidence.float().log1p() / 3,
            order.float() / 8,
            offset.float() / 32,
            (offset == 0).float(),
            age.clamp(min=0).float().log1p() / 20,
            priority.clamp(-8, 8) / 4,
            own / 10,
        ],
        -1,
    )


def mix(log_p: Tensor, token: Tensor, trust: Tensor, there: Tensor) -> Tensor:
    """log((1 - trust) * p + trust * [word = token]) where a run is there; elsewhere log_p itself.

    log_p: [..., vocabulary], normalised. token: int64 [...]. trust: [...], from 0 to 1. there: bool [...].
    """
    word = token.clamp(min=0)[..., None]
    less = torch.log1p(-trust)[..., None]
    said = torch.logaddexp(log_p.gather(-1, word) + less, trust.log()[..., None])
    mixed = (log_p + less).scatter(-1, word, said)
    return torch.where(there[..., None], mixed, log_p)


def mixed_at(log_p: Tensor, target: Tensor, token: Tensor, trust: Tensor, there: Tensor) -> Tensor:
    """`mix` at one word only, `target`: float [...]; a loss needs no second table of the vocabulary."""
    own = log_p.gather(-1, target[..., None])[..., 0]
    said = torch.where(
        target == token, torch.logaddexp(own + torch.log1p(-trust), trust.log()), own + torch.log1p(-trust)
    )
    return torch.where(there, said, own)
