"""Pointers into payloads: what the memory says comes next, word for word.

A hit is an n-gram of the stream that has an entry; the entry's payload is what followed it before. While the
stream goes on as the payload did, the hit is a *run*, and its next payload token is a prediction. Knows
tokens and payloads; knows neither sets nor hashes nor the model. Invariant: a prediction for position t + 1
uses nothing that stands later than t in the stream, also where a payload reaches into the present.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

NONE = -1  # a token that is not known


@dataclass(frozen=True)
class Hits:
    """What was found for each of L positions of B streams, the first P - 1 before those that are asked.

    payload: int64 [B, L, P], NONE where unknown: token j of it followed the n-gram j + 1 tokens later.
    place: int64 [B, L], the stream position of payload token 0. order: int64 [B, L], the tokens of the n-gram
    that hit; 0: nothing was found.
    """

    payload: Tensor
    place: Tensor
    order: Tensor


@dataclass(frozen=True)
class Runs:
    """The best run at each of T positions.

    token: int64 [B, T], what it says comes next; NONE: there is no run. source: int64 [B, T], its hit's
    index among the L positions (0 where there is none). offset: int64 [B, T], the payload's token. evidence:
    int64 [B, T], how many tokens before were the same: those of the n-gram and those of the payload since.
    """

    token: Tensor
    source: Tensor
    offset: Tensor
    evidence: Tensor


def runs(hits: Hits, tokens: Tensor, first: Tensor) -> Runs:
    """The longest run at each position; between equals the younger hit.

    tokens: int64 [B, L], the stream where the hits are. first: int64 [B], the position of tokens[:, 0].
    The answers are for the last L - P + 1 positions: a run may have begun up to P - 1 tokens before.
    """
    batch, length, width = hits.payload.shape
    if tokens.shape != (batch, length):
        raise ValueError(f"tokens {tuple(tokens.shape)} do not fit hits {(batch, length)}")
    asked = length - width + 1
    if asked < 1:
        raise ValueError(f"{length} positions are fewer than a payload's {width}")
    # same[s, j]: token j of the payload is what came j + 1 tokens after s.
    after = torch.nn.functional.pad(tokens[:, 1:], (0, width), value=NONE - 1).unfold(1, width, 1)
    same = hits.payload == after
    alive = torch.ones_like(same)
    alive[..., 1:] = same[..., :-1].cumprod(-1).bool()
    alive &= (hits.order > 0)[..., None]
    offset = torch.arange(width, device=tokens.device)
    at = torch.arange(width - 1, length, device=tokens.device)
    source = at[:, None] - offset  # [T, P]: the hit that is `offset` tokens old at each position
    token = hits.payload[:, source, offset]
    known = token != NONE
    # Token `offset` of a payload stands at place + offset: it must not be of the future.
    stands = hits.place[:, source] + offset
    now = first[:, None, None] + at[:, None]
    alive_at = alive[:, source, offset] & known & (stands <= now)
    evidence = torch.where(alive_at, hits.order[:, source] + offset, 0)
    best = evidence.argmax(-1, keepdim=True)  # the first of equals: the youngest hit
    taken = evidence.gather(-1, best)[..., 0]
    there = taken > 0
    chosen = best[..., 0]
    return Runs(
        torch.where(there, token.gather(-1, best)[..., 0], NONE),
        torch.where(there, at - chosen, 0),
        torch.where(there, chosen, 0),
        taken,
    )
