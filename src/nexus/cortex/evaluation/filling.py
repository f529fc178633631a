"""A large store from given sentences: real words, invented meaning.

Passages are made of sentences of the given texts, so that words are as common and as rare as they
really are. Embedding 100,000 of them would take an hour, and a search by meaning costs the same
whatever the numbers are; so vectors are random, in clusters, and handed out by an embedder that stands
in while the store is filled. Invariant: no two passages have the same text.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nexus.cortex.embedder import OnnxEmbedder
from nexus.cortex.embedders import Embedders
from nexus.cortex.evaluation.product import Product, default_names
from nexus.cortex.indexer import Matrix
from nexus.cortex.late import DIMENSIONS, TokenVectors
from nexus.cortex.ledger import NewChunk, ObjectKind
from nexus.cortex.store import NewObject

PROJECTS = 20
# Three of ten passages are turns, the rest is documentation.
_TURNS, _OF = 3, 10
_IN_ONE, _AT_ONCE = 40, 25
_CLUSTERS, _SPREAD = 500, 0.6
_TOKENS = 24  # word vectors of a turn; one of LoCoMo has 18 on average
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_MOST_BYTES = 20_000_000
_ENOUGH = 1000


class Invented(OnnxEmbedder):
    """Counts tokens as the model does, but its vectors are random."""

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__(name, folder)
        self._draw = np.random.default_rng(0)
        self._centres = _unit(self._draw.standard_normal((_CLUSTERS, self.dimensions), np.float32))

    def passages(self, texts: Sequence[str], on_batch: Callable[[int], None] | None = None) -> Matrix:
        """One random vector a text, near the centre of a cluster."""
        return self._near(self._centres, len(texts))

    def passages_with_tokens(
        self, texts: Sequence[str], on_batch: Callable[[int], None] | None = None, **_: Any
    ) -> tuple[Matrix, list[TokenVectors]]:
        """The same, and random word vectors."""
        words = [
            TokenVectors.of(self._near(self._centres[:, :DIMENSIONS], _TOKENS)) for _ in range(len(texts))
        ]
        return self.passages(texts), words

    def _near(self, centres: Matrix, count: int) -> Matrix:
        chosen = centres[self._draw.integers(0, len(centres), count)]
        noise = self._draw.standard_normal(chosen.shape, np.float32) / np.float32(chosen.shape[1] ** 0.5)
        return _unit(_unit(chosen) + np.float32(_SPREAD) * noise)


def invented(models: Path) -> Embedders:
    """Stand-ins for the default embedders of a folder of models."""
    documents, talk = default_names()
    return Embedders(Invented(documents, models / documents), Invented(talk, models / talk))


def sentences(data: Path) -> list[str]:
    """Distinct sentences of 40 to 400 characters of the texts below `data`, at most 20 MB of them.

    Texts are Markdown, plain and XML files, and the strings in JSON files. Empty when there are fewer
    than a thousand sentences.
    """
    found: dict[str, None] = {}
    read = 0
    paths = [data] if data.is_file() else sorted(data.rglob("*"))
    for path in paths:
        if path.suffix not in (".md", ".txt", ".rst", ".xml", ".json") or not path.is_file():
            continue
        if read > _MOST_BYTES:
            break
        text = path.read_text(encoding="utf-8", errors="replace")
        read += len(text)
        for part in _strings(text) if path.suffix == ".json" else [text]:
            for sentence in _SENTENCE.split(re.sub(r"<[^>]{1,40}>", " ", part)):
                plain = " ".join(sentence.split())
                if 40 <= len(plain) <= 400:
                    found[plain] = None
    return list(found) if len(found) >= _ENOUGH else []


def fill(
    product: Product, texts: Sequence[str], count: int, on_progress: Callable[[int, int], None]
) -> dict[ObjectKind, int]:
    """Store `count` passages of these sentences in `PROJECTS` projects. Returns how many of each kind.

    `product` must have been opened with `invented` embedders.
    """
    draw = random.Random(0)
    tokens = [product.embedders.documents.count(text) for text in texts]
    made: dict[ObjectKind, int] = {"document": 0, "transcript": 0}
    seen: set[str] = set()
    batch: list[NewObject] = []
    number = 0
    while number * _IN_ONE < count:
        # Every project has its share of both.
        kind: ObjectKind = "transcript" if (7 * number + number // PROJECTS) % _OF < _TURNS else "document"
        chunks = [
            _chunk(kind, texts, tokens, draw, seen) for _ in range(min(_IN_ONE, count - number * _IN_ONE))
        ]
        made[kind] += len(chunks)
        project = f"/bench/p{number % PROJECTS}"
        batch.append(
            NewObject(kind, f"{project}/{number}", chunks, project, "filled", 1, 1, project=project, title="")
        )
        number += 1
        if len(batch) == _AT_ONCE or number * _IN_ONE >= count:
            product.store.embed(product.store.put(batch))
            batch = []
            on_progress(sum(made.values()), count)
    return made


def _chunk(
    kind: ObjectKind, texts: Sequence[str], tokens: Sequence[int], draw: random.Random, seen: set[str]
) -> NewChunk:
    while True:
        rows = [draw.randrange(len(texts)) for _ in range(2 if kind == "transcript" else 5)]
        text = " ".join(texts[row] for row in rows)
        if text not in seen:
            break
    seen.add(text)
    if kind == "transcript":
        context = f"[Monday 3 March 2025] {texts[draw.randrange(len(texts))]}"
        said = f"2025-03-{draw.randrange(1, 29):02d}T12:00:00Z"
        return NewChunk("", (), text, 1, 1, sum(tokens[row] for row in rows), context, "User", said)
    heading = tuple(" ".join(texts[draw.randrange(len(texts))].split()[:4]) for _ in range(2))
    return NewChunk("", heading, text, 1, 1, sum(tokens[row] for row in rows), " > ".join(heading))


def _strings(text: str) -> list[str]:
    """All strings in a JSON document; none when it is not JSON."""
    try:
        pending = [json.loads(text)]
    except ValueError:
        return []
    found: list[str] = []
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, list):
            pending.extend(reversed(item))
        elif isinstance(item, dict):
            pending.extend(reversed(item.values()))
    return found


def _unit(vectors: Matrix) -> Matrix:
    unit: Matrix = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
