"""Batches for training: several streams that each read on where they stopped.

Knows nothing of models. Invariants: the batches after step n depend on the files, the seed and n alone, so
a training that resumes reads what it would have read; every token is met once before any is met again, but
for a rest shorter than one step.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nexus.training.errors import TokenFileError
from nexus.training.token_files import TokenFile


class TokenStreams:
    """`streams` places in the files, each `tokens` further at every step.

    `step` is all of the state; set it to resume.
    """

    def __init__(self, files: Sequence[TokenFile], streams: int, tokens: int, seed: int = 0) -> None:
        """Raises `TokenFileError` where the files are too short for one step or of several tokenizers."""
        if len({file.fingerprint for file in files}) > 1:
            raise TokenFileError(
                "the files of tokens are of several tokenizers", hint="make them all with one"
            )
        self._parts = [file.tokens for file in files]
        self._starts = np.cumsum([0, *(len(part) for part in self._parts)])
        self.total = int(self._starts[-1])
        self.streams, self.tokens, self.step = streams, tokens, 0
        # Each stream has a stretch of its own; one token more than a step is its last target.
        self._stretch = self.total // streams
        self.steps = (self._stretch - 1) // tokens
        if self.steps < 1:
            raise TokenFileError(
                f"{self.total} tokens are too few for {streams} streams of {tokens}",
                hint="give more text, fewer streams or shorter steps",
            )
        self._seed = seed

    @property
    def starting(self) -> bool:
        """Whether the next step stands at new places, so that what is known of the last one does not belong
        to it.
        """
        return self.step % self.steps == 0

    def next(self) -> NDArray[np.int64]:
        """Tokens int64 [streams, tokens + 1]: the last is the target of the one before, and the first of
        the next.
        """
        turn, at = divmod(self.step, self.steps)
        # Another start in every turn, so that chunks are cut elsewhere.
        start = (
            int(np.random.default_rng([self._seed, turn]).integers(self.total)) if turn or self._seed else 0
        )
        rows = [
            self._read((start + row * self._stretch + at * self.tokens) % self.total)
            for row in range(self.streams)
        ]
        self.step += 1
        return np.stack(rows)

    def _read(self, start: int) -> NDArray[np.int64]:
        row = np.empty(self.tokens + 1, dtype=np.int64)
        done = 0
        while done < len(row):
            place = (start + done) % self.total
            part = int(np.searchsorted(self._starts, place, side="right")) - 1
            piece = self._parts[part][place - int(self._starts[part]) :][: len(row) - done]
            row[done : done + len(piece)] = piece
            done += len(piece)
        return row
