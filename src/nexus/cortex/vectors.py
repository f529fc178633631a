"""The vectors of chunks: from the cache when their text was embedded before, else from the model.

Memories and turns also have one small vector per word (`nexus.cortex.late`); documents do not, where
these measured no gain. Invariant: what is handed out was read back from the cache, so a rebuilt index
is given the very same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nexus.core import ids
from nexus.cortex.embedder import Embedder, Matrix
from nexus.cortex.embedding_cache import EmbeddingCache
from nexus.cortex.entries import text_to_embed
from nexus.cortex.late import TokenVectors
from nexus.cortex.ledger import ChunkRow


class Vectors:
    """Vectors by chunk."""

    def __init__(self, embedder: Embedder, cache: EmbeddingCache) -> None:
        self._embedder, self._cache = embedder, cache

    def of(self, rows: Sequence[ChunkRow]) -> tuple[Matrix, int]:
        """Unit vectors of these chunks, shape (n, d), and how many had to be made now."""
        made = 0
        matrix = np.zeros((len(rows), self._embedder.dimensions), np.float32)
        for late in (False, True):
            part = [i for i, row in enumerate(rows) if (row.kind != "document") is late]
            texts = [text_to_embed(rows[i]) for i in part]
            made += self._fill(matrix, part, texts, late)
        return matrix, made

    def late(self, rows: Sequence[ChunkRow]) -> list[TokenVectors | None]:
        """The word vectors of these chunks; None where there are none yet."""
        keys = [self.key(text_to_embed(row)) for row in rows]
        held = self._cache.get_tokens(keys)
        return [TokenVectors.from_bytes(held[key]) if key in held else None for key in keys]

    def key(self, text: str) -> str:
        """The cache key of a text: the same text under the same model."""
        return ids.content_hash(f"{self._embedder.model_id}\0{text}".encode("utf-8", "surrogatepass"))

    def trim(self, rows: Sequence[ChunkRow]) -> None:
        """Drop every cached vector that none of these chunks needs."""
        self._cache.keep_only({self.key(text_to_embed(row)) for row in rows})

    def __len__(self) -> int:
        return len(self._cache)

    def _fill(self, matrix: Matrix, part: Sequence[int], texts: Sequence[str], late: bool) -> int:
        keys = [self.key(text) for text in texts]
        known = self._cache.get(keys)
        if late:
            held = self._cache.get_tokens(keys)
            known = {key: vector for key, vector in known.items() if key in held}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if missing:
            self._make(missing, late)
            known.update(self._cache.get(list(missing)))
        for row, key in zip(part, keys, strict=True):
            matrix[row] = known[key]
        return len(missing)

    def _make(self, missing: dict[str, str], late: bool) -> None:
        texts = list(missing.values())
        if not late:
            self._cache.put(dict(zip(missing, self._embedder.passages(texts), strict=True)))
            return
        fresh, tokens = self._embedder.passages_with_tokens(texts)
        self._cache.put(dict(zip(missing, fresh, strict=True)))
        self._cache.put_tokens({k: t.to_bytes() for k, t in zip(missing, tokens, strict=True)})
