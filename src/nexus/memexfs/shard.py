"""One vector a file, on disk: which files are nearest to a question.

`FileVectors` is the boundary; `EdgeFiles` is Qdrant Edge with the Dot metric, `ExactFiles` the obvious one:
fallback and oracle. Knows neither what the vectors say nor files; a point has the id of a file and carries a
stamp of what was read. Invariant: it is a cache. A shard of another model or form, or one that cannot be
read, is deleted and begun anew; `held` says what must be put in again.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nexus.core import atomic, platform
from nexus.core.errors import StorageError
from nexus.core.room import require_room
from nexus.cortex import edge_files

if TYPE_CHECKING:
    import qdrant_edge as qdrant

Matrix = NDArray[np.float32]
_log = logging.getLogger(__name__)
_FORMAT = 1
_AT_ONCE = 2000
# Building a graph takes minutes of processor time and saves milliseconds below this many files.
_HNSW_FROM = 200_000


class FileVectors(Protocol):
    """Vectors by file id. Any thread may call; methods raise `StorageError`."""

    dimensions: int

    def put(self, file: int, vector: Matrix, stamp: str) -> None:
        """Add or replace; found by the next search."""

    def delete(self, files: Sequence[int]) -> None:
        """Remove; unknown ones are no error."""

    def nearest(self, vector: Matrix, limit: int, among: Sequence[int] | None = None) -> dict[int, float]:
        """The files of the greatest products with `vector` (dimensions,), best first; of `among` if given."""

    def get(self, file: int) -> tuple[Matrix, str] | None:
        """The vector of a file and the stamp it was put in with."""

    def held(self) -> Iterator[tuple[int, str]]:
        """Id and stamp of all that is there, in no order."""

    def count(self) -> int:
        """How many files have a vector."""

    def release(self) -> None:
        """Give back memory that only mirrors files; the next search maps it again, in milliseconds.

        Raises `MissingPartError` where the system cannot.
        """

    def close(self) -> None:
        """Write what is pending and let go of the files. Calling it twice is harmless."""


class ExactFiles:
    """In memory, looked at one by one."""

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self._lock = threading.Lock()
        self._rows: dict[int, tuple[Matrix, str]] = {}

    def put(self, file: int, vector: Matrix, stamp: str) -> None:
        with self._lock:
            self._rows[file] = vector.astype(np.float32).copy(), stamp

    def delete(self, files: Sequence[int]) -> None:
        with self._lock:
            for file in files:
                self._rows.pop(file, None)

    def nearest(self, vector: Matrix, limit: int, among: Sequence[int] | None = None) -> dict[int, float]:
        with self._lock:
            chosen = self._rows.keys() if among is None else self._rows.keys() & set(among)
            scores = {file: float(self._rows[file][0] @ vector) for file in chosen}
        return dict(sorted(scores.items(), key=lambda item: (-item[1], item[0]))[: max(0, limit)])

    def get(self, file: int) -> tuple[Matrix, str] | None:
        with self._lock:
            return self._rows.get(file)

    def held(self) -> Iterator[tuple[int, str]]:
        with self._lock:
            rows = [(file, stamp) for file, (_, stamp) in self._rows.items()]
        yield from rows

    def count(self) -> int:
        return len(self._rows)

    def release(self) -> None:
        """There are no files."""

    def close(self) -> None:
        """Nothing is open."""


class EdgeFiles:
    """In Qdrant Edge. One process may have a folder open."""

    def __init__(self, folder: Path, model_id: str, dimensions: int) -> None:
        """Open the shard in `folder`, or make it. Raises `StorageError`, `AlreadyRunningError`."""
        self.dimensions = dimensions
        self._folder = folder
        self._label = {"format": _FORMAT, "model": model_id, "dimensions": dimensions}
        self._changing = threading.Lock()
        self._closed = False
        self._shard = self._open()

    def put(self, file: int, vector: Matrix, stamp: str) -> None:
        import qdrant_edge as qdrant

        point = qdrant.Point(id=file, vector=vector.tolist(), payload={"stamp": stamp})
        self._update(qdrant.UpdateOperation.upsert_points([point]))

    def delete(self, files: Sequence[int]) -> None:
        import qdrant_edge as qdrant

        # The library takes unknown points for an error.
        known = self._call(lambda: self._shard.retrieve(list(files), with_payload=False, with_vector=False))
        if known:
            self._update(qdrant.UpdateOperation.delete_points([record.id for record in known]))

    def nearest(self, vector: Matrix, limit: int, among: Sequence[int] | None = None) -> dict[int, float]:
        import qdrant_edge as qdrant

        if limit <= 0 or (among is not None and not among):
            return {}
        condition = None if among is None else qdrant.Filter(must=[qdrant.HasIdCondition(set(among))])
        request = qdrant.QueryRequest(
            limit=limit, query=qdrant.Query.Nearest(vector.tolist()), filter=condition
        )
        return {int(str(hit.id)): float(hit.score) for hit in self._call(lambda: self._shard.query(request))}

    def get(self, file: int) -> tuple[Matrix, str] | None:
        found = self._call(lambda: self._shard.retrieve([file], with_payload=True, with_vector=True))
        if not found:
            return None
        vector: Any = found[0].vector  # the library types it as any of its four forms
        return np.array(vector, np.float32), _stamp(found[0].payload)

    def held(self) -> Iterator[tuple[int, str]]:
        import qdrant_edge as qdrant

        offset = None
        while True:
            request = qdrant.ScrollRequest(
                limit=_AT_ONCE, offset=offset, with_payload=True, with_vector=False
            )
            records, offset = self._call(lambda: self._shard.scroll(request))  # noqa: B023
            for record in records:
                yield int(str(record.id)), _stamp(record.payload)
            if offset is None:
                return

    def count(self) -> int:
        import qdrant_edge as qdrant

        return int(self._call(lambda: self._shard.count(qdrant.CountRequest(exact=True))))

    def release(self) -> None:
        # A thread of the library makes pieces of the log ahead of need, and unmaps them while they have
        # this name; whatever else unmaps a file holds this lock.
        with self._changing:
            platform.release_files(self._folder / "files", left_alone="tmp-")

    def close(self) -> None:
        with self._changing:
            if not self._closed:
                self._closed = True
                self._shard.flush()
                self._shard.close()

    def _update(self, operation: qdrant.UpdateOperation) -> None:
        # A full disk would end the process where a mapped file has no block yet: `nexus.core.room`.
        require_room(self._folder)
        with self._changing:
            self._call(lambda: self._shard.update(operation))

    def _call(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except Exception as error:  # the library raises bare Exception
            raise StorageError(f"the vectors of files in {self._folder}: {error}") from error

    def _open(self) -> qdrant.EdgeShard:
        label, points = self._folder / "nexus.json", self._folder / "files"
        try:
            known = json.loads(label.read_text()) == self._label
        except (OSError, ValueError):
            known = False
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError.from_os(error, self._folder) from error
        shard = edge_files.load(points, self._config())
        if shard and not known:
            _log.info("%s is of another model or form: files are embedded again", self._folder)
            shard.close()
            shard = None
        if shard is None:
            shard = edge_files.create(points, self._config())
            # Written last: a shard without its label is not complete.
            atomic.write_text(label, json.dumps(self._label))
        return shard

    def _config(self) -> qdrant.EdgeConfig:
        import qdrant_edge as qdrant

        return qdrant.EdgeConfig(
            vectors=qdrant.EdgeVectorParams(
                size=self.dimensions,
                # Blocks are of unit length, some are zeros: a cosine of the whole would weigh them by how
                # many there are.
                distance=qdrant.Distance.Dot,
                datatype=qdrant.VectorStorageDatatype.Float16,
            ),
            max_search_threads=1,
            optimizers=qdrant.EdgeOptimizersConfig(
                indexing_threshold=_HNSW_FROM * self.dimensions * 2 // 1024
            ),
        )


def _stamp(payload: Mapping[str, Any] | None) -> str:
    return str((payload or {}).get("stamp", ""))
