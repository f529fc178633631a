"""Lexical addresses: where the n-grams that end at a token lie in a memory, by a fixed hash.

Knows nothing of what is stored there. Invariant: an address depends on the order, the salt and the token
ids of the n-gram, and on nothing else: not on the device, on Python's hash seed, or on where a stream is
cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from nexus.core.errors import InvalidInputError
from nexus.transformer.rsm.errors import MemoryShapeError
from nexus.transformer.rsm.shape import TAG_BITS

# What stands before a stream's first token.
NOTHING: Final = -1
_LONGEST: Final = 64


class Lexical:
    """Addresses of the n-grams of the given `orders` (lengths) in a memory of `sets` sets."""

    def __init__(self, orders: Sequence[int], sets: int, salt: int = 0) -> None:
        """Raises `InvalidInputError` for orders outside 1 to 64, or twice the same."""
        if not orders or len(set(orders)) < len(orders) or not all(1 <= n <= _LONGEST for n in orders):
            raise InvalidInputError(
                f"n-grams of the orders {list(orders)}", hint=f"use different lengths from 1 to {_LONGEST}"
            )
        if sets < 1:
            raise InvalidInputError(f"addresses in {sets} sets", hint="use at least one set")
        self.orders = tuple(orders)
        self.sets = sets
        self.past = max(orders) - 1
        # One number for each order, so that "a" alone and "a" within "a b" have nothing in common.
        self._salts = [int(_mixed(torch.tensor((salt << 8) + n))) for n in range(_LONGEST + 2)]

    def begin(self, batch: int, device: torch.device | str | None = None) -> Tensor:
        """int64 [batch, past]: what comes before a stream's first token."""
        return torch.full((batch, self.past), NOTHING, dtype=torch.int64, device=device)

    def addresses(self, tokens: Tensor, before: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Sets and tags, int64 [B, T, orders], of the n-grams that end at each token; and the next `before`.

        `tokens` is int64 [B, T]; `before` int64 [B, past] holds the tokens right before them: `begin`, or
        what the call for them returned. Raises `MemoryShapeError`.
        """
        if tokens.dtype != torch.int64 or tokens.dim() != 2:
            raise MemoryShapeError(
                f"tokens are {tokens.dtype} {list(tokens.shape)}, not int64 [streams, tokens]",
                hint="give token ids, a row for each stream",
            )
        if before.dtype != torch.int64 or tuple(before.shape) != (len(tokens), self.past):
            raise MemoryShapeError(
                f"the tokens before are {before.dtype} {list(before.shape)}, "
                f"not int64 {[len(tokens), self.past]}",
                hint="give what the call before returned, or begin(streams)",
            )
        line = torch.cat([before, tokens], dim=1)
        length = tokens.shape[1]
        state, hashes = torch.zeros_like(tokens), {}
        for back in range(self.past + 1):
            state = _mixed((state + line[:, self.past - back : self.past - back + length]) ^ self._salts[0])
            if back + 1 in self.orders:
                hashes[back + 1] = _mixed(state ^ self._salts[back + 1])
        whole = torch.stack([hashes[order] for order in self.orders], dim=-1)
        return *self._placed(whole), line[:, length:]

    def names(self, line: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Sets and tags, int64 [B, T, K], of the names that end at each of the last T tokens.

        line: int64 [B, L - 1 + T]. lengths: int64 [B, T, K], the tokens of each name, from 1 to L. A name's
        address is that of no n-gram of the same tokens: " Ann" within " Anniversary" is not the name.
        """
        asked = lengths.shape[1]
        longest = line.shape[1] - asked + 1
        state, states = torch.zeros_like(line[:, longest - 1 :]), []
        for back in range(longest):
            first = longest - 1 - back
            state = _mixed((state + line[:, first : first + asked]) ^ self._salts[0])
            states.append(state)
        whole = torch.stack(states, -1).gather(-1, lengths - 1)
        return self._placed(_mixed(whole ^ self._salts[_LONGEST + 1]))

    def _placed(self, whole: Tensor) -> tuple[Tensor, Tensor]:
        """Sets and tags of hashes."""
        return _shifted(_mixed(whole ^ self._salts[0]), 32) % self.sets, whole & ((1 << TAG_BITS) - 1)


def last_of_each(tags: Tensor) -> Tensor:
    """bool [B, T, O]: no later one of the T tags of the same stream and order is the same."""
    ordered, by_tag = tags.sort(dim=1, stable=True)
    last = torch.ones_like(tags, dtype=torch.bool)
    last[:, :-1] = ordered[:, 1:] != ordered[:, :-1]
    return torch.zeros_like(last).scatter(1, by_tag, last)


def _shifted(x: Tensor, bits: int) -> Tensor:
    """Shift right and fill with zeros; torch's own fills with the sign."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mixed(x: Tensor) -> Tensor:
    """The finishing steps of splitmix64 (Steele, Lea, Flood 2014); int64 wraps around on every device."""
    x = x + (0x9E3779B97F4A7C15 - (1 << 64))
    x = (x ^ _shifted(x, 30)) * (0xBF58476D1CE4E5B9 - (1 << 64))
    x = (x ^ _shifted(x, 27)) * (0x94D049BB133111EB - (1 << 64))
    return x ^ _shifted(x, 31)
