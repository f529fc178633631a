"""A file streamed through a memory, and the questions about it: `nexus stream` without its terminal.

Knows a memory, a file and questions; prints nothing. Invariants: the file is read a block at a time, whatever
its length; asking changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from nexus.core.errors import MissingPartError
from nexus.core.platform import trim_heap
from nexus.transformer.memory import Memory, Recall
from nexus.transformer.questions import Question, blocks

SETTLED: Final = 0.04  # of the file: by then all that is allocated once has been


@dataclass(frozen=True, slots=True)
class Streamed:
    """tokens: of the file. rss, grown: bytes of the process at the end, and since the first 4 % of the file.
    state: bytes of the memory's state.
    """

    tokens: int
    seconds: float
    rss: int
    grown: int
    state: int

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self.tokens / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a memory answered. exact: whether it begins with the expected words; None where none are known."""

    question: str
    expected: str
    recall: Recall
    share: float  # of the stream, where it was said
    exact: bool | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "question": self.question,
            "expected": self.expected or None,
            "answer": self.recall.payload,
            "text": self.recall.text,
            "exact": self.exact,
            "position": self.recall.position,
            "share": self.share,
            "confidence": self.recall.confidence,
        }


def stream(
    memory: Memory, path: Path, told: Callable[[int, int, Streamed], None] = lambda done, of, so_far: None
) -> Streamed:
    """Write a file into a memory; `told` hears of its bytes. Raises what `questions.blocks` raises."""
    process, began, before = psutil.Process(), time.perf_counter(), memory.position
    size = path.stat().st_size if path.exists() else 0
    settled = done = 0

    def now() -> Streamed:
        rss = process.memory_info().rss
        seconds, grown = time.perf_counter() - began, rss - settled if settled else 0
        return Streamed(memory.position - before, seconds, rss, grown, memory.size())

    for block in blocks(path):
        memory.write(block)
        done += len(block.encode("utf-8"))
        # The C heap keeps what torch freed between its own blocks: tens of megabytes in a long text.
        with suppress(MissingPartError):
            trim_heap()
        if not settled and done >= SETTLED * size:
            settled = process.memory_info().rss
        told(done, size, now())
    return now()


def asked(memory: Memory, question: str, tokens: int = 32) -> Answer:
    """What comes after the words of a question, as if they were said now."""
    found = memory.ask(question, tokens)
    return Answer(question, "", found, _share(memory, found), None)


def answered(memory: Memory, question: Question) -> Answer:
    """What was said after the first mention of a phrase; right only word for word."""
    found = first(memory, question.phrase)
    exact = found.payload.startswith(question.answer)
    return Answer(question.phrase, question.answer, found, _share(memory, found), exact)


def first(memory: Memory, phrase: str) -> Recall:
    """What followed the first mention of a phrase that stands inside a sentence."""
    return memory.first(phrase)


def _share(memory: Memory, found: Recall) -> float:
    return found.position / memory.position if found.position >= 0 and memory.position else -1.0
