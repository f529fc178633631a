"""`VectorIndex` in a Qdrant Edge shard: on disk, in this process, exact up to about 200,000 points.

Each kind has vectors and words under names of its own, so that the usual search needs no condition:
one costs more than the whole scan. One process may hold the shard (its write-ahead log is locked), so
the service owns it. A shard that cannot be opened, or that was made for another model, is deleted and
filled again by `synchronise`: Qdrant truncates a damaged log without a word, which the comparison
with the ledger finds.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import qdrant_edge as qdrant

from nexus.core import atomic
from nexus.core.errors import AlreadyRunningError, StorageError
from nexus.cortex.indexer import Entry, Hit, Matrix, Scope, Sparse, WordField
from nexus.cortex.ledger import FOREVER, KINDS, ObjectKind

_log = logging.getLogger(__name__)
# Building the HNSW graph costs minutes of CPU and saves a few milliseconds below this size.
_HNSW_FROM = 200_000
_FORMAT = 2
_FIELDS: tuple[WordField, ...] = ("words", "context")
_PAYLOAD = {"kind": "Keyword", "project": "Keyword", "domain": "Keyword", "folders": "Keyword",
            "changed": "Integer", "valid_from": "Integer", "valid_to": "Integer"}  # fmt: skip


class QdrantIndex:
    """The default index."""

    name = "qdrant"

    def __init__(self, folder: Path, model_id: str, dimensions: int) -> None:
        """Open the shard in `folder`, or make it. Raises `StorageError`, `AlreadyRunningError`."""
        self._folder = folder
        self._size = dimensions
        self._label = {"format": _FORMAT, "model": model_id, "dimensions": dimensions}
        self._shard = self._open()

    def upsert(self, entries: Sequence[Entry]) -> None:
        self._update(qdrant.UpdateOperation.upsert_points([_point(entry) for entry in entries]))

    def delete(self, points: Sequence[str]) -> None:
        self._update(qdrant.UpdateOperation.delete_points(list(points)))

    def nearest(self, vector: Matrix, limit: int, scope: Scope) -> list[Hit]:
        return self._query(vector.tolist(), scope.kind, limit, scope)

    def matching(self, words: Sparse, field: WordField, limit: int, scope: Scope) -> list[Hit]:
        if not len(words.indices):
            return []
        return self._query(_sparse(words), _field(scope.kind, field), limit, scope)

    def points(self) -> dict[str, bool]:
        held = dict.fromkeys(self._ids(None), False)
        for kind in KINDS:
            embedded = qdrant.Filter(must=[qdrant.HasVectorCondition(kind)])
            held.update(dict.fromkeys(self._ids(embedded), True))
        return held

    def count(self) -> int:
        return int(self._shard.count(qdrant.CountRequest(exact=True)))

    def close(self) -> None:
        self._shard.flush()
        self._shard.close()

    def _ids(self, condition: qdrant.Filter | None) -> list[str]:
        ids: list[str] = []
        offset = None
        while True:
            records, offset = self._shard.scroll(
                qdrant.ScrollRequest(
                    limit=10_000, offset=offset, filter=condition, with_payload=False, with_vector=False
                )
            )
            ids += [str(record.id) for record in records]
            if offset is None:
                return ids

    def _query(self, vector: Any, using: str, limit: int, scope: Scope) -> list[Hit]:
        request = qdrant.QueryRequest(
            limit=limit, query=qdrant.Query.Nearest(vector, using=using), filter=_filter(scope)
        )
        try:
            return [Hit(str(found.id), float(found.score)) for found in self._shard.query(request)]
        except Exception as error:  # the library raises bare Exception
            raise StorageError(f"index {self._folder}: {error}") from error

    def _update(self, operation: qdrant.UpdateOperation) -> None:
        try:
            self._shard.update(operation)
        except Exception as error:  # the library raises bare Exception
            raise StorageError(f"index {self._folder}: {error}") from error

    def _open(self) -> qdrant.EdgeShard:
        label = self._folder / "nexus.json"
        if self._folder.exists():
            try:
                if json.loads(label.read_text()) == self._label:
                    return qdrant.EdgeShard.load(str(self._folder))
                _log.info("the index is of another model or format: building it again")
            except Exception as error:
                if "WouldBlock" in str(error):
                    raise AlreadyRunningError(
                        f"the index {self._folder} is in use by another process",
                        hint="stop the other NexusOS, or use another NEXUS_HOME",
                    ) from error
                _log.warning("the index cannot be opened (%s): building it again", error)
            shutil.rmtree(self._folder, ignore_errors=True)
        try:
            self._folder.mkdir(mode=0o700, parents=True)
            shard = qdrant.EdgeShard.create(str(self._folder), self._config())
            for key, schema in _PAYLOAD.items():
                kind = getattr(qdrant.PayloadSchemaType, schema)
                shard.update(qdrant.UpdateOperation.create_field_index(key, kind))
        except OSError as error:
            raise StorageError.from_os(error, self._folder) from error
        except Exception as error:
            raise StorageError(f"cannot make the index {self._folder}: {error}") from error
        # Written last: a shard without its label is not complete.
        atomic.write_text(label, json.dumps(self._label))
        return shard

    def _config(self) -> qdrant.EdgeConfig:
        dense = qdrant.EdgeVectorParams(
            size=self._size,
            distance=qdrant.Distance.Cosine,
            # What the embedding cache keeps, too: the index loses nothing by it.
            datatype=qdrant.VectorStorageDatatype.Float16,
        )
        return qdrant.EdgeConfig(
            vectors=dict.fromkeys(KINDS, dense),
            sparse_vectors={
                _field(kind, field): qdrant.EdgeSparseVectorParams() for kind in KINDS for field in _FIELDS
            },
            optimizers=qdrant.EdgeOptimizersConfig(indexing_threshold=_HNSW_FROM * self._size * 2 // 1024),
        )


def _field(kind: ObjectKind, field: WordField) -> str:
    return f"{kind}_{field}"


def _sparse(words: Sparse) -> qdrant.SparseVector:
    return qdrant.SparseVector(indices=words.indices.tolist(), values=words.values.tolist())


def _point(entry: Entry) -> qdrant.Point:
    held: dict[WordField, Sparse] = {"words": entry.words, "context": entry.context}
    vector: dict[str, Any] = {
        _field(entry.kind, field): _sparse(words) for field, words in held.items() if len(words.indices)
    }
    if entry.vector is not None:
        vector[entry.kind] = entry.vector
    payload = {
        "kind": entry.kind,
        "project": entry.project,
        "domain": entry.domain,
        "folders": list(entry.folders),
        "changed": entry.changed,
        "valid_from": entry.valid_from,
        "valid_to": entry.valid_to,
    }
    return qdrant.Point(id=entry.point, vector=vector, payload=payload)


def _filter(scope: Scope) -> qdrant.Filter | None:
    """The conditions of a scope; None when there are none. The kind is in the name that is searched."""
    must: list[Any] = []
    if scope.project:
        must.append(_one_of("project", ["", scope.project]))
    if scope.domain:
        must.append(_one_of("domain", [scope.domain]))
    if scope.path:
        must.append(_one_of("folders", [scope.path]))
    if scope.after > 0 or scope.before < FOREVER:
        must.append(_range("changed", gte=scope.after, lt=scope.before))
    if scope.at >= 0:
        must.append(_range("valid_from", lte=scope.at))
        must.append(_range("valid_to", gt=scope.at))
    if scope.points is not None:
        must.append(qdrant.HasIdCondition(set(scope.points)))
    return qdrant.Filter(must=must) if must else None


def _one_of(key: str, values: list[str]) -> qdrant.FieldCondition:
    return qdrant.FieldCondition(key=key, match=qdrant.MatchAny(any=values))


def _range(key: str, **bounds: float) -> qdrant.FieldCondition:
    return qdrant.FieldCondition(key=key, range=qdrant.RangeFloat(**bounds))
