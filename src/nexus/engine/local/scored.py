"""How likely a model finds a text behind another one, while that is found out.

Takes the place of an `Answer` in the scheduler: nothing is chosen, the prompt is read and what the model
expected at each token of its end is noted. Invariant: `events` ends with one `Score`, `Ended` or `Failed`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Event

import numpy as np
from numpy.typing import NDArray

from nexus.engine.local.answer import AnswerEvent, Ended, Failed, Reason, Score
from nexus.engine.local.names import Tokens


@dataclass(slots=True, eq=False)
class Scored:
    """`prompt` with the text at its end, of `scored` tokens. `cancel` may be set by any thread."""

    prompt: Tokens
    scored: int
    cancel: Event = field(default_factory=Event)
    events: SimpleQueue[AnswerEvent] = field(default_factory=SimpleQueue)
    cached: int = 0
    tries: int = 0
    ended: bool = False
    max_tokens: int = 0
    lasting: bool = False
    chosen: list[int] = field(default_factory=list)
    _likelihoods: dict[int, float] = field(default_factory=dict)

    @property
    def fresh(self) -> int:
        """Tokens at the end whose logits are wanted: those scored and the one before them."""
        return self.scored + 1

    def take(self, logits: NDArray[np.float32], entered: int) -> None:
        """Rows for the tokens that end with the one at `entered` - 1."""
        first = entered - len(logits)
        for row, position in zip(logits, range(first + 1, entered + 1), strict=True):
            if position < len(self.prompt):
                peak = float(row.max())
                whole = peak + float(np.log(np.exp(row - peak, dtype=np.float64).sum()))
                self._likelihoods[position] = float(row[self.prompt[position]]) - whole
        if entered == len(self.prompt) and not self.ended:
            self.ended = True
            self.events.put(Score(sum(self._likelihoods.values()), self.scored))

    def end(self, reason: Reason) -> None:
        """Say that it is over without a result."""
        if not self.ended:
            self.ended = True
            self.events.put(Ended(reason, len(self.prompt), self.cached, 0, 0.0, 0.0))

    def fail(self, error: Exception) -> None:
        """Say that it cannot be found out."""
        if not self.ended:
            self.ended = True
            self.events.put(Failed(error))
