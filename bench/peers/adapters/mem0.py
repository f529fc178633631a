"""mem0 without a language model: each passage is a memory as it stands (infer=False), in its local Qdrant.

Its BM25 is fastembed's "Qdrant/bm25", which is nothing but a list of stop words on a model hub; here it runs
with none, and leaves common words to Qdrant's IDF. Lemmas and entities want a spaCy model from a code host:
they are off, as mem0 itself turns them off without spaCy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastembed.sparse.bm25 import Bm25
from mem0 import Memory

from peers.adapters.embedder import DIMENSIONS, OurEmbedder
from peers.serving import Passage, serve


class _Embedder:
    """As mem0 calls one."""

    def __init__(self, models: Path) -> None:
        self._embedder = OurEmbedder(models)

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:
        """One vector."""
        return (
            self._embedder.question(text) if memory_action == "search" else self._embedder.passages([text])[0]
        )

    def embed_batch(self, texts: list[str], memory_action: str | None = None) -> list[list[float]]:
        """Several."""
        return self._embedder.passages(texts)


class _StopWordsOfNone(Bm25):
    """Bm25 without the download of its list."""

    @classmethod
    def download_model(cls, *_: Any, **__: Any) -> Path:
        return Path()


class Mem0:
    """One store, one user per scope."""

    def __init__(self, models: Path, work: Path) -> None:
        store = {"path": str(work / "qdrant"), "embedding_model_dims": DIMENSIONS, "on_disk": True}
        unused = {
            "api_key": "none",
            "model": "none",
        }  # mem0 makes clients of both before it is asked anything
        self._memory = Memory.from_config(
            {
                "vector_store": {"provider": "qdrant", "config": store},
                "llm": {"provider": "openai", "config": unused},
                "embedder": {"provider": "openai", "config": unused},
                "history_db_path": str(work / "history.db"),
            }
        )
        self._memory.embedding_model = _Embedder(models)
        self._memory.vector_store._bm25_encoder = _StopWordsOfNone("Qdrant/bm25", stopwords=set())

    def write(self, passages: list[Passage]) -> None:
        """One `add` each, as an agent would."""
        for passage in passages:
            self._memory.add(
                passage["text"],
                user_id=passage["scope"] or "all",
                metadata={"passage": passage["id"]},
                infer=False,
            )

    def ask(self, question: str, scope: str, depth: int) -> list[str]:
        """Its `search`, with nothing cut off by score."""
        found = self._memory.search(question, top_k=depth, filters={"user_id": scope or "all"}, threshold=0.0)
        return [memory["metadata"]["passage"] for memory in found["results"]]


if __name__ == "__main__":
    serve(Mem0)
