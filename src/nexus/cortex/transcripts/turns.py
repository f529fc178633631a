"""A session cut into passages by turn, each with what stands around it.

What a person said stands alone; so does every answer of some length. The small steps of an agent (a
remark, a call, its output) share a passage, and "yes, go on" goes with what it set going. Knows no file
format and no index. Invariants: nothing said is lost; no text counts more than `TurnSizes.target` tokens
and no context more than `TurnSizes.context`; when a transcript grows, all passages but the last stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from nexus.core.errors import InvalidInputError
from nexus.cortex.chunker import ChunkSizes, Kind, chunk
from nexus.cortex.packing import TokenCounter
from nexus.cortex.transcripts.transcript import Transcript, Turn

_SHORT_WORDS = 4
"""A person's turn of so few words is an answer to what was before and a start of what follows."""
_STEP = 48
"""Tokens below which something an agent says is a step on its way and no answer."""
_NUMBER_OF_DAY = "{0:%A} {0.day} {0:%B} {0.year}"
_CHARACTERS = 12  # of text looked at per token wanted; longer words are cut all the same


@dataclass(frozen=True, slots=True)
class TurnSizes:
    """Tokens: a passage at most `target`, what stands around it at most `context`.

    Both are embedded as one text, so together they must fit the embedder (512, some models 256).
    """

    target: int = 220
    context: int = 72

    def __post_init__(self) -> None:
        if self.target < 64 or not 16 <= self.context <= self.target:
            raise InvalidInputError(
                f"turn sizes target={self.target} context={self.context} cannot be met",
                hint="use target >= 64 and 16 <= context <= target",
            )

    @classmethod
    def fitting(cls, most: int, target: int = 220) -> TurnSizes:
        """The sizes for an embedder that reads `most` tokens, at most `target` for a passage."""
        context = max(16, min(72, most // 4))
        return cls(max(64, min(target, most - context - 8)), context)


@dataclass(frozen=True, slots=True)
class TurnChunk:
    """One passage of a session; its place in the list is its ordinal.

    `text` is what is shown, `Speaker: words`; `context` what is searched with it,
    `[Monday 3 March 2025] Speaker: what was said before`. `said` as in `Turn`, of the first turn in it.
    """

    text: str
    context: str
    heading: tuple[str, ...]
    start_line: int
    end_line: int
    tokens: int
    speaker: str
    said: str


def turn_chunks(
    transcript: Transcript, counter: TokenCounter, sizes: TurnSizes | None = None
) -> list[TurnChunk]:
    """The passages of a session, in order."""
    cutter = _Cutter(counter, sizes or TurnSizes())
    result: list[TurnChunk] = []
    for turns in _grouped(transcript.turns, counter, cutter.sizes.target):
        result.extend(cutter.chunks(turns))
    return result


def _line(turn: Turn) -> str:
    return f"{turn.speaker}: {turn.text}"


def _grouped(turns: Sequence[Turn], counter: TokenCounter, target: int) -> Iterator[list[Turn]]:
    """Turns that share a passage. A group is decided by what stands before its end only."""
    group: list[Turn] = []
    filled = 0
    for turn in turns:
        tokens = counter.count(_line(turn)) + 1  # the line end between two turns
        person = turn.role == "user"
        opens = all(other.role == "user" for other in group)  # nothing but "yes" so far
        step = not person and (turn.role == "tool" or tokens < _STEP)
        if group and (filled + tokens > target or not (step or (opens and not person))):
            yield group
            group, filled = [], 0
        group.append(turn)
        filled += tokens
        short = person and len(turn.text.split(maxsplit=_SHORT_WORDS)) <= _SHORT_WORDS
        if filled > target or not (step or short):
            yield group
            group, filled = [], 0
    if group:
        yield group


class _Cutter:
    """Makes the passages of groups, one group after the other."""

    def __init__(self, counter: TokenCounter, sizes: TurnSizes) -> None:
        self.counter, self.sizes = counter, sizes
        self.request: Turn | None = None  # what the person wanted last
        self.before: Turn | None = None  # what was said last

    def chunks(self, turns: list[Turn]) -> Iterator[TurnChunk]:
        text = "\n".join(_line(turn) for turn in turns)
        tokens = self.counter.count(text)
        first = turns[0]
        if tokens <= self.sizes.target:
            talk = [turn for turn in turns if turn.role != "tool"]
            speaker = (talk[0] if talk else first).speaker
            context = self._context(first.said, self._around())
            yield TurnChunk(text, context, (), first.line, turns[-1].line, tokens, speaker, first.said)
        else:
            for turn in turns:
                yield from self._parts(turn)
        for turn in turns:
            self.request = turn if turn.role == "user" else self.request
            self.before = turn if turn.role != "tool" else self.before

    def _parts(self, turn: Turn) -> Iterator[TurnChunk]:
        """A long turn, cut by paragraph; the parts after the first know how it began."""
        start = f"{turn.speaker}: "
        room = max(16, self.sizes.target - self.counter.count(start) - 2)
        kind: Kind = "markdown" if turn.role == "assistant" else "text"
        pieces = chunk(turn.text, kind, self.counter, ChunkSizes(room, min(40, room), 0))
        for number, piece in enumerate(pieces):
            text = start + piece.text
            around = [turn] if number else self._around()
            yield TurnChunk(
                text,
                self._context(turn.said, around),
                piece.heading,
                turn.line,
                turn.line,
                self.counter.count(text),
                turn.speaker,
                turn.said,
            )

    def _around(self) -> list[Turn]:
        """What was said before: the last words, and the request that they are about."""
        if self.before is None:
            return []
        if self.request is None or self.request is self.before:
            return [self.before]
        return [self.request, self.before]

    def _context(self, said: str, around: list[Turn]) -> str:
        day = f"[{_NUMBER_OF_DAY.format(datetime.fromisoformat(said))}]" if said else ""
        room = self.sizes.context - self.counter.count(day) - 2 * len(around)
        # Of two, the last words get more: the request is repeated with every step that follows it.
        shares = [room] if len(around) == 1 else [room * 2 // 5, room - room * 2 // 5]
        while True:
            parts = [
                self._shortened(turn, share)
                for turn, share in zip(around, shares[: len(around)], strict=True)
            ]
            context = " ".join(part for part in (day, "\n".join(parts)) if part)
            if self.counter.count(context) <= self.sizes.context:
                return context
            shares = [share - 4 for share in shares]

    def _shortened(self, turn: Turn, tokens: int) -> str:
        """The beginning of a turn and, of a long one, its end: there stands what is asked next."""
        if tokens <= 0:
            return ""
        head = _line(turn)[: tokens * _CHARACTERS]
        spans = self.counter.spans(head)
        if len(head) == len(turn.speaker) + 2 + len(turn.text) and len(spans) <= tokens:
            return " ".join(head.split())
        wanted = max(1, tokens * 2 // 3)
        begin = head[: spans[min(wanted, len(spans)) - 1][1]] if spans else head
        tail = turn.text[-tokens * _CHARACTERS :]
        ends = self.counter.spans(tail)
        keep = max(1, tokens - wanted - 1)
        end = tail[ends[-keep][0] :] if len(ends) > keep else tail
        return " ".join(f"{begin} … {end}".split())
