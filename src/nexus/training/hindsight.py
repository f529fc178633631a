"""Hindsight: what an entry that was not written would have saved, told from the tokens that came later.

An account credits what was written; a gate that hears of nothing else learns from its own choices only. Where
an n-gram comes back in a later chunk and goes on as before, an entry would have said so: what those tokens
cost without a memory is what it would have saved, unless the n-gram ends with a word that cost as much: who
could not say that word does not come by the entry, and the one who said it goes on by itself. Where the text
goes on otherwise but a costly word of the old continuation comes soon, attention might have found it: nothing
is said then. Knows tokens and losses; knows no model. Invariant: only chunks after the candidate's own count,
and only the first return: a later one has a younger entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

FREE: Final = 0.05  # nats that a word costs which a run says
COSTLY: Final = 3.0  # nats of a word from which on attention is worth a look, and a window cannot say it
CERTAIN: Final = 0.5  # nats saved from which on the run is the reason


@dataclass(frozen=True)
class Hindsight:
    """saved: float [B, N, O], nats an entry whose payload begins at each position would have saved.

    known: bool [B, N, O]: false where attention might have used it, too.
    """

    saved: Tensor
    known: Tensor


@torch.no_grad()
def look_back(tags: Tensor, tokens: Tensor, cost: Tensor, *, chunk: int, payload: int) -> Hindsight:
    """For every position and order of an episode.

    tags: int64 [B, N, O], of the n-grams that end at each token. tokens: int64 [B, N + 1]. cost: float
    [B, N], nats of tokens[:, 1:] as the window alone predicts them.
    """
    batch, length, orders = tags.shape
    saved = torch.zeros(batch, length, orders, device=tags.device)
    known = torch.ones(batch, length, orders, dtype=torch.bool, device=tags.device)
    for stream in range(batch):
        words = functional.pad(tokens[stream], (0, 2 * payload), value=-1).unfold(0, payload, 1)
        costs = functional.pad(cost[stream], (0, payload)).unfold(0, payload, 1)
        for order in range(orders):
            at, again = _returns(tags[stream, :, order], chunk)
            before, after, nats = words[at], words[again + 1], costs[again]
            goes_on = (before == after).cumprod(-1)
            gain = (goes_on * (nats - FREE).clamp(min=0)).sum(-1)
            gain = torch.where(cost[stream, again - 1] > COSTLY, 0.0, gain)
            saved[stream, at, order] = gain
            open_ = (gain < CERTAIN).nonzero().flatten()
            costly = torch.where(nats[open_] > COSTLY, after[open_], -2)
            shared = (before[open_][:, :, None] == costly[:, None, :]).any(-1).any(-1)
            known[stream, at[open_[shared]], order] = False
    return Hindsight(saved, known)


def _returns(tags: Tensor, chunk: int) -> tuple[Tensor, Tensor]:
    """int64 [n] each: payload starts whose n-gram comes back in a later chunk, and where it then ends."""
    length = len(tags)
    ordered, by_tag = torch.sort(tags, stable=True)
    new = torch.ones_like(ordered)
    new[0] = 0
    new[1:] = ordered[1:] != ordered[:-1]
    kind = torch.empty_like(tags)
    kind[by_tag] = new.cumsum(0)
    span = length + chunk
    places = kind[by_tag] * span + by_tag
    starts = torch.arange(1, length, device=tags.device)  # the n-gram ends right before
    least = (starts // chunk + 1) * chunk
    wanted = kind[:-1] * span + least
    found = torch.searchsorted(places, wanted)
    place = places[found.clamp(max=length - 1)]
    comes = (found < length) & (place // span == kind[:-1])
    return starts[comes], place[comes] % span
