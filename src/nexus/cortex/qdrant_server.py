"""`VectorIndex` in a Qdrant server or cluster, for those who outgrow one machine.

The server is found by its URL; several NexusOS may share one, each with a collection of its own. The
collection's name ends in a mark of model, dimensions and format, so another model gets another
collection and vectors are never mixed; its metadata says the same in full. Each kind has vectors and
words under names of its own. Of a text its vectors, hashed words and path
go to the server, never the text. Invariant: what was upserted is found by the next search, and every
failure of the server is a `StorageError` with its URL.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

from nexus.core.errors import ConfigError, MissingPartError, StorageError
from nexus.cortex.indexer import Entry, Hit, Matrix, Scope, Sparse, WordField
from nexus.cortex.ledger import FOREVER, KINDS, ObjectKind

if TYPE_CHECKING:
    from qdrant_client import QdrantClient, models

Answer = TypeVar("Answer")
Asked = ParamSpec("Asked")
_log = logging.getLogger(__name__)
_FORMAT = 1
# As in the embedded index: below this size a graph costs more than it saves.
_HNSW_FROM = 200_000
_FIELDS: tuple[WordField, ...] = ("words", "context")
_KEYWORDS = ("project", "domain", "folders")
_INTEGERS = ("changed", "valid_from", "valid_to")
# A point is about 12 KB of JSON, and a server takes 32 MB at once.
_BATCH = 256
_PAGE = 10_000
_NAME = re.compile(r"[\w.-]{1,100}")


class QdrantServerIndex:
    """The index on a server. Threads may share it."""

    name = "qdrant-server"

    def __init__(
        self,
        url: str,
        api_key: str,
        model_id: str,
        dimensions: int,
        *,
        collection: str,
        timeout: int = 30,
        client: QdrantClient | None = None,
    ) -> None:
        """Connect, and make the collection where it is not there.

        `url` is http:// or https://, `api_key` may be empty. `collection` begins the collection's name and
        must be another for each NEXUS_HOME: an index holds exactly what one ledger knows. `timeout` is in
        seconds for each request. `client` takes the place of a connection made from these. Raises
        `ConfigError`, `MissingPartError` without qdrant-client, and `StorageError` for a server that does
        not answer, refuses the key, or holds a foreign collection under our name.
        """
        self._models = _library()
        self._url = url
        self._label = {
            "made_by": "nexus", "format": _FORMAT, "model": model_id, "dimensions": dimensions,
        }  # fmt: skip
        mark = hashlib.sha256(json.dumps(self._label, sort_keys=True).encode()).hexdigest()[:12]
        if not _NAME.fullmatch(collection):
            raise ConfigError(f"collection {collection!r}", hint="letters, digits, '.', '-', '_'")
        self.collection = f"{collection}-{mark}"
        self._client = client or _connect(url, api_key, timeout)
        try:
            self._open(dimensions)
        except BaseException:
            self._client.close()
            raise

    def upsert(self, entries: Sequence[Entry]) -> None:
        # The last of several entries for one point counts.
        points = [self._point(entry) for entry in {e.point: e for e in entries}.values()]
        for start in range(0, len(points), _BATCH):
            part = points[start : start + _BATCH]
            self._ask(self._client.upsert, self.collection, part, wait=True)

    def delete(self, points: Sequence[str]) -> None:
        for start in range(0, len(points), _PAGE):
            part: list[Any] = list(points[start : start + _PAGE])
            selector = self._models.PointIdsList(points=part)
            self._ask(self._client.delete, self.collection, selector, wait=True)

    def nearest(self, vector: Matrix, limit: int, scope: Scope) -> list[Hit]:
        return self._query(vector.tolist(), scope.kind, limit, scope)

    def matching(self, words: Sparse, field: WordField, limit: int, scope: Scope) -> list[Hit]:
        if not len(words.indices):
            return []
        hits = self._query(self._sparse(words), _field(scope.kind, field), limit, scope)
        return [hit for hit in hits if hit.score > 0]

    def points(self) -> dict[str, bool]:
        held = dict.fromkeys(self._ids(None), False)
        for kind in KINDS:
            embedded = self._models.Filter(must=[self._models.HasVectorCondition(has_vector=kind)])
            held.update(dict.fromkeys(self._ids(embedded), True))
        return held

    def count(self) -> int:
        return self._ask(self._client.count, self.collection, exact=True).count

    def require_room(self) -> None:
        """Nothing: no file is mapped."""

    def pack(self, goes_on: Callable[[], bool]) -> bool:
        """Nothing: the server does it by itself."""
        return False

    def release(self) -> None:
        """Nothing: no file is mapped."""

    def close(self) -> None:
        self._client.close()

    def _query(self, query: Any, using: str, limit: int, scope: Scope) -> list[Hit]:
        if limit <= 0 or (scope.points is not None and not scope.points):
            return []
        found = self._ask(
            self._client.query_points,
            self.collection,
            query,
            using=using,
            limit=limit,
            query_filter=self._filter(scope),
            with_payload=False,
        )
        return [Hit(str(point.id), float(point.score)) for point in found.points]

    def _ids(self, condition: models.Filter | None) -> list[str]:
        ids: list[str] = []
        offset: Any = None
        while True:
            records, offset = self._ask(
                self._client.scroll,
                self.collection,
                condition,
                limit=_PAGE,
                offset=offset,
                with_payload=False,
            )
            ids += [str(record.id) for record in records]
            if offset is None:
                return ids

    def _open(self, dimensions: int) -> None:
        if not self._ask(self._client.collection_exists, self.collection):
            self._create(dimensions)
        held = self._ask(self._client.get_collection, self.collection)
        if held.config.metadata != self._label:
            raise StorageError(
                f"the collection {self.collection} of {self._url} is not what its name says: its"
                f" metadata is {held.config.metadata}",
                hint="delete it there; it is filled again from here",
            )
        # Also where a process ended between making the collection and this.
        for key in (*_KEYWORDS, *_INTEGERS):
            if key not in held.payload_schema:
                schema = self._models.PayloadSchemaType("keyword" if key in _KEYWORDS else "integer")
                self._ask(self._client.create_payload_index, self.collection, key, schema, wait=True)

    def _create(self, dimensions: int) -> None:
        m = self._models
        dense = m.VectorParams(
            # What the embedding cache keeps, too: the index loses nothing by it.
            size=dimensions, distance=m.Distance.COSINE, datatype=m.Datatype.FLOAT16,
        )  # fmt: skip
        sparse = {_field(kind, field): m.SparseVectorParams() for kind in KINDS for field in _FIELDS}
        threshold = _HNSW_FROM * dimensions * 2 // 1024
        self._ask(
            self._client.create_collection,
            self.collection,
            vectors_config=dict.fromkeys(KINDS, dense),
            sparse_vectors_config=sparse,
            optimizers_config=m.OptimizersConfigDiff(indexing_threshold=threshold),
            metadata=self._label,
        )
        _log.info("made the collection %s on %s", self.collection, self._url)

    def _ask(self, request: Callable[Asked, Answer], *arguments: Asked.args, **named: Asked.kwargs) -> Answer:
        """The server's answer, or a `StorageError` that says what is wrong with it."""
        from qdrant_client.common.client_exceptions import QdrantException
        from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

        try:
            return request(*arguments, **named)
        except UnexpectedResponse as error:
            if error.status_code in (401, 403):
                raise StorageError(
                    f"the Qdrant server {self._url} refuses the key (HTTP {error.status_code})",
                    hint="set cortex.qdrant_api_key",
                ) from error
            reason = error.content.decode("utf-8", "replace").strip()[:300]
            raise StorageError(
                f"the Qdrant server {self._url} answers HTTP {error.status_code}: {reason}",
                hint="its log says more",
            ) from error
        except (ApiException, QdrantException, OSError) as error:
            raise StorageError(
                f"the Qdrant server {self._url} does not answer: {error}",
                hint="start it, mend cortex.qdrant_url, or set cortex.index = 'qdrant' to do without",
            ) from error
        except ValueError as error:
            # What the library makes of an answer that is not Qdrant's.
            raise StorageError(f"the Qdrant server {self._url}: {error}") from error

    def _sparse(self, words: Sparse) -> models.SparseVector:
        made: models.SparseVector = self._models.SparseVector(
            indices=words.indices.tolist(), values=words.values.tolist()
        )
        return made

    def _point(self, entry: Entry) -> models.PointStruct:
        held: dict[WordField, Sparse] = {"words": entry.words, "context": entry.context}
        vector: dict[str, Any] = {
            _field(entry.kind, field): self._sparse(words)
            for field, words in held.items()
            if len(words.indices)
        }
        if entry.vector is not None:
            vector[entry.kind] = entry.vector.tolist()
        payload = {
            "project": entry.project, "domain": entry.domain, "folders": list(entry.folders),
            "changed": entry.changed, "valid_from": entry.valid_from, "valid_to": entry.valid_to,
        }  # fmt: skip
        made: models.PointStruct = self._models.PointStruct(id=entry.point, vector=vector, payload=payload)
        return made

    def _filter(self, scope: Scope) -> models.Filter | None:
        """The conditions of a scope; None when there are none. The kind is in the name that is searched."""
        m = self._models
        must: list[Any] = []
        wanted = {"domain": [scope.domain], "folders": [scope.path]}
        if scope.project:
            wanted["project"] = ["", scope.project]
        for key, values in wanted.items():
            if values[-1]:
                must.append(m.FieldCondition(key=key, match=m.MatchAny(any=values)))
        if scope.after > 0 or scope.before < FOREVER:
            must.append(m.FieldCondition(key="changed", range=m.Range(gte=scope.after, lt=scope.before)))
        if scope.at >= 0:
            must.append(m.FieldCondition(key="valid_from", range=m.Range(lte=scope.at)))
            must.append(m.FieldCondition(key="valid_to", range=m.Range(gt=scope.at)))
        if scope.points is not None:
            chosen: list[Any] = list(scope.points)
            must.append(m.HasIdCondition(has_id=chosen))
        return m.Filter(must=must) if must else None


def _field(kind: ObjectKind, field: WordField) -> str:
    return f"{kind}_{field}"


def _library() -> Any:
    try:
        from qdrant_client import models
    except ImportError as error:
        raise MissingPartError(
            "the client of Qdrant servers is not installed", hint="pip install 'nexusos[qdrant]'"
        ) from error
    return models


def _connect(url: str, api_key: str, timeout: int) -> QdrantClient:
    from qdrant_client import QdrantClient

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"cortex.qdrant_url = {url!r}", hint="for example http://localhost:6333")
    if api_key and parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        _log.warning("the key for %s travels unencrypted: use https", url)
    with warnings.catch_warnings():
        # The library warns of the same on standard error.
        warnings.simplefilter("ignore", UserWarning)
        return QdrantClient(
            url=url,
            api_key=api_key or None,
            timeout=timeout,
            # It would ask the server before we can say what is wrong with it.
            check_compatibility=False,
        )
