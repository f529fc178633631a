"""`VectorIndex` in a Qdrant Edge shard: on disk, in this process, exact up to about 200,000 points.

One process may hold the shard (its write-ahead log is locked), so the service owns it. A shard that
cannot be opened, or that was made for another model, is deleted and filled again by `synchronise`:
Qdrant truncates a damaged log without a word, which the comparison with the ledger finds.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import qdrant_edge as qdrant
from numpy.typing import NDArray

from nexus.core import atomic
from nexus.core.errors import AlreadyRunningError, StorageError
from nexus.cortex.indexer import Hit
from nexus.cortex.ledger import ObjectKind

_log = logging.getLogger(__name__)
_VECTOR = "text"
# Building the HNSW graph costs minutes of CPU and saves a few milliseconds below this size.
_HNSW_FROM = 200_000
_FORMAT = 1


class QdrantIndex:
    """The default vector index."""

    name = "qdrant"

    def __init__(self, folder: Path, model_id: str, dimensions: int) -> None:
        """Open the shard in `folder`, or make it. Raises `StorageError`, `AlreadyRunningError`."""
        self._folder = folder
        self._size = dimensions
        self._label = {"format": _FORMAT, "model": model_id, "dimensions": dimensions}
        self._shard = self._open()

    def upsert(
        self, points: Sequence[str], kinds: Sequence[ObjectKind], vectors: NDArray[np.float32]
    ) -> None:
        batch = [
            qdrant.Point(id=point, vector={_VECTOR: vector}, payload={"kind": kind})
            for point, kind, vector in zip(points, kinds, vectors, strict=True)
        ]
        self._update(qdrant.UpdateOperation.upsert_points(batch))

    def delete(self, points: Sequence[str]) -> None:
        self._update(qdrant.UpdateOperation.delete_points(list(points)))

    def search(self, vector: NDArray[np.float32], limit: int, kinds: Sequence[ObjectKind]) -> list[Hit]:
        names: list[str] = list(kinds)
        condition = qdrant.FieldCondition(key="kind", match=qdrant.MatchAny(any=names))
        request = qdrant.QueryRequest(
            limit=limit,
            query=qdrant.Query.Nearest(vector.tolist(), using=_VECTOR),
            filter=qdrant.Filter(must=[condition]),
        )
        return [Hit(str(found.id), float(found.score)) for found in self._shard.query(request)]

    def points(self) -> set[str]:
        held: set[str] = set()
        offset = None
        while True:
            records, offset = self._shard.scroll(
                qdrant.ScrollRequest(limit=10_000, offset=offset, with_payload=False, with_vector=False)
            )
            held.update(str(record.id) for record in records)
            if offset is None:
                return held

    def close(self) -> None:
        self._shard.flush()
        self._shard.close()

    def _update(self, operation: qdrant.UpdateOperation) -> None:
        try:
            self._shard.update(operation)
        except Exception as error:  # the library raises bare Exception
            raise StorageError(f"vector index {self._folder}: {error}") from error

    def _open(self) -> qdrant.EdgeShard:
        label = self._folder / "nexus.json"
        if self._folder.exists():
            try:
                if json.loads(label.read_text()) == self._label:
                    return qdrant.EdgeShard.load(str(self._folder))
                _log.info("vector index is for another model: building it again")
            except Exception as error:
                if "WouldBlock" in str(error):
                    raise AlreadyRunningError(
                        f"the vector index {self._folder} is in use by another process",
                        hint="stop the other NexusOS, or use another NEXUS_HOME",
                    ) from error
                _log.warning("vector index cannot be opened (%s): building it again", error)
            shutil.rmtree(self._folder, ignore_errors=True)
        try:
            self._folder.mkdir(mode=0o700, parents=True)
            shard = qdrant.EdgeShard.create(str(self._folder), self._config())
            shard.update(qdrant.UpdateOperation.create_field_index("kind", qdrant.PayloadSchemaType.Keyword))
        except OSError as error:
            raise StorageError.from_os(error, self._folder) from error
        except Exception as error:
            raise StorageError(f"cannot make the vector index {self._folder}: {error}") from error
        # Written last: a shard without its label is not complete.
        atomic.write_text(label, json.dumps(self._label))
        return shard

    def _config(self) -> qdrant.EdgeConfig:
        return qdrant.EdgeConfig(
            vectors={
                _VECTOR: qdrant.EdgeVectorParams(
                    size=self._size,
                    distance=qdrant.Distance.Cosine,
                    datatype=qdrant.VectorStorageDatatype.Float32,
                )
            },
            optimizers=qdrant.EdgeOptimizersConfig(indexing_threshold=_HNSW_FROM * self._size * 4 // 1024),
        )
