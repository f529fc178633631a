"""The one thread that computes: takes the answers that wait, gives each its share of every step.

A step holds one token of each answer that is being written and a piece of one prompt that is being
read, so that a long prompt does not hold up what others read on their screens; prompts are read in turns.
Waiting answers enter in the order they came. Does not know sockets or chats. Invariants: an answer ends
with exactly one `Ended` or `Failed`; an error costs only the answer that it belongs to, and what was lost
of the others is read again without showing anything twice.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Thread
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nexus.core.errors import EngineError, StorageError
from nexus.engine.local.answer import Answer, Progress
from nexus.engine.local.native_errors import translated
from nexus.engine.local.scored import Scored
from nexus.engine.local.stream import Stream
from nexus.engine.local.streams import CrowdedError, Streams

if TYPE_CHECKING:
    from nexus._engine import Model

log = logging.getLogger(__name__)

ALONE_TOKENS = 256
SHARED_TOKENS = 64
# So often a damaged block is computed again for one answer; each time fewer stored ones are left.
TRIES = 16


@dataclass(slots=True, eq=False)
class Running:
    """An answer with its stream. What the stream has not of prompt and chosen tokens enters next: of an
    answer that is being written, the token chosen last. A suspect was in a step that failed."""

    answer: Answer | Scored
    stream: Stream
    suspect: bool = False
    freed: bool = False

    @property
    def missing(self) -> int:
        """How many tokens are known and not yet read."""
        return len(self.answer.prompt) + len(self.answer.chosen) - len(self.stream.tokens)

    @property
    def reading(self) -> bool:
        """Whether more than the token that was just chosen is still to be read."""
        return self.missing > 1 or not self.answer.chosen

    def rows(self, tokens: int) -> int:
        """Of how many of the next tokens, the last ones, the logits are wanted."""
        known = len(self.answer.prompt) + len(self.answer.chosen)
        wanted = len(self.stream.tokens) + tokens - (known - self.answer.fresh)
        return max(0, min(tokens, wanted))

    def piece(self, size: int) -> list[int]:
        """The next tokens, at most `size`, so that the following piece begins at a multiple of it."""
        prompt, entered = self.answer.prompt, len(self.stream.tokens)
        end = entered + size - entered % size
        later = self.answer.chosen[max(0, entered - len(prompt)) : max(0, end - len(prompt))]
        return [*prompt[entered:end].tolist(), *later]


class Scheduler:
    """`submit` from any thread; everything else happens in the thread that `start` makes."""

    def __init__(self, model: Model, streams: Streams, *, at_once: int) -> None:
        self._model = model
        self._streams = streams
        self._at_once = at_once
        self._changed = Condition()
        self._waiting: deque[Answer | Scored] = deque()
        self._tasks: deque[Callable[[], None]] = deque()
        self._running: list[Running] = []
        self._stopping = False
        # The first in line finds no room before one of the running has ended.
        self._crowded = False
        self._thread = Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End all answers, bring what is finished to the disk, and return."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()

    def submit(self, answer: Answer | Scored) -> None:
        """Take the answer into the line."""
        with self._changed:
            if self._stopping:
                answer.fail(EngineError("the engine is stopping", hint="ask again in a moment"))
                return
            self._waiting.append(answer)
            self._changed.notify_all()

    def between_steps(self, task: Callable[[], None]) -> None:
        """Have the computing thread call `task` when no step runs: only it may touch the streams.

        Raises `EngineError` where it ends.
        """
        with self._changed:
            if self._stopping:
                raise EngineError("the engine is stopping", hint="ask again in a moment")
            self._tasks.append(task)
            self._changed.notify_all()

    @property
    def load(self) -> tuple[int, int]:
        """Answers running and waiting."""
        with self._changed:
            return len(self._running), len(self._waiting)

    @property
    def reading(self) -> list[tuple[int, int]]:
        """Of each prompt that is being read: tokens that are in the model, and all."""
        with self._changed:
            readers = [each for each in self._running if not each.answer.chosen]
        return [(len(each.stream.tokens), len(each.answer.prompt)) for each in readers]

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._stopping or self._waiting or self._running or self._tasks):
                    self._changed.wait()
                stopping = self._stopping
                tasks, self._tasks = self._tasks, deque()
            for task in tasks:
                task()
            if stopping:
                self._end_all()
                return
            try:
                self._drop_cancelled()
                self._admit()
                if self._running:
                    self._step()
            except Exception as error:  # this thread serves all; it ends with the process only
                log.exception("a step could not be made")
                for running in list(self._running):
                    self._leave(running, error)

    def _admit(self) -> None:
        while len(self._running) < self._at_once and not self._crowded:
            with self._changed:
                if not self._waiting:
                    return
                answer = self._waiting.popleft()
            stream = None
            try:
                stream, entered = self._streams.open(answer.prompt, answer.fresh, idle=answer.lasting)
                self._streams.promise(stream, len(answer.prompt) + answer.max_tokens)
            except CrowdedError:
                if stream is not None:
                    self._keep(stream)
                with self._changed:
                    self._waiting.appendleft(answer)
                self._crowded = True
                return
            except Exception as error:  # a bad store must not end the thread that serves all
                if stream is not None:
                    self._keep(stream)
                self._fail(answer, error)
                continue
            answer.cached = entered
            answer.events.put(Progress(entered, len(answer.prompt), entered))
            with self._changed:
                self._running.append(Running(answer, stream))

    def _step(self) -> None:
        taking = self._plan()
        wanted = [running.rows(len(tokens)) for running, tokens in taking]
        try:
            logits = self._model.step(
                [
                    (running.stream.context, tokens, rows)
                    for (running, tokens), rows in zip(taking, wanted, strict=True)
                ]
            )
        except Exception as error:  # it is found out which of them it belongs to
            self._recover([running for running, _ in taking], error)
            return
        for running, tokens in taking:
            running.suspect = False
            self._streams.grew(running.stream, tokens)
        row = 0
        for (running, _), rows in zip(taking, wanted, strict=True):
            try:
                self._advance(running, logits[row : row + rows])
            except Exception as error:
                self._leave(running, error)
            row += rows

    def _plan(self) -> list[tuple[Running, list[int]]]:
        """Who brings which tokens into the next step."""
        most = min(ALONE_TOKENS, self._streams.most_tokens)
        for running in self._running:
            if running.suspect:
                return [(running, running.piece(most))]
        writers = [running for running in self._running if not running.reading]
        readers = [running for running in self._running if running.reading]
        taking = [(running, running.piece(1)) for running in writers]
        if readers:
            taking.append((readers[0], readers[0].piece(SHARED_TOKENS if writers else most)))
        return taking

    def _advance(self, running: Running, logits: NDArray[np.float32]) -> None:
        answer, entered = running.answer, len(running.stream.tokens)
        if not answer.chosen:
            answer.events.put(Progress(entered, len(answer.prompt), answer.cached))
        if len(logits):
            answer.take(logits, entered)
        else:
            # The next prompt in line has its turn: reading goes round.
            with self._changed:
                self._running.remove(running)
                self._running.append(running)
        if answer.ended:
            self._leave(running)
        else:
            self._streams.settle(running.stream)

    def _drop_cancelled(self) -> None:
        with self._changed:
            gone = [answer for answer in self._waiting if answer.cancel.is_set()]
            for answer in gone:
                self._waiting.remove(answer)
        for answer in gone:
            answer.end("cancelled")
        for running in [running for running in self._running if running.answer.cancel.is_set()]:
            running.answer.end("cancelled")
            self._leave(running)

    def _leave(self, running: Running, error: Exception | None = None) -> None:
        """The answer is over. Its stream is kept for the next turn, unless it is in doubt."""
        with self._changed:
            self._running.remove(running)
        self._crowded = False
        if error is None and running.answer.lasting:
            self._keep(running.stream)
            return
        self._streams.drop(running.stream)
        if error is not None:
            self._fail(running.answer, error)

    def _keep(self, stream: Stream) -> None:
        try:
            self._streams.keep(stream)
        except Exception as error:  # the answer was given; only its reuse is lost
            log.warning("a finished conversation could not be kept: %s", translated(error))
            self._streams.drop(stream)

    def _recover(self, concerned: list[Running], error: Exception) -> None:
        """A step failed. Damaged blocks go and are read again; else the answers of the step go on one by
        one, and the one that fails alone ends. Where the disk is full, stored prefixes make room once."""
        try:
            for running in concerned:
                self._streams.mend(running.stream)
            if self._healed(concerned, error):
                return
        except Exception as failed:  # nothing is certain about any of them
            for running in concerned:
                self._leave(running, failed)
            return
        if len(concerned) == 1:
            self._leave(concerned[0], error)
            return
        for running in concerned:
            running.suspect = True

    def _healed(self, concerned: list[Running], error: Exception) -> bool:
        """Whether all may go on, as what was wrong is gone."""
        from nexus._engine import EngineIoError

        slot = getattr(error, "slot", None)
        if slot is not None:
            log.warning("stored context was damaged and is computed again: %s", error)
            found = self._streams.forget_damaged(slot)
            for running in concerned:
                running.answer.tries += 1
                running.answer.cached = min(running.answer.cached, len(running.stream.tokens))
            return found and all(running.answer.tries < TRIES for running in concerned)
        if isinstance(error, EngineIoError) and len(concerned) == 1 and not concerned[0].freed:
            concerned[0].freed = True
            return self._streams.free_some(concerned[0].stream) > 0
        return False

    def _fail(self, answer: Answer | Scored, error: Exception) -> None:
        known = translated(error)
        level = logging.WARNING if isinstance(known, StorageError) else logging.ERROR
        log.log(level, "an answer failed: %s", known)
        answer.fail(known)

    def _end_all(self) -> None:
        with self._changed:
            waiting, self._waiting = list(self._waiting), deque()
            running, self._running = list(self._running), []
        for answer in [*waiting, *(each.answer for each in running)]:
            answer.fail(EngineError("the engine was stopped", hint="ask again in a moment"))
        self._streams.close()
