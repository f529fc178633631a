"""Opens the index that the settings ask for. Imports inside: each brings a library of its own."""

from __future__ import annotations

from nexus.core import ids
from nexus.core.paths import Home
from nexus.core.settings import CortexSettings
from nexus.cortex.embedders import Embedders
from nexus.cortex.indexer import VectorIndex


def open_index(home: Home, settings: CortexSettings, embedders: Embedders) -> VectorIndex:
    """The index of a home. Raises `StorageError`, `AlreadyRunningError`, `ConfigError`."""
    if settings.index == "exact":
        from nexus.cortex.exact import ExactIndex

        return ExactIndex(embedders.dimensions)
    if settings.index == "server":
        from nexus.cortex.qdrant_server import QdrantServerIndex

        # Each home has points of its own: two of them on one collection would delete each other's.
        name = f"nexus-{ids.content_hash(str(home.root).encode())[:12]}"
        return QdrantServerIndex(
            settings.qdrant_url,
            settings.qdrant_api_key,
            embedders.model_id,
            embedders.dimensions,
            collection=name,
        )
    from nexus.cortex.qdrant import QdrantIndex

    return QdrantIndex(home.shard, embedders.model_id, embedders.dimensions)
