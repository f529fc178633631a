"""Mentions: where a text comes back to a rare word that it said long before.

What the semantic lane is trained and tried on: the n-gram of a mention is one token, of those that are no
part of the most frequent ones. Knows token ids and which are rare; knows no model. Invariant: the two
mentions of a pair are the same token, of one document, and more than `apart` tokens lie between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Mentions:
    """n pairs, in the order of their later mentions; all int64 [n].

    row: the document. later, earlier: where the two mentions stand in it. name: the token.
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
    """Every mention of a rare token, with the latest that is more than `apart` tokens before it.

    tokens: int64 [rows, N], a document a row. rare: bool [vocabulary].
    """
    row, at = rare[tokens].nonzero(as_tuple=True)
    name = tokens[row, at]
    # Row by row, name by name, in the order of the text: as one number that grows.
    group = (row << 20) | name
    line, order = torch.sort((group << 32) | at)
    latest = torch.searchsorted(line, line - apart) - 1  # the last that is more than `apart` before
    there = (latest >= 0) & (line[latest.clamp(min=0)] >> 32 == line >> 32)
    later, earlier = order[there], order[latest[there]]
    by_place, index = torch.sort(later)
    earlier = earlier[index]
    return Mentions(row[by_place], at[by_place], at[earlier], name[by_place])
