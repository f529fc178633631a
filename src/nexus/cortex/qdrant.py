"""`VectorIndex` in Qdrant Edge: on disk, in this process, exact at any size.

Each kind has a shard of its own, so that the usual search needs no condition (one costs more than the
whole scan) and no kind keeps room for the others' vectors. One process may hold a shard (its
write-ahead log is locked), so the service owns them. Shards that cannot be opened, or that were made
for another model, are deleted and filled again by `synchronise`: Qdrant truncates a damaged log
without a word, which the comparison with the ledger finds.

A shard maps files that have no blocks on the disk yet, and on a full disk the process would end where it
writes to one: nothing is changed, made or opened without room (`nexus.core.room`).

The shard keeps and filters. A search by meaning without a condition is answered from a copy of its
vectors (`nexus.cortex.dense`), which `points` brings in line with the shard; before that, by the shard.
New points take memory until `pack` has moved them (`nexus.cortex.edge_packing`).
"""

from __future__ import annotations

import json
import logging
import shutil
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as qdrant

from nexus.core import atomic, platform
from nexus.core.errors import StorageError
from nexus.core.room import require_room
from nexus.cortex import edge_files, edge_packing
from nexus.cortex.dense import Dense
from nexus.cortex.indexer import Entry, Hit, Matrix, Scope, Sparse, WordField
from nexus.cortex.ledger import FOREVER, KINDS, ObjectKind

_log = logging.getLogger(__name__)
_VECTOR = "text"
# Kilobytes of vectors from which on a segment is packed; in it, no graph is built (m = 0): that costs minutes
# of CPU, and a search by meaning has a copy of the vectors.
_PACKED_FROM = 256
# Loose points from which on packing is worth its copy of the shard, and what part of all of them.
_LOOSE, _PART = 2000, 20
_FORMAT = 3
_FIELDS: tuple[WordField, ...] = ("words", "context")
_PAYLOAD = {"project": "Keyword", "domain": "Keyword", "folders": "Keyword",
            "changed": "Integer", "valid_from": "Integer", "valid_to": "Integer"}  # fmt: skip


