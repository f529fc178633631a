"""Names: words that begin with a capital letter, and runs of them; where they end in a stream of tokens.

A reader asks "what was said of Anne at the start?", and nothing in a loss foretells it: a name is followed by
something else each time. So every name's first mention gets an entry, whatever the gate says. Knows the texts
of tokens; knows neither memory nor gate. Invariant: whether a name ends before a token depends on the token
and the `LONGEST` before it, and on nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from nexus.transformer.lexical import NOTHING, Lexical
from nexus.transformer.tokenizer import Tokenizer

LONGEST: Final = 12  # tokens of a word; a run has fewer


@dataclass(frozen=True)
class Found:
    """Names that end right before each of T tokens: bool, int64 and int64 [B, T, 2].

    First the word, then the run of capitalised words that it ends. A run of one word is that word: it is
    `there` once. Where there is none the tag is -1.
    """

    there: Tensor
    sets: Tensor
    tags: Tensor


class Names:
    """begins, capital: bool [vocabulary]: a token with which a word or a mark begins; with a capital."""

    def __init__(self, begins: Tensor, capital: Tensor) -> None:
        nothing = torch.tensor([True]), torch.tensor([False])  # at index NOTHING, the last
        self._begins, self._capital = torch.cat([begins, nothing[0]]), torch.cat([capital, nothing[1]])
        assert NOTHING == -1

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> Names:
        """Those of a vocabulary."""
        texts = [tokenizer.decode([token]) for token in range(tokenizer.size)]
        # A byte that is no character alone is a part of a letter.
        begins = torch.tensor([not (text[:1].isalnum() or text[:1] == "\ufffd") for text in texts])
        capital = torch.tensor([text.lstrip(" ")[:1].isupper() for text in texts])
        # A capital begins a word without a blank, too: at the start of a line, behind a quotation mark.
        return cls(begins | capital, capital)

    def ending(self, line: Tensor, lexical: Lexical) -> Found:
        """Of the last T tokens of int64 [B, LONGEST + T]."""
        device = line.device
        begins, capital = (part.to(device)[line] for part in (self._begins, self._capital))
        at = torch.arange(line.shape[1], device=device).expand_as(line)
        word = torch.where(begins, at, -1).cummax(1).values  # where the word of each token begins
        named = capital.gather(1, word.clamp(min=0)) & (word >= 0)
        first = begins & named & ~functional.pad(named, (1, 0), value=True)[:, :-1]
        run = torch.where(first, at, -1).cummax(1).values
        ends = begins[:, LONGEST:] & named[:, LONGEST - 1 : -1]
        here = at[:, LONGEST:]
        lengths = torch.stack([(here - part[:, LONGEST - 1 : -1]) for part in (word, run)], -1)
        there = ends[..., None] & (lengths > 0) & (lengths <= LONGEST)
        there[..., 1] &= (lengths[..., 1] != lengths[..., 0]) & (lengths[..., 1] < LONGEST)
        sets, tags = lexical.names(line[:, :-1], lengths.clamp(1, LONGEST))
        return Found(there, sets, torch.where(there, tags, -1))


def address(name: Sequence[int], lexical: Lexical) -> tuple[int, int] | None:
    """Set and tag of a name of these tokens; None where it has more than `LONGEST`."""
    if not 0 < len(name) <= LONGEST:
        return None
    line = torch.tensor([[NOTHING] * (LONGEST - len(name)) + list(name)])
    sets, tags = lexical.names(line, torch.tensor([[[len(name)]]]))
    return int(sets), int(tags)
