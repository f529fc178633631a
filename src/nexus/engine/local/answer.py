"""One answer while it is made: its prompt, its sampler, what may be shown of it, and when it ends.

Does not know other answers, nor where its keys and values lie. Invariant: the texts that went into
`events` are the text of the tokens before the end, whole characters each, without stop texts.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Event
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from nexus.engine.local.names import Tokens
from nexus.engine.local.stops import StopTexts

if TYPE_CHECKING:
    from nexus._engine import Sampler, Tokenizer, Utf8Stream

Reason = Literal["stop", "length", "cancelled"]


class Constraint(Protocol):
    """What a grammar allows next. Made by `constraint.py`."""

    def mask(self) -> NDArray[np.uint32]:
        """One bit for each token of the vocabulary."""

    def accept(self, token: int) -> None:
        """The token was chosen."""

    @property
    def finished(self) -> bool:
        """Nothing but the end may follow."""


@dataclass(frozen=True, slots=True)
class Progress:
    """So many tokens of the prompt are in the model, of which `cached` were not computed again."""

    done: int
    total: int
    cached: int


@dataclass(frozen=True, slots=True)
class Text:
    """The next piece of the answer, and how many tokens have been chosen so far."""

    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The last event. `seconds_prompt` until the first token, then `seconds_answer`."""

    reason: Reason
    prompt_tokens: int
    cached_tokens: int
    answer_tokens: int
    seconds_prompt: float
    seconds_answer: float


@dataclass(frozen=True, slots=True)
class Failed:
    """The last event of an answer that could not be given."""

    error: Exception


@dataclass(frozen=True, slots=True)
class Score:
    """The last event of a text that was to be scored: the logarithm of its probability, of so many tokens."""

    logprob: float
    tokens: int


AnswerEvent = Progress | Text | Ended | Failed | Score


@dataclass(slots=True, eq=False)
class Answer:
    """`max_tokens` bounds what is chosen. `cancel` may be set by any thread; `events` is read by one."""

    prompt: Tokens
    sampler: Sampler
    tokenizer: Tokenizer
    max_tokens: int
    stops: Sequence[str] = ()
    constraint: Constraint | None = None
    cancel: Event = field(default_factory=Event)
    events: SimpleQueue[AnswerEvent] = field(default_factory=SimpleQueue)
    cached: int = 0
    chosen: list[int] = field(default_factory=list)
    tries: int = 0
    _started: float = field(default_factory=time.monotonic)
    _first: float | None = None
    _stop_texts: StopTexts = field(init=False)
    _characters: Utf8Stream = field(init=False)
    ended: bool = False
    fresh: int = 1  # tokens at the end whose logits are wanted
    lasting: bool = True  # what was read is kept for the next turn

    def __post_init__(self) -> None:
        from nexus._engine import Utf8Stream

        self._stop_texts = StopTexts(self.stops)
        self._characters = Utf8Stream()
        for token in self.prompt[-64:]:
            self.sampler.accept(int(token), generated=False)

    def take(self, logits: NDArray[np.float32], entered: int) -> None:
        """The logits of the last token that is known, of `entered`."""
        self.choose(logits[-1])

    def choose(self, logits: NDArray[np.float32]) -> int | None:
        """The next token, which has to enter the model for another; None when the answer has ended."""
        token = self.sampler.sample(logits, self.constraint.mask() if self.constraint else None)
        if self._first is None:
            self._first = time.monotonic()
        if self.tokenizer.is_end(token):
            self.end("stop")
            return None
        self.sampler.accept(token, generated=True)
        if self.constraint:
            self.constraint.accept(token)
        self.chosen.append(token)
        text = self._characters.push(self.tokenizer.piece(token))
        shown = self._stop_texts.push(text)
        if shown:
            self.events.put(Text(shown, len(self.chosen)))
        if self._stop_texts.stopped or (self.constraint and self.constraint.finished):
            self.end("stop")
        elif len(self.chosen) >= self.max_tokens:
            self.end("length")
        return None if self.ended else token

    def end(self, reason: Reason) -> None:
        """Say that it is over; what was held back is shown first."""
        if self.ended:
            return
        self.ended = True
        if not self._stop_texts.stopped:
            rest = self._stop_texts.push(self._characters.flush())
            rest += self._stop_texts.flush()
            if rest:
                self.events.put(Text(rest, len(self.chosen)))
        now = time.monotonic()
        first = self._first or now
        self.events.put(
            Ended(reason, len(self.prompt), self.cached, len(self.chosen), first - self._started, now - first)
        )

    def fail(self, error: Exception) -> None:
        """Say that it cannot be given."""
        if not self.ended:
            self.ended = True
            self.events.put(Failed(error))