class QdrantIndex:
    """The default index."""

    name = "qdrant"

    def __init__(self, folder: Path, model_id: str, dimensions: int) -> None:
        """Open the shards in `folder`, or make them. Raises `StorageError`, `AlreadyRunningError`."""
        self._folder = folder
        self._size = dimensions
        self._label = {"format": _FORMAT, "model": model_id, "dimensions": dimensions}
        self._shards: dict[ObjectKind, qdrant.EdgeShard] = {}
        self._dense: dict[ObjectKind, Dense] = {}
        self._aligned = False
        # What changes the shards changes the copies with them.
        self._changing = threading.RLock()
        # Held by whoever may unmap files of a shard, and while they are given back: searches do not.
        self._mapping = threading.Lock()
        # Held by whoever asks a shard (the library lets one ask at a time) or puts another in its place.
        self._asking = threading.Lock()
        # How often each was changed.
        self._changes = dict.fromkeys(KINDS, 0)
        self._open()

    def upsert(self, entries: Sequence[Entry]) -> None:
        # The last of several entries for one point counts.
        last = {entry.point: entry for entry in entries}
        with self._changing:
            for kind in KINDS:
                batch = [entry for entry in last.values() if entry.kind == kind]
                if batch:
                    self._update(kind, qdrant.UpdateOperation.upsert_points([_point(e) for e in batch]))
                    self._copy(kind, batch)

    def delete(self, points: Sequence[str]) -> None:
        with self._changing:
            for kind, shard in self._shards.items():
                held = [r.id for r in shard.retrieve(list(points), with_payload=False, with_vector=False)]
                if held:
                    self._update(kind, qdrant.UpdateOperation.delete_points(held))
                    self._dense[kind].remove([str(point) for point in held])

    def nearest(self, vector: Matrix, limit: int, scope: Scope) -> list[Hit]:
        if self._aligned and scope._replace(points=None) == Scope(scope.kind):
            dense = self._dense[scope.kind]
            if scope.points is None:
                return dense.nearest(vector, limit)
            return dense.among(vector, scope.points, limit)
        return self._query(vector.tolist(), _VECTOR, limit, scope)

    def matching(self, words: Sparse, field: WordField, limit: int, scope: Scope) -> list[Hit]:
        if not len(words.indices):
            return []
        return self._query(_sparse(words), field, limit, scope)

    def points(self) -> dict[str, bool]:
        held: dict[str, bool] = {}
        embedded = qdrant.Filter(must=[qdrant.HasVectorCondition(_VECTOR)])
        with self._changing:
            for kind, shard in self._shards.items():
                held.update(dict.fromkeys(_ids(shard, None), False))
                with_vector = _ids(shard, embedded)
                held.update(dict.fromkeys(with_vector, True))
                self._dense[kind].align(with_vector, partial(_vectors, shard))
            self._aligned = True
        return held

    def count(self) -> int:
        with self._asking:
            return sum(map(_count, self._shards.values()))

    def require_room(self) -> None:
        require_room(self._folder)

    def pack(self, goes_on: Callable[[], bool]) -> bool:
        done = [self._pack(kind, goes_on) for kind in KINDS]
        return any(done)

    def _pack(self, kind: ObjectKind, goes_on: Callable[[], bool]) -> bool:
        folder = self._folder / kind
        with self._changing:
            try:
                require_room(self._folder)
                self._shards[kind].flush()
                loose = edge_packing.loose(folder)
                if loose < max(_LOOSE, _count(self._shards[kind]) // _PART):
                    return False
                copy = edge_packing.copied(folder)
            except Exception as error:  # the library raises bare Exception
                _log.warning("the index %s is not packed: %s", folder, error)
                return False
            changes = self._changes[kind]
        try:
            if not edge_packing.packed(copy, lambda: goes_on() and self._changes[kind] == changes):
                return False
            with self._changing, self._mapping, self._asking:
                return self._changes[kind] == changes and self._exchanged(kind)
        finally:
            shutil.rmtree(copy, ignore_errors=True)

    def _exchanged(self, kind: ObjectKind) -> bool:
        """Put the packed copy of a shard in its place. Where neither can be opened, an empty one is there.

        Raises `StorageError` then: the index has to be compared with the ledger again.
        """
        folder = self._folder / kind
        count = _count(self._shards[kind])
        self._shards[kind].close()
        edge_packing.exchange(folder)
        shard = edge_files.load(folder, self._config())
        good = shard is not None and _count(shard) == count
        if not good:
            if shard:
                shard.close()
            edge_packing.exchange(folder)
            shard = edge_files.load(folder, self._config())
        if shard is None:
            self._shards[kind] = edge_files.create(folder, self._config())
            raise StorageError(
                f"the index {folder} can no longer be opened",
                hint="run `nexus index rebuild`, where it does not happen by itself",
            )
        self._shards[kind] = shard
        return good

    def release(self) -> None:
        # A shard maps all its files, empty room in them too: 200 MB for 10,000 points. A thread of the
        # library makes pieces of the log ahead of need, and unmaps them while they have this name.
        with self._mapping:
            for kind in self._shards:
                platform.release_files(self._folder / kind, left_alone="tmp-")
        # The copies lie beside those folders: a search may unmap an old one at any time.
        for dense in self._dense.values():
            dense.release()

    def close(self) -> None:
        with self._mapping:
            for shard in self._shards.values():
                shard.flush()
                shard.close()

    def _query(self, vector: Any, using: str, limit: int, scope: Scope) -> list[Hit]:
        request = qdrant.QueryRequest(
            limit=limit, query=qdrant.Query.Nearest(vector, using=using), filter=_filter(scope)
        )
        try:
            with self._asking:
                found = self._shards[scope.kind].query(request)
            return [Hit(str(point.id), float(point.score)) for point in found]
        except Exception as error:  # the library raises bare Exception
            raise StorageError(f"index {self._folder}: {error}") from error

    def _update(self, kind: ObjectKind, operation: qdrant.UpdateOperation) -> None:
        require_room(self._folder)
        try:
            with self._mapping:
                self._changes[kind] += 1
                self._shards[kind].update(operation)
        except Exception as error:  # the library raises bare Exception
            raise StorageError(f"index {self._folder}: {error}") from error

    def _copy(self, kind: ObjectKind, entries: Sequence[Entry]) -> None:
        """The vectors of these, now in the shard, into its copy."""
        dense = self._dense[kind]
        vectors = {entry.point: entry.vector for entry in entries if entry.vector is not None}
        dense.remove([entry.point for entry in entries if entry.vector is None])
        if vectors:
            dense.put(list(vectors), np.array(list(vectors.values()), np.float32))

    def _open(self) -> None:
        label = self._folder / "nexus.json"
        try:
            known = json.loads(label.read_text()) == self._label
        except (OSError, ValueError):
            known = False
        if self._folder.exists() and not known:
            _log.info("the index is of another model or format: building it again")
            self._refuse_if_in_use()
            shutil.rmtree(self._folder, ignore_errors=True)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError.from_os(error, self._folder) from error
        # Opening writes what the log has and the files have not.
        require_room(self._folder)
        for kind in KINDS:
            edge_packing.restore(self._folder / kind)
            self._shards[kind] = edge_files.load(self._folder / kind, self._config()) or self._create(
                self._folder / kind
            )
            edge_packing.sweep(self._folder / kind)
            self._dense[kind] = Dense(self._folder / f"{kind}.vectors", self._size)
        atomic.sweep(self._folder)  # a killed process leaves its half of a copy, as large as the copy
        # Written last: shards without their label are not complete.
        if not known:
            atomic.write_text(label, json.dumps(self._label))

    def _refuse_if_in_use(self) -> None:
        """Raise `AlreadyRunningError` when another process works in the folder."""
        for kind in KINDS:
            shard = edge_files.load(self._folder / kind, self._config())
            if shard:
                shard.close()

    def _create(self, folder: Path) -> qdrant.EdgeShard:
        shard = edge_files.create(folder, self._config())
        try:
            for key, schema in _PAYLOAD.items():
                kind = getattr(qdrant.PayloadSchemaType, schema)
                shard.update(qdrant.UpdateOperation.create_field_index(key, kind))
        except Exception as error:  # the library raises bare Exception
            raise StorageError(f"cannot make the index {folder}: {error}") from error
        return shard

    def _config(self) -> qdrant.EdgeConfig:
        dense = qdrant.EdgeVectorParams(
            size=self._size,
            distance=qdrant.Distance.Cosine,
            # What the embedding cache keeps, too: the index loses nothing by it.
            datatype=qdrant.VectorStorageDatatype.Float16,
            memory=qdrant.Memory.Cold,
        )
        sparse = qdrant.EdgeSparseVectorParams(memory=qdrant.Memory.Cold)
        return qdrant.EdgeConfig(
            vectors={_VECTOR: dense},
            sparse_vectors=dict.fromkeys(_FIELDS, sparse),
            # A search here takes a millisecond or two: handing it to other threads costs more.
            max_search_threads=1,
            hnsw_config=qdrant.HnswIndexConfig(m=0, ef_construct=4, full_scan_threshold=10**9),
            optimizers=qdrant.EdgeOptimizersConfig(indexing_threshold=_PACKED_FROM),
        )


def _count(shard: qdrant.EdgeShard) -> int:
    return int(shard.count(qdrant.CountRequest(exact=True)))


def _ids(shard: qdrant.EdgeShard, condition: qdrant.Filter | None) -> list[str]:
    ids: list[str] = []
    offset = None
    while True:
        records, offset = shard.scroll(
            qdrant.ScrollRequest(
                limit=10_000, offset=offset, filter=condition, with_payload=False, with_vector=False
            )
        )
        ids += [str(record.id) for record in records]
        if offset is None:
            return ids


def _vectors(shard: qdrant.EdgeShard, points: Sequence[str]) -> Matrix:
    """The vectors of these points, shape (n, dimensions), in their order."""
    records = shard.retrieve(list(points), with_payload=False, with_vector=[_VECTOR])
    # The library types a record's vector as any of its four forms.
    held: list[tuple[str, Any]] = [(str(record.id), record.vector) for record in records]
    found = {point: vector[_VECTOR] for point, vector in held}
    return np.array([found[point] for point in points], np.float32)


def _sparse(words: Sparse) -> qdrant.SparseVector:
    return qdrant.SparseVector(indices=words.indices.tolist(), values=words.values.tolist())


def _point(entry: Entry) -> qdrant.Point:
    held: dict[WordField, Sparse] = {"words": entry.words, "context": entry.context}
    vector: dict[str, Any] = {field: _sparse(words) for field, words in held.items() if len(words.indices)}
    if entry.vector is not None:
        vector[_VECTOR] = entry.vector
    payload = {
        "project": entry.project,
        "domain": entry.domain,
        "folders": list(entry.folders),
        "changed": entry.changed,
        "valid_from": entry.valid_from,
        "valid_to": entry.valid_to,
    }
    return qdrant.Point(id=entry.point, vector=vector, payload=payload)


def _filter(scope: Scope) -> qdrant.Filter | None:
    """The conditions of a scope; None when there are none. The kind is the shard that is searched."""
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
