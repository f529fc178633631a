"""Recollection: words of the payloads of what was just named, where no run says the next one.

A question is rarely the beginning of its answer: "Where is Mary?" names Mary, and what followed "Mary" when
she was last mentioned holds the word. Of the entries hit in the last P tokens those are *named* whose
priority is highest for how often they were written: a name says more than the words that go with any name.
Attention over their payloads points at words. Knows tokens, hits and hidden states; knows neither sets nor
hashes. Invariant: what is offered at position t stands at or before t in the stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from nexus.transformer.fusion import LEAST
from nexus.transformer.pointer import NONE, Hits

NAMED: Final = 6  # entries looked into at each position
KEY: Final = 16
_FACTS: Final = 5
_SEEN: Final = 5


@dataclass(frozen=True)
class Named:
    """K = NAMED * P words offered at each of T positions; the words of an entry lie side by side.

    token: int64 [B, T, K], NONE where there is none. facts: float [B, T, K, 5] of each. source: int64
    [B, T, NAMED], each entry's hit among the L positions.
    """

    token: Tensor
    facts: Tensor
    source: Tensor

    @property
    def there(self) -> Tensor:
        """bool [B, T]: at least one word is offered."""
        return (self.token != NONE).any(-1)


@dataclass(frozen=True)
class Pointed:
    """weight: float [B, T, K], sums to 1 where a word is there. trust: float [B, T]. there: bool [B, T]."""

    token: Tensor
    weight: Tensor
    trust: Tensor
    there: Tensor

    def mass(self, target: Tensor) -> Tensor:
        """float [B, T]: the weight of one word, int64 [B, T]."""
        return (self.weight * (self.token == target[..., None])).sum(-1)


@torch.no_grad()
def named(hits: Hits, worth: Tensor, tokens: Tensor, first: Tensor, earlier: Tensor) -> Named:
    """What is offered at the last L - P + 1 positions; arguments as `pointer.runs` takes them.

    worth: float [B, L], of the entry that was hit, from 0 on. earlier: int64 [B, 1], the token before.
    """
    batch, _, width = hits.payload.shape
    worth = torch.where(hits.order > 0, worth, -1.0).unfold(1, width, 1)  # [B, T, P]
    chosen = min(NAMED, width)
    # Of equals the younger: which of them `topk` takes is not said, and must not depend on the split.
    _, back = (worth + 1e-5 * torch.arange(width, device=tokens.device)).topk(chosen, dim=-1)
    best = worth.gather(-1, back)
    asked = worth.shape[1]
    at = torch.arange(asked, device=tokens.device)[:, None]
    source = at + back  # of the L positions
    flat = source.flatten(1)

    def of(x: Tensor) -> Tensor:
        index = flat[(..., *[None] * (x.dim() - 2))].expand(-1, -1, *x.shape[2:])
        return x.gather(1, index).view(batch, asked, chosen, *x.shape[2:])

    payload, order, place = of(hits.payload), of(hits.order), of(hits.place)
    offset = torch.arange(width, device=tokens.device)
    now = first[:, None, None] + width - 1 + at
    offered = (best >= 0)[..., None] & (payload != NONE) & (place[..., None] + offset <= now[..., None])
    before = torch.cat([earlier, tokens[:, :-1]], 1)
    line = torch.cat([of(before)[..., None], of(tokens)[..., None], payload], -1)
    here, last = tokens[:, width - 1 :, None, None], before[:, width - 1 :, None, None]
    follows = line[..., 1:-1] == here
    both = follows & (line[..., :-2] == last)
    size = payload.shape
    facts = [
        follows.float(),
        both.float(),
        (width - 1 - back).float().log1p()[..., None].expand(size) / 3,
        order.float()[..., None].expand(size) / 8,
        best.clamp(0, 8)[..., None].expand(size) / 4,
    ]
    token = torch.where(offered, payload, NONE)
    return Named(token.flatten(2), torch.stack(facts, -1).flatten(2, 3), source)


class Recollection(nn.Module):
    """Attention of a hidden state over the words that are offered."""

    def __init__(self, width: int, table_width: int, payload: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, KEY)
        self.key = nn.Linear(table_width, KEY, bias=False)
        self.of_facts = nn.Linear(_FACTS, 1, bias=False)
        self.of_offset = nn.Parameter(torch.zeros(payload))
        self.of_hidden = nn.Linear(width, 24, bias=False)
        self.of_seen = nn.Linear(_SEEN, 24)
        self.out = nn.Linear(24, 1)
        nn.init.constant_(self.out.bias, -3.0)

    def forward(self, hidden: Tensor, names: Named, table: Tensor, own: Tensor) -> Pointed:
        """hidden [B, T, d], table [vocabulary, table_width]; own: log p of every word [B, T, vocabulary]."""
        there = names.token != NONE
        word = names.token.clamp(min=0)
        # float [B, T, K]: the keys are those of the whole vocabulary, made once, not of every word offered
        keys = functional.embedding(word, self.key(table))
        scores = (keys @ self.query(hidden)[..., None])[..., 0] + self.of_facts(names.facts)[..., 0]
        scores = scores + self.of_offset.repeat(names.source.shape[-1])
        scores = scores.masked_fill(~there, -1e4)
        weight = torch.softmax(scores, -1).masked_fill(~there, 0)
        any_there = there.any(-1)
        best = weight.argmax(-1, keepdim=True)
        seen = torch.stack(
            [
                torch.where(any_there, scores.logsumexp(-1), 0.0) / 4,
                weight.gather(-1, best)[..., 0],
                own.gather(-1, word.gather(-1, best))[..., 0] / 10,
                (weight * names.facts[..., 0]).sum(-1),
                (weight * names.facts[..., 1]).sum(-1),
            ],
            -1,
        )
        open_ = functional.gelu(self.of_hidden(hidden) + self.of_seen(seen))
        trust = torch.sigmoid(self.out(open_))[..., 0].float().clamp(LEAST, 1 - LEAST)
        return Pointed(names.token, weight.float(), trust, any_there)


def mix(log_p: Tensor, pointed: Pointed) -> Tensor:
    """log((1 - trust) * p + trust * weights) where a word is there; elsewhere log_p itself."""
    added = torch.zeros_like(log_p).scatter_add(
        -1, pointed.token.clamp(min=0), pointed.weight * pointed.trust[..., None]
    )
    mixed = torch.log(log_p.exp() * (1 - pointed.trust)[..., None] + added)
    return torch.where(pointed.there[..., None], mixed, log_p)


def mixed_at(at_target: Tensor, target: Tensor, pointed: Pointed) -> Tensor:
    """`mix` at one word only: at_target is its log_p, float [B, T]."""
    less = at_target + torch.log1p(-pointed.trust)
    said = torch.log((pointed.trust * pointed.mass(target)).clamp(min=1e-30))
    return torch.where(pointed.there, torch.logaddexp(less, said), at_target)
