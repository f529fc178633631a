"""txtai: its hybrid index of BM25 and vectors, as its manual shows.

Vectors come from us by its own way for outside ones (`method: external`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from txtai import Embeddings

from peers.adapters.embedder import OurEmbedder
from peers.serving import Passage, serve

_BATCH = 64


class Txtai:
    """An index for each scope."""

    def __init__(self, models: Path, work: Path) -> None:
        self._embedder, self._asking = OurEmbedder(models), False
        self._indexes: dict[str, Embeddings] = {}

    def write(self, passages: list[Passage]) -> None:
        """One pass over each scope's."""
        scopes: dict[str, list[tuple[str, str, None]]] = {}
        for passage in passages:
            scopes.setdefault(passage["scope"], []).append((passage["id"], passage["text"], None))
        for scope, rows in scopes.items():
            index = Embeddings(
                method="external",
                transform=lambda texts: self._vectors(texts),  # it takes nothing but a function
                hybrid=True,
                encodebatch=_BATCH,
            )
            index.index(rows)
            self._indexes[scope] = index
        self._asking = True

    def ask(self, question: str, scope: str, depth: int) -> list[str]:
        """Both, weighed alike."""
        return [name for name, _ in self._indexes[scope].search(question, depth)]

    def _vectors(self, texts: list[str]) -> np.ndarray:
        if self._asking:
            return np.array([self._embedder.question(text) for text in texts], np.float32)
        return np.array(self._embedder.passages(list(texts)), np.float32)


if __name__ == "__main__":
    serve(Txtai)
