"""The vectors of chunks: from the cache when their text was embedded before, else from the model.

Memories and turns also have one small vector per word (`nexus.cortex.late`); documents do not, where
these measured no gain. Invariant: what is handed out was read back from the cache, so a rebuilt index
is given the very same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nexus.core import ids
from nexus.cortex.embedder import Embedder
from nexus.cortex.embedders import Embedders
from nexus.cortex.embedding_cache import EmbeddingCache
from nexus.cortex.entries import text_to_embed
from nexus.cortex.late import Matrix, TokenVectors
from nexus.cortex.ledger import ChunkRow


class Vectors:
    """Vectors by chunk."""

    def __init__(self, embedders: Embedders, cache: EmbeddingCache) -> None:
        self._embedders, self._cache = embedders, cache

    def of(self, rows: Sequence[ChunkRow]) -> tuple[Matrix, int]:
        """Unit vectors of these chunks, shape (n, d), and how many had to be made now."""
        keys = [self.key(row) for row in rows]
        made = self._make(rows)
        held = self._cache.get(keys)
        if any(key not in held for key in keys):
            # The cache was found damaged between the two, and is a new one now.
            made += self._make(rows)
            held = self._cache.get(keys)
        matrix = np.zeros((len(rows), self._embedders.dimensions), np.float32)
        for number, key in enumerate(keys):
            matrix[number] = held[key]
        return matrix, made

    def _make(self, rows: Sequence[ChunkRow]) -> int:
        made = 0
        for documents in (True, False):
            part = [row for row in rows if (row.kind == "document") is documents]
            embedder = self._embedders.documents if documents else self._embedders.talk
            lettered = embedder.has_tokens and not documents
            made += (self._make_with_tokens if lettered else self._make_plain)(embedder, part)
        return made

    def late(self, points: Sequence[str]) -> dict[str, TokenVectors]:
        """The word vectors of these points; absent where there are none yet."""
        held = self._cache.get_tokens(points)
        return {point: TokenVectors.from_bytes(data) for point, data in held.items()}

    def key(self, row: ChunkRow) -> str:
        """The cache key of a chunk: the same text under the same model."""
        model = self._embedders.of(row.kind).model_id
        return ids.content_hash(f"{model}\0{text_to_embed(row)}".encode("utf-8", "surrogatepass"))

    def trim(self, rows: Sequence[ChunkRow]) -> None:
        """Drop everything cached that none of these chunks needs."""
        self._cache.keep_only({self.key(row) for row in rows}, {row.point for row in rows})

    def __len__(self) -> int:
        return len(self._cache)

    def _make_plain(self, embedder: Embedder, rows: Sequence[ChunkRow]) -> int:
        texts = {self.key(row): text_to_embed(row) for row in rows}
        held = self._cache.get(list(texts))
        missing = {key: text for key, text in texts.items() if key not in held}
        if missing:
            fresh = embedder.passages(list(missing.values()))
            self._cache.put(dict(zip(missing, fresh, strict=True)))
        return len(missing)

    def _make_with_tokens(self, embedder: Embedder, rows: Sequence[ChunkRow]) -> int:
        keys = {row.point: self.key(row) for row in rows}
        texts = {keys[row.point]: text_to_embed(row) for row in rows}
        held = self._cache.get(list(texts)).keys() & self._cache.with_tokens(list(texts))
        missing = {key: text for key, text in texts.items() if key not in held}
        if missing:
            fresh, tokens = embedder.passages_with_tokens(list(missing.values()))
            self._cache.put(dict(zip(missing, fresh, strict=True)))
            self._cache.put_tokens({key: t.to_bytes() for key, t in zip(missing, tokens, strict=True)})
        self._cache.put_points(keys)
        return len(missing)
