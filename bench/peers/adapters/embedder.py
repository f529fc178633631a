"""The embedder that all of them get: the one that Cortex takes for the same task, same file, same code.

Not a peer. It needs numpy, onnxruntime and tokenizers in the peer's environment, nothing else of ours.
"""

from __future__ import annotations

import os
from pathlib import Path

from nexus.cortex.embedder import OnnxEmbedder

DIMENSIONS = 384  # of both that Cortex has


class OurEmbedder:
    """Vectors as lists of floats, which is how these libraries pass them about."""

    def __init__(self, models: Path) -> None:
        self.name = os.environ["PEERS_EMBEDDER"]
        self._model = OnnxEmbedder(self.name, models / self.name)

    def passages(self, texts: list[str]) -> list[list[float]]:
        """Of stored texts."""
        rows: list[list[float]] = self._model.passages(texts).tolist()
        return rows

    def question(self, text: str) -> list[float]:
        """Of a question."""
        row: list[float] = self._model.query(text).tolist()
        return row
