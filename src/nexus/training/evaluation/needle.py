"""Needles for `nexus eval needle`: facts said once in each of four haystacks, asked at the end.

Knows candidates and the search; knows no command line. Invariant: every candidate gets the same streams.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nexus.core.errors import InvalidInputError
from nexus.training.diet import haystacks
from nexus.training.episodes import Haystack, natural
from nexus.training.evaluation.figures import Figure
from nexus.training.facts import Kind
from nexus.training.needles import Score, search
from nexus.transformer.tokenizer import Tokenizer

HAYSTACKS: Final = ("text", "common", "letters", "rare")


@dataclass(frozen=True, slots=True)
class Row:
    """One candidate in one haystack: of `asked` facts a stream."""

    candidate: str
    haystack: str
    kind: str
    length: int
    asked: int
    score: Score

    @property
    def exact(self) -> Figure:
        """How many needles of a stream were told word for word."""
        return Figure.of(float(stream.exact) for stream in self.score.streams)

    @property
    def held(self) -> Figure:
        """How many needles of a stream its memory still held when they were asked for."""
        return Figure.of(float(stream.held) for stream in self.score.streams)

    @property
    def entries(self) -> Figure:
        """How many entries of a stream's memory are in use at its end."""
        return Figure.of(float(stream.entries) for stream in self.score.streams)

    def by_distance(self) -> list[tuple[int, bool]]:
        """Of each fact of all streams the tokens since it was said, and whether it was answered exactly."""
        return [
            pair for stream in self.score.streams for pair in zip(stream.distance, stream.right, strict=True)
        ]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "candidate": self.candidate,
            "haystack": self.haystack,
            "kind": self.kind,
            "length": self.length,
            "asked": self.asked,
            "exact": self.exact.as_dict(),
            "held": self.held.as_dict(),
            "entries": self.entries.as_dict(),
            "tokens_per_second": self.score.tokens_per_second,
            "distance": [list(stream.distance) for stream in self.score.streams],
            "right": [list(stream.right) for stream in self.score.streams],
        }


def haystack(name: str, tokenizer: Tokenizer, text: NDArray[np.integer[Any]] | None) -> Haystack:
    """Raises `InvalidInputError` for a name that is none, and for "text" without one."""
    if name == "text":
        if text is None or not len(text):
            raise InvalidInputError("a haystack of text, and no text", hint="name some: --books PATH")
        return natural(np.asarray(text, np.int64))
    if name in (others := haystacks(tokenizer)):
        return others[name]
    raise InvalidInputError(f"no haystack {name!r}", hint=f"there are {', '.join(HAYSTACKS)}")


def run(
    candidates: Mapping[str, Any],
    tokenizer: Tokenizer,
    names: Sequence[str],
    *,
    length: int,
    count: int,
    kind: Kind,
    seeds: int,
    text: NDArray[np.integer[Any]] | None = None,
    told: Callable[[str, int, int], None] = lambda doing, done, of: None,
    came: Callable[[Row], None] = lambda row: None,
) -> list[Row]:
    """A row for each candidate and haystack; `came` hears of each as soon as it is there."""
    rows = []
    for name in names:
        hay = haystack(name, tokenizer, text)
        for candidate, model in candidates.items():

            def tell(done: int, of: int, doing: str = f"{candidate}, {name}") -> None:
                told(doing, done, of)

            score = search(
                model,
                lambda words: tokenizer.encode(words).tolist(),
                hay,
                length,
                count=count,
                kind=kind,
                seeds=range(seeds),
                told=tell,
            )
            rows.append(Row(candidate, name, kind, length, count, score))
            came(rows[-1])
    return rows
