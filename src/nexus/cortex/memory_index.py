"""Memories in the store: how one becomes a chunk, and which are near to a text.

Knows nothing of proposals and approval (`nexus.cortex.remembering`).
"""

from __future__ import annotations

from pathlib import Path

from nexus.core import ids
from nexus.cortex.embedder import Embedder
from nexus.cortex.filters import Filter
from nexus.cortex.indexer import VectorIndex
from nexus.cortex.ledger import FOREVER, Ledger, NewChunk
from nexus.cortex.memory import Memory, seconds
from nexus.cortex.store import NewObject, Store


class MemoryIndex:
    """What memories ask of ledger and index."""

    def __init__(self, ledger: Ledger, store: Store, index: VectorIndex, embedder: Embedder) -> None:
        self._ledger, self._store, self._index, self._embedder = ledger, store, index, embedder

    def put(self, memory: Memory, path: Path) -> None:
        """Index a memory that lies at `path`; found on return."""
        # Words of the context are found, too; the vector is of what was learnt.
        around = [memory.domain, *memory.keywords, *([memory.context] if memory.context else [])]
        tokens = self._embedder.count(memory.learning)
        chunk = NewChunk(
            "", (memory.domain, *memory.keywords), memory.learning, 1, 1, tokens, " ".join(around)
        )
        data = path.read_bytes()
        points = self._store.put(
            [
                NewObject(
                    "memory",
                    str(path),
                    [chunk],
                    root=str(path.parent),
                    sha256=ids.content_hash(data),
                    size=len(data),
                    mtime_ns=path.stat().st_mtime_ns,
                    project=memory.project,
                    domain=memory.domain,
                    title=memory.id,
                    valid_from=seconds(memory.valid_from, 0),
                    valid_to=seconds(memory.valid_to, FOREVER),
                )
            ]
        )
        self._store.embed(points)

    def drop(self, path: str) -> None:
        """Take the memory at `path` out."""
        self._store.drop(path)

    def similar(self, text: str, limit: int) -> list[tuple[str, float]]:
        """Ids of the valid memories nearest to a text, with their cosines, best first."""
        if not self._ledger.objects("memory"):
            return []
        hits = self._index.nearest(self._embedder.query(text), limit, Filter().scope("memory"))
        rows = self._ledger.chunks([hit.point for hit in hits])
        return [(Path(rows[hit.point].path).stem, hit.score) for hit in hits if hit.point in rows]
