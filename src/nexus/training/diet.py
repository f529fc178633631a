"""What a Nexus is trained on: rows of text, and haystacks in which facts are said and asked.

Knows files of tokens and episodes; knows no model. Invariant: row r of step n depends on the files, the
seed, r and n alone, so a training that resumes reads what it would have read.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from nexus.training.episodes import Encode, Haystack, Tokens, drawn, episode, letters
from nexus.training.errors import TokenFileError
from nexus.training.facts import KINDS, draw
from nexus.training.token_files import TokenFile
from nexus.transformer.tokenizer import Tokenizer

# A row each, over and over. Facts in a text are the hardest to tell from what need not be kept.
TURNS: Final = ("text", "facts", "letters", "facts", "text", "common", "facts", "rare")
COMMON: Final = 1000  # the most frequent ids
FACT: Final = 256  # tokens of a row for each fact: about one in five belongs to one


@dataclass(frozen=True)
class Meal:
    """tokens: int64 [rows, N + 1]. asked: bool [rows, N], where the next token is part of an answer."""

    tokens: NDArray[np.int64]
    asked: NDArray[np.bool_]


def haystacks(tokenizer: Tokenizer) -> dict[str, Haystack]:
    """Those that need no text: words of random letters, common tokens, rare ones."""
    rare = np.flatnonzero(~tokenizer.mass80 & (tokenizer.counts > 0))
    return {
        "letters": letters(lambda text: tokenizer.encode(text).tolist()),
        "common": drawn(np.argsort(tokenizer.rank)[:COMMON].tolist()),
        "rare": drawn(rare.tolist()),
    }


class Diet:
    """Rows from `files`, which are of `tokenizer`."""

    def __init__(self, files: Sequence[TokenFile], tokenizer: Tokenizer, seed: int = 0) -> None:
        """Raises `TokenFileError` where a file is of another tokenizer, or there is no text."""
        for file in files:
            if file.fingerprint != tokenizer.fingerprint():
                raise TokenFileError(
                    f"{file.path} is of tokenizer {file.fingerprint}, not {tokenizer.fingerprint()}",
                    hint="make the files of tokens with this tokenizer",
                )
        if not sum(len(file.tokens) for file in files):
            raise TokenFileError(f"{len(files)} files hold no tokens", hint="name files that hold text")
        self._texts = [file.tokens for file in files]
        self._seed = seed
        self._encode: Encode = lambda text: tokenizer.encode(text).tolist()
        self.rare: NDArray[np.bool_] = ~tokenizer.mass80
        text: Haystack = self._text
        self._haystacks: dict[str, Haystack] = {
            "text": text,
            "facts": text,
            **haystacks(tokenizer),
        }

    def meal(self, step: int, rows: int, length: int, apart: int, turns: Sequence[str] = TURNS) -> Meal:
        """The rows of one step: `length` tokens each and one more, the last target; kinds by `turns`."""
        tokens, asked = np.empty((rows, length + 1), np.int64), np.zeros((rows, length), bool)
        for row in range(rows):
            chance = random.Random(f"{self._seed}/{step}/{row}")  # noqa: S311 - no secret is made of it
            kind = turns[(step * rows + row) % len(turns)]
            count = 0 if kind == "text" else max(1, length // FACT)
            facts = draw(count, KINDS, "train", chance)
            made = episode(length + 1, facts, self._encode, self._haystacks[kind], chance, apart=apart)
            tokens[row] = made.tokens
            for each in made.asked:
                asked[row, each.answer - 1 : each.end - 1] = True
        return Meal(tokens, asked)

    def _text(self, count: int, chance: random.Random) -> Tokens:
        """From a random place of a random file, on into the next and in a circle."""
        sizes = [len(text) for text in self._texts]
        at = chance.randrange(sum(sizes))
        part = 0
        while at >= sizes[part]:
            at -= sizes[part]
            part += 1
        out = np.empty(count, np.int64)
        done = 0
        while done < count:
            piece = self._texts[part][at : at + count - done]
            out[done : done + len(piece)] = piece
            done += len(piece)
            part, at = (part + 1) % len(sizes), 0
        return out
