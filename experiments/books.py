"""Streams of token ids of real books, held out from what the tokenizer and its ranks were made of.

Knows nothing of memories. Invariant: the same NEXUS_DATA gives the same ids; they are made once and kept in
build/experiments.

NEXUS_DATA holds books/train and books/eval (docs/guides/benchmarks.md). The tokenizer is a byte-level BPE
of 16,384 types, as that of the figures in research/transformer.md, trained on the first 6 MB of
books/train, by name; ranks are taken from the next 6 MB of books/train. Stream n is `LENGTH` tokens of
books/eval, which lie behind those of stream n - 1.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from nexus.core.errors import InvalidInputError

TYPES: Final = 16_384
LENGTH: Final = 512_000
STREAMS: Final = 5
_PART: Final = 6_000_000
_KEPT: Final = Path(__file__).resolve().parents[1] / "build" / "experiments"

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Books:
    """`streams` [STREAMS, LENGTH]; `rank` [TYPES]: 0 for the most frequent type; `mass80` types make 80 %."""

    streams: Ids
    rank: Ids
    mass80: int

    def rare(self, ids: Ids) -> NDArray[np.bool_]:
        """Whether a token lies outside the smallest set of types that make 80 % of the training text."""
        open_: NDArray[np.bool_] = self.rank[ids] >= self.mass80
        return open_


def books() -> Books:
    """Read or make them. Raises `InvalidInputError` without NEXUS_DATA or books in it."""
    kept = _KEPT / "books.npz"
    if not kept.exists():
        _make(kept)
    with np.load(kept) as saved:
        streams, counts = saved["streams"].astype(np.int64), saved["counts"]
    order = np.argsort(-counts, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    mass = np.cumsum(counts[order]) / counts.sum()
    return Books(streams, rank, int(np.searchsorted(mass, 0.8)) + 1)


def tokenizer_file() -> Path:
    """The tokenizer that the streams were made with; after `books`."""
    return _KEPT / "tokenizer.json"


def _make(kept: Path) -> None:
    data = os.environ.get("NEXUS_DATA", "")
    train, held_out = (sorted((Path(data) / "books" / part).glob("*.txt")) for part in ("train", "eval"))
    if not data or not train or not held_out:
        raise InvalidInputError(
            f"NEXUS_DATA is {data!r} and holds no books/train and books/eval",
            hint="name the folder with the data sets (docs/guides/benchmarks.md)",
        )
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in train)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=TYPES, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(_part(texts), trainer)
    counts = np.zeros(TYPES, np.int64)
    for text in _part(texts):
        counts += np.bincount(tokenizer.encode(text).ids, minlength=TYPES)
    ids: list[int] = []
    for path in held_out:
        ids += tokenizer.encode(path.read_text(encoding="utf-8", errors="replace")).ids
        if len(ids) >= STREAMS * LENGTH:
            break
    if len(ids) < STREAMS * LENGTH:
        raise InvalidInputError(f"books/eval has {len(ids)} tokens, not {STREAMS * LENGTH}", hint="add books")
    kept.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(tokenizer_file()))
    streams = np.array(ids[: STREAMS * LENGTH], np.uint16).reshape(STREAMS, LENGTH)
    np.savez_compressed(kept, streams=streams, counts=counts)


def _part(texts: Iterator[str]) -> Iterator[str]:
    """The next texts, until they are long enough."""
    size = 0
    while size < _PART:
        text = next(texts)
        size += len(text)
        yield text
