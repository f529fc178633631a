"""What gives files and questions their vectors: the four blocks of the local model, or a provider's own.

`Space` is the boundary that the pipeline writes through and the search asks. Knows no store. Invariant:
vectors of two spaces never meet: each has an id, and a folder of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from nexus.cortex.embedder import Embedder, Question
from nexus.memexfs import blocks
from nexus.memexfs.shard import FileVectors

Matrix = NDArray[np.float32]


class FileText(NamedTuple):
    """What a file's vector is made of. `passages` (n, d) are the unit vectors of its passages by the local
    model, `tokens` how long each is; none for a file without text. `lead` and `text` are its first words."""

    path: bytes
    title: str
    lead: str
    tags: Sequence[str]
    neighbours: Sequence[bytes]
    passages: Matrix
    tokens: Sequence[int]
    text: str = ""


class Space(Protocol):
    """Raises `NexusError` where the model or the provider cannot be had."""

    id: str  # names the folder of its vectors; changes whenever they do
    dimensions: int

    def vector(self, file: FileText) -> Matrix:
        """The vector of a file, shape (dimensions,)."""

    def renamed(self, vectors: Sequence[Matrix], paths: Sequence[bytes]) -> list[Matrix]:
        """These vectors for files that are now at these paths and otherwise as they were."""

    def candidates(
        self,
        vectors: FileVectors,
        text: str,
        asked: Question,
        share: Mapping[str, float],
        limit: int,
        among: Sequence[int] | None = None,
    ) -> list[int]:
        """The files nearest to a question, of `among` where given; `share` are weights of the blocks, where
        there are blocks."""

    def near(
        self,
        vectors: FileVectors,
        text: str,
        asked: Question,
        share: Mapping[str, float],
        files: Sequence[int],
    ) -> dict[int, dict[str, float]]:
        """How near each of these files is, by part. `total` is 0 for what is unrelated and about 1 for what
        is about the question; the others are cosines. Files that have no vector are absent."""

    def like(self, vectors: FileVectors, file: int, limit: int) -> dict[int, dict[str, float]]:
        """The files most like this one, without it, by part; `total` is the mean of the others. Empty where
        the file has no vector."""


class Blocks:
    """The local model, four times: see `nexus.memexfs.blocks`."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.id = f"blocks-1-{embedder.model_id}"
        self.dimensions = len(blocks.BLOCKS) * embedder.dimensions

    def vector(self, file: FileText) -> Matrix:
        texts = [blocks.name_text(file.path), blocks.tags_text(file.tags, file.neighbours)]
        said = [text for text in texts if text]
        made = dict(zip(said, self._embedder.passages(said), strict=True))
        parts = {
            "name": made.get(texts[0]),
            "lead": file.passages[0] if len(file.passages) else None,
            "body": blocks.middle(file.passages, file.tokens),
            "tags": made.get(texts[1]),
        }
        return blocks.assembled(parts, self._embedder.dimensions)

    def renamed(self, vectors: Sequence[Matrix], paths: Sequence[bytes]) -> list[Matrix]:
        names = self._embedder.passages([blocks.name_text(path) for path in paths])
        return [
            blocks.assembled({**blocks.taken_apart(vector), "name": name}, self._embedder.dimensions)
            for vector, name in zip(vectors, names, strict=True)
        ]

    def candidates(
        self,
        vectors: FileVectors,
        text: str,
        asked: Question,
        share: Mapping[str, float],
        limit: int,
        among: Sequence[int] | None = None,
    ) -> list[int]:
        return list(vectors.nearest(blocks.question(asked.vector, share), limit, among))

    def near(
        self,
        vectors: FileVectors,
        text: str,
        asked: Question,
        share: Mapping[str, float],
        files: Sequence[int],
    ) -> dict[int, dict[str, float]]:
        found = _cosines(vectors, dict.fromkeys(blocks.BLOCKS, asked.vector), files)
        low, band = self._embedder.unrelated, self._embedder.relevant - self._embedder.unrelated
        return {
            file: {"total": (_weighted(parts, share) - low) / band, **parts} for file, parts in found.items()
        }

    def like(self, vectors: FileVectors, file: int, limit: int) -> dict[int, dict[str, float]]:
        held = vectors.get(file)
        if held is None:
            return {}
        # Names and tags of all files of a folder are much alike; what two files say is not.
        share = {"name": 0.1, "lead": 0.3, "body": 0.5, "tags": 0.1}
        parts = {name: part for name, part in blocks.taken_apart(held[0]).items() if part.any()}
        whole = np.concatenate(
            [parts.get(name, np.zeros_like(held[0][: self._embedder.dimensions])) * np.float32(share[name])
             for name in blocks.BLOCKS]
        )  # fmt: skip
        near = [other for other in vectors.nearest(whole, limit + 1) if other != file][:limit]
        found = _cosines(vectors, parts, near)
        return {other: {"total": _weighted(found[other], share), **found[other]} for other in near}


def _cosines(
    vectors: FileVectors, asked: Mapping[str, Matrix], files: Sequence[int]
) -> dict[int, dict[str, float]]:
    """The cosine of each block of each file to that block's question; blocks that are zeros are absent."""
    found: dict[int, dict[str, float]] = {}
    for name, vector in asked.items():
        alone = np.concatenate(
            [vector if block == name else np.zeros_like(vector) for block in blocks.BLOCKS]
        )
        for file, cosine in vectors.nearest(alone, len(files), files).items():
            parts = found.setdefault(file, {})
            if cosine:
                parts[name] = cosine
    return found


def _weighted(parts: Mapping[str, float], share: Mapping[str, float]) -> float:
    """The mean of the blocks that there are. One that is absent says nothing for or against a file."""
    total = sum(share[name] for name in parts)
    return sum(share[name] * cosine for name, cosine in parts.items()) / total if total > 0 else 0.0
