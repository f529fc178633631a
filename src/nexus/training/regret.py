"""Regret: how many nats each entry of an episode has saved, which is what the V67 gate learns to foretell.

Of what was written it is what reads of the entry saved, or, if that is more, what hindsight says that it
would have saved alone: of ten entries that hold one fact a single one is read, and the others are worth no
less. Of what was not written hindsight says all. Knows what was written and what was read; knows no
optimizer. Invariant: every entry that was written is in the account once, also when nothing read it, and what
a read saved goes to the entry whose word it was.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nexus.training.hindsight import look_back
from nexus.transformer.gates import Context, RegretHead, regret_loss
from nexus.transformer.lexical import Lexical
from nexus.transformer.step import Losses, Written


class Account:
    """The entries of one episode of B streams of whole chunks, and what they saved."""

    def __init__(self, tokens: Tensor, lexical: Lexical, *, chunk: int, payload: int) -> None:
        """tokens: int64 [B, N + 1], the episode and its last target."""
        self._tokens, self._lexical, self._chunk, self._payload = tokens, lexical, chunk, payload
        streams, length = len(tokens), tokens.shape[1] - 1
        self._orders = torch.tensor(lexical.orders, device=tokens.device)
        room = (streams, length, len(lexical.orders))
        self._written = torch.zeros(room, dtype=torch.bool, device=tokens.device)
        self._saved = torch.zeros(room, device=tokens.device)
        self._seen: list[Context] = []
        self._cost: list[Tensor] = []

    def __len__(self) -> int:
        """Entries written."""
        return int(self._written.sum())

    def wrote(self, written: Written) -> None:
        """Open an account for each entry of a chunk."""
        self._written[written.stream, written.writes.place, written.order] = True
        seen = written.seen
        self._seen.append(
            Context(seen.key, seen.token, seen.before.detach(), seen.now.detach(), seen.soon.detach())
        )

    def read(self, losses: Losses) -> None:
        """Credit what the next T targets saved to the entries that they are due to."""
        self._cost.append(losses.off.detach())
        stream, at = losses.order.nonzero(as_tuple=True)
        saved = (losses.off - losses.on).detach()[stream, at]
        order = torch.searchsorted(self._orders, losses.order[stream, at])
        where = (stream, losses.place[stream, at], order)
        self._saved.index_put_(where, saved.to(self._saved.dtype), accumulate=True)

    def saved(self) -> Tensor:
        """Nats that each entry saved, by place and order: float [n]."""
        return self._saved[self._written]

    def loss(self, head: RegretHead) -> Tensor:
        """How far the head is from what happened, and from what would have."""
        if not self._seen:
            return torch.zeros(())
        given = self._tokens[:, :-1]
        _, tags, _ = self._lexical.addresses(given, self._lexical.begin(len(given), given.device))
        would = look_back(
            tags, self._tokens, torch.cat(self._cost, 1), chunk=self._chunk, payload=self._payload
        )
        truth = torch.maximum(self._saved, would.saved)
        told = self._written | would.known
        worth = head(Context(*(torch.cat(part, 1) for part in zip(*map(_parts, self._seen), strict=True))))
        # Each order's entry at position 0 has no n-gram before it, and the last chunk no chunk after it.
        told[:, 0] = False
        told[:, -self._chunk :] = False
        return regret_loss(worth[told], truth[told]) if bool(told.any()) else torch.zeros(())


def _parts(seen: Context) -> tuple[Tensor, ...]:
    return seen.key, seen.token, seen.before, seen.now, seen.soon
