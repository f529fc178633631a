"""Mentions: where a text comes back to a name that it said long before.

What the semantic lane is trained and tried on. A *name* is two tokens in a row, at least one of them rare, that
stand more than once in a document. Knows token ids and which are
rare; knows no model. Invariant: the two mentions of a pair are the same tokens, of one document, and more
than `apart` tokens lie between their beginnings.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

TOKENS = 2  # of a name


@dataclass(frozen=True, slots=True, eq=False)
class Mentions:
    """n pairs, in the order of their later mentions; all int64 [n].

    row: the document. later, earlier: where the two mentions begin in it. name: equal for equal names.
    """

    row: Tensor
    later: Tensor
    earlier: Tensor
    name: Tensor

    def __len__(self) -> int:
        return len(self.row)

    def chosen(self, which: Tensor) -> Mentions:
        """The pairs at the indices `which` (int64), in that order."""
        return Mentions(self.row[which], self.later[which], self.earlier[which], self.name[which])


def mentions(tokens: Tensor, rare: Tensor, apart: int = 1024) -> Mentions:
    """Every mention of a name with the latest one more than `apart` tokens before it.

    tokens: int64 [rows, N], a document a row. rare: bool [vocabulary]. Mentions that end with the last token
    are left out, so that each has a token behind it.
    """
    first, second = tokens[:, :-2], tokens[:, 1:-1]
    names = names_at(tokens)[:, :-1]
    row, at = (rare[first] | rare[second]).nonzero(as_tuple=True)
    name = names[row, at]
    # Row by row, name by name, in the order of the text.
    order = torch.argsort(name, stable=True)
    order = order[torch.argsort(row[order], stable=True)]
    row, at, name = row[order], at[order], name[order]
    # As one number that grows: the group, and the place in it.
    begins = torch.ones(len(at), dtype=torch.bool, device=at.device)
    begins[1:] = (name[1:] != name[:-1]) | (row[1:] != row[:-1])
    group = begins.cumsum(0)
    line = group * (1 << 32) + at
    latest = torch.searchsorted(line, line - apart) - 1  # the last that is more than `apart` before
    there = (latest >= 0) & (group[latest.clamp(min=0)] == group)
    later, earlier = at[there], at[latest[there]]
    kept = torch.argsort((row[there] << 32) + later)
    return Mentions(row[there][kept], later[kept], earlier[kept], name[there][kept])


def names_at(tokens: Tensor) -> Tensor:
    """int64 [rows, N - 1]: a number for the two tokens that begin at each place."""
    return (tokens[:, :-1] << 20) | tokens[:, 1:]
