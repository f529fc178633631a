"""MemPalace: a drawer for each passage in its default store (ChromaDB), asked by its own hybrid search.

Its default embedder (MiniLM, fetched from a bucket on first use) is replaced by ours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from peers.adapters.embedder import OurEmbedder
from peers.serving import Passage, serve

# MemPalace forgets PYTHONPATH, so ours comes first.
# isort: split
from mempalace import embedding
from mempalace.palace import get_collection
from mempalace.searcher import search_memories

_BATCH = 100  # drawers filed at once, as its miners do


def _plug(models: Path) -> None:
    """Our model where MemPalace looks for its own, under the name that its store knows."""
    ours, base = OurEmbedder(models), embedding._build_ef_class()

    class Embedder(base):  # type: ignore[misc, valid-type]
        def __call__(self, input: Any) -> Any:  # noqa: A002 -- ChromaDB's name
            return ours.passages(list(input))

        def embed_query(self, input: Any) -> Any:  # noqa: A002 -- ChromaDB's name
            return [ours.question(text) for text in input]

    providers, _ = embedding._resolve_providers("cpu", "minilm")
    embedding._EF_CACHE["minilm", tuple(providers)] = Embedder(preferred_providers=providers)


class MemPalace:
    """One palace, a wing for each scope."""

    def __init__(self, models: Path, work: Path) -> None:
        _plug(models)
        self._palace = str(work / "palace")

    def write(self, passages: list[Passage]) -> None:
        """File them."""
        drawers = get_collection(self._palace, create=True)
        for start in range(0, len(passages), _BATCH):
            batch = passages[start : start + _BATCH]
            drawers.upsert(
                ids=[passage["id"] for passage in batch],
                documents=[passage["text"] for passage in batch],
                metadatas=[
                    {
                        "wing": passage["scope"] or "all",
                        "room": "passages",
                        "source_file": passage["id"],
                        "chunk_index": 0,
                        "filed_at": "2026-01-01T00:00:00",
                    }
                    for passage in batch
                ],
            )

    def ask(self, question: str, scope: str, depth: int) -> list[str]:
        """As its MCP tool asks."""
        found = search_memories(question, self._palace, wing=scope or "all", n_results=depth)
        if "results" not in found:
            raise RuntimeError(str(found.get("error", found)))
        return [hit["source_path"] for hit in found["results"]]


if __name__ == "__main__":
    serve(MemPalace)
