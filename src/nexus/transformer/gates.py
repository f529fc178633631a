"""Gates: which tokens of the stream get an entry, and what each is worth.

An entry at position p is found by the n-gram that ends at p - 1; its payload begins with token p. A gate
gives every position and order of n-gram a priority; `select` keeps the best of a chunk. Seed 001's three:

- V65 `RankGate`: the last token of the n-gram is rare (a table made from the training text).
- V66 `SurprisalHead`: learns which tokens are surprising from the hidden state alone.
- V67 `RegretHead`: learns how much later loss (nats) an entry will save; that is also its priority when
  entries are replaced.

Knows neither memory nor training: the losses are here, their targets are not. Invariant: what a gate says of
p depends on nothing after p's chunk, at whose end the entry is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from nexus.transformer.rsm.errors import MemoryValueError

NEVER = float("-inf")
_MOST = 8.0  # no entry saves e^8 nats, 2,981: from there on the loss of a score goes straight on


@dataclass(frozen=True)
class Context:
    """What a gate sees of T positions of B streams.

    key: int64 [B, T], token p - 1. token: int64 [B, T], token p. before, now: float [B, T, d], the hidden
    states of p - 1 and p. soon: float [B, T, d], the mean of those of the payload, as far as its chunk goes.
    """

    key: Tensor
    token: Tensor
    before: Tensor
    now: Tensor
    soon: Tensor


def means(states: Tensor, count: int) -> Tensor:
    """Float [B, T, d]: at each position the mean of its state and of up to `count` - 1 that follow."""
    length = states.shape[1]
    sums = functional.pad(states.float().cumsum(1), (0, 0, 1, 0))
    begins = torch.arange(length, device=states.device)
    ends = (begins + count).clamp(max=length)
    return ((sums[:, ends] - sums[:, :-1]) / (ends - begins)[:, None]).to(states.dtype)


class Gate(Protocol):
    """Priorities float32 [B, T, orders]; NEVER: no entry. They are compared within one gate only."""

    def __call__(self, seen: Context) -> Tensor: ...


class EveryGate(nn.Module):
    """Everything is written, at every order: the control that forgets the oldest."""

    def __init__(self, orders: int) -> None:
        super().__init__()
        self.orders = orders

    def forward(self, seen: Context) -> Tensor:
        return seen.before.new_zeros(*seen.key.shape, self.orders)


class RankGate(nn.Module):
    """V65: open where the n-gram ends with a rare token (seed 001, step 2; research 3.1 row 7).

    rare: bool [vocabulary]: not in the smallest set of types that covers 80 % of the training text.
    """

    rare: Tensor

    def __init__(self, rare: Tensor, orders: int) -> None:
        super().__init__()
        self.register_buffer("rare", rare)
        self.orders = orders

    def forward(self, seen: Context) -> Tensor:
        worth = torch.where(self.rare[seen.key], 0.0, NEVER)
        return worth[..., None].expand(-1, -1, self.orders)


class SurprisalHead(nn.Module):
    """V66: how surprising the n-gram's last token was, told from its state; trained by `ranking_loss`."""

    def __init__(self, width: int, orders: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, width // 2)
        self.out = nn.Linear(width // 2, 1)
        self.orders = orders

    def score(self, hidden: Tensor) -> Tensor:
        """Scores [...] of hidden states [..., d]."""
        scores: Tensor = self.out(functional.gelu(self.hidden(hidden)))[..., 0]
        return scores

    def forward(self, seen: Context) -> Tensor:
        return self.score(seen.before).float()[..., None].expand(-1, -1, self.orders)


class RegretHead(nn.Module):
    """V67: the loss that an entry will save for each order, as log(1 + nats); trained by `regret_loss`.

    It sees the payload, too: what was hard to foretell and is not like the text around it is worth most.
    """

    def __init__(self, width: int, orders: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(3 * width, width)
        self.out = nn.Linear(width, orders)

    def score(self, seen: Context) -> Tensor:
        """The logarithm of the nats that are to be expected: float32 [..., orders]."""
        shown = torch.cat([seen.before, seen.now, seen.soon], -1)
        score: Tensor = self.out(functional.gelu(self.hidden(shown)))
        return score.float()

    def forward(self, seen: Context) -> Tensor:
        return functional.softplus(self.score(seen))


def select(priority: Tensor, budget: int, least: float = NEVER) -> Tensor:
    """Which to keep: bool [B, T, O]; of each stream the `budget` highest above `least`, the older of equals.

    Raises:
        MemoryValueError: the budget is negative, or a priority is NaN.
    """
    if budget < 0:
        raise MemoryValueError(f"a budget of {budget} writes", hint="use a number from 0 on")
    if priority.isnan().any():
        raise MemoryValueError(
            "the gate gave NaN", hint="the model diverged: go back to the last good checkpoint"
        )
    flat = priority.flatten(1)
    kept = torch.zeros_like(flat, dtype=torch.bool)
    order = flat.sort(dim=-1, descending=True, stable=True).indices[:, :budget]
    kept.scatter_(1, order, True)
    return (kept & (flat > least) & (flat > NEVER)).view_as(priority)


def ranking_loss(scores: Tensor, surprisal: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Mean logistic loss that of two random positions the more surprising has the higher score.

    scores, surprisal: [n], the latter in nats and without gradient. 0 where n < 2.
    """
    if len(scores) < 2:
        return scores.sum() * 0.0
    other = torch.randperm(len(scores), generator=generator, device=scores.device)
    more = torch.sign(surprisal - surprisal[other]).to(scores.dtype)
    return (functional.softplus(-more * (scores - scores[other])) * more.abs()).mean()


def regret_loss(score: Tensor, saved: Tensor, weight: Tensor | None = None) -> Tensor:
    """What Poisson's distribution says of nats saved where exp(score) were expected, but for a constant.

    It is least where the expectation is the mean. A squared error of logarithms is least where the mean of
    the logarithm is: a UUID that is asked for in half of the cases counts little more than a phrase then.

    score: [n]. saved: [n], the sum over its reads of NLL without memory - NLL with it, in nats; below 0
    counts as 0: an entry that did harm is worth as little as one never read. weight: [n], of the mean.
    """
    nats = saved.clamp(min=0).to(score.dtype)
    likely = score.clamp(max=_MOST)
    errors = likely.exp() * (1 + score - likely) - nats * score
    if weight is None:
        return errors.mean()
    return (errors * weight).sum() / weight.sum().clamp(min=1e-9)
