"""Bits per byte for `nexus eval bpb`: how well texts are predicted, with the memory and without.

Knows candidates and documents; knows no command line. Invariants: each document is a stream of its own, whose
first token is given; bytes are those of the text, not of tokens.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nexus.core.errors import InvalidInputError
from nexus.training.evaluation.figures import Figure
from nexus.training.evaluation.passes import Ids, through
from nexus.transformer.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Row:
    """One candidate over all documents. on, off: bits per byte with the memory and without, all together;
    of_documents: each by itself.
    """

    candidate: str
    tokens: int
    bytes: int
    on: float
    off: float
    on_of_documents: Figure
    off_of_documents: Figure
    tokens_per_second: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "candidate": self.candidate,
            "tokens": self.tokens,
            "bytes": self.bytes,
            "bits_per_byte": self.on,
            "bits_per_byte_without": self.off,
            "of_documents": self.on_of_documents.as_dict(),
            "of_documents_without": self.off_of_documents.as_dict(),
            "tokens_per_second": self.tokens_per_second,
        }


def run(
    candidates: Mapping[str, Any],
    tokenizer: Tokenizer,
    documents: Iterable[tuple[str, Ids]],
    *,
    most_tokens: int,
    told: Callable[[str, int, int], None] = lambda doing, done, of: None,
) -> list[Row]:
    """A row for each candidate; of the documents in order at most `most_tokens`, the last one cut.

    Raises `InvalidInputError` where they hold no two tokens.
    """
    texts: list[Ids] = []
    left = most_tokens
    for _, ids in documents:
        if left < 2:
            break
        if len(ids) > 1:
            texts.append(ids[:left])
            left -= len(texts[-1])
    if not texts:
        raise InvalidInputError("the texts hold no two tokens", hint="name longer texts")
    sizes = [len(tokenizer.decode_bytes(ids[1:])) for ids in texts]
    whole = sum(len(ids) - 1 for ids in texts)
    rows = []
    for candidate, model in candidates.items():
        done, began, nats = 0, time.perf_counter(), []
        for ids in texts:
            on = off = 0.0
            for step in through(model, ids):
                on += float(step.on.double().sum())
                off += float(step.off.double().sum())
                told(candidate, done + step.at + len(step.on), whole)
            nats.append((on, off))
            done += len(ids) - 1
        bits = [[each[part] / math.log(2) for each in nats] for part in (0, 1)]
        rows.append(
            Row(
                candidate,
                whole,
                sum(sizes),
                sum(bits[0]) / sum(sizes),
                sum(bits[1]) / sum(sizes),
                _each(bits[0], sizes),
                _each(bits[1], sizes),
                whole / (time.perf_counter() - began),
            )
        )
    return rows


def _each(bits: list[float], sizes: list[int]) -> Figure:
    return Figure.of(some / size for some, size in zip(bits, sizes, strict=True) if size)
