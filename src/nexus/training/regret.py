"""Regret: how many nats each entry of an episode has saved, which is what the V67 gate learns to foretell.

Knows what was written and what runs were read; knows no optimizer. Invariant: every entry that was written is
in the account once, also when nothing read it, and what a read saved goes to the entry whose word it was.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nexus.transformer.gates import Context, RegretHead, regret_loss
from nexus.transformer.model import Losses, Written


class Account:
    """The entries of one episode of B streams, `length` tokens each, and what they saved."""

    def __init__(
        self, streams: int, length: int, orders: tuple[int, ...], device: torch.device | str | None = None
    ) -> None:
        self._length, self._orders = length, torch.tensor(orders, device=device)
        self._owner = torch.full((streams * length * len(orders),), -1, dtype=torch.int64, device=device)
        self._saved: list[Tensor] = []
        self._before: list[Tensor] = []
        self._now: list[Tensor] = []
        self._order: list[Tensor] = []
        self._count = 0

    def __len__(self) -> int:
        """Entries written."""
        return self._count

    def wrote(self, written: Written) -> None:
        """Open an account for each entry of a chunk."""
        n = len(written.at)
        where = self._where(written.stream, written.writes.place, written.order)
        self._owner[where] = torch.arange(self._count, self._count + n, device=self._owner.device)
        self._before.append(written.seen.before[written.stream, written.at].detach())
        self._now.append(written.seen.now[written.stream, written.at].detach())
        self._order.append(written.order)
        self._saved.append(torch.zeros(n, device=self._owner.device))
        self._count += n

    def read(self, losses: Losses) -> None:
        """Credit what T targets saved to the entries that they are due to."""
        stream, at = losses.order.nonzero(as_tuple=True)
        if not len(stream) or not self._count:
            return
        saved = (losses.off - losses.on).detach()[stream, at]
        order = torch.searchsorted(self._orders, losses.order[stream, at])
        owner = self._owner[self._where(stream, losses.place[stream, at], order)]
        total = torch.cat(self._saved)
        known = owner >= 0
        total.index_add_(0, owner[known], saved[known].to(total.dtype))
        self._saved = [total]

    def saved(self) -> Tensor:
        """Nats that each entry saved, in the order of writing: float [n]."""
        return torch.cat(self._saved) if self._saved else torch.zeros(0)

    def loss(self, head: RegretHead) -> Tensor:
        """How far the head is from what happened."""
        if not self._count:
            return torch.zeros(())
        none = torch.zeros(self._count, dtype=torch.int64, device=self._owner.device)
        worth = head(Context(none, none, torch.cat(self._before), torch.cat(self._now)))
        return regret_loss(worth.gather(-1, torch.cat(self._order)[:, None])[:, 0], self.saved())

    def _where(self, stream: Tensor, place: Tensor, order: Tensor) -> Tensor:
        return (stream * self._length + place) * len(self._orders) + order
