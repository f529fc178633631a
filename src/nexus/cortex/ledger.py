"""The ledger: which documents and memories are known, their chunks, and the keyword index over them.

One SQLite file in WAL mode. It is the truth for what is indexed; the vector index is a cache that is
compared with it. Invariant: an object and all its chunks appear and disappear in one transaction, so
a killed process never leaves half a document. Knows nothing of vectors or models.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nexus.core import clock
from nexus.core.errors import StorageError

ObjectKind = Literal["document", "memory"]
_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('document', 'memory')),
    path TEXT NOT NULL UNIQUE,
    root TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    changed TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS objects_root ON objects (root);
CREATE TABLE IF NOT EXISTS chunks (
    id INTEGER PRIMARY KEY,
    object INTEGER NOT NULL REFERENCES objects ON DELETE CASCADE,
    point TEXT NOT NULL UNIQUE,
    heading TEXT NOT NULL,
    text TEXT NOT NULL,
    start_line INTEGER NOT NULL,
    end_line INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    hits INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS chunks_object ON chunks (object);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (
    heading, text, content = 'chunks', content_rowid = 'id', tokenize = 'porter unicode61'
);
CREATE TRIGGER IF NOT EXISTS chunks_added AFTER INSERT ON chunks BEGIN
    INSERT INTO words (rowid, heading, text) VALUES (new.id, new.heading, new.text);
END;
CREATE TRIGGER IF NOT EXISTS chunks_removed AFTER DELETE ON chunks BEGIN
    INSERT INTO words (words, rowid, heading, text) VALUES ('delete', old.id, old.heading, old.text);
END;
CREATE TABLE IF NOT EXISTS proposals (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('open', 'rejected')),
    created TEXT NOT NULL,
    body TEXT NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """A document or memory file as it was when it was indexed."""

    id: int
    kind: ObjectKind
    path: str
    root: str
    sha256: str
    size: int
    mtime_ns: int
    changed: str


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A chunk about to be stored."""

    point: str
    heading: tuple[str, ...]
    text: str
    start_line: int
    end_line: int
    tokens: int


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A stored chunk together with its object."""

    point: str
    kind: ObjectKind
    path: str
    heading: tuple[str, ...]
    text: str
    start_line: int
    end_line: int
    tokens: int
    hits: int
    changed: str


_CHUNK_COLUMNS = (
    "c.point, o.kind, o.path, c.heading, c.text, c.start_line, c.end_line, c.tokens, c.hits, o.changed"
)


def _chunk(row: Sequence[Any]) -> ChunkRow:
    return ChunkRow(row[0], row[1], row[2], tuple(json.loads(row[3])), *row[4:])


class Ledger:
    """The SQLite store. Safe to call from several threads of one process."""

    def __init__(self, path: Path) -> None:
        """Open or create. Raises `StorageError` when the file cannot be used."""
        self._path = path
        self._lock = threading.RLock()
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
            path.chmod(0o600)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA foreign_keys = ON")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version > _SCHEMA_VERSION:
                raise StorageError(
                    f"{path} was written by a newer NexusOS (format {version})",
                    hint="update NexusOS, or use another NEXUS_HOME",
                )
            self._db.executescript(_SCHEMA)
            self._db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        except sqlite3.Error as error:
            raise self._failure(error) from error
        except OSError as error:
            raise StorageError.from_os(error, path) from error

    def close(self) -> None:
        """Fold the write-ahead log into the file and close. Calling it twice is harmless."""
        with self._lock:
            self._db.close()

    # objects and chunks

    def put(
        self,
        kind: ObjectKind,
        path: str,
        chunks: Sequence[NewChunk],
        *,
        root: str,
        sha256: str,
        size: int,
        mtime_ns: int,
    ) -> list[str]:
        """Store an object with all its chunks in place of what `path` had; durable on return.

        Returns the points that are no longer used and may leave the vector index.
        """
        with self._transaction() as db:
            old = [
                r[0]
                for r in db.execute(
                    "SELECT c.point FROM chunks c JOIN objects o ON o.id = c.object WHERE o.path = ?",
                    (path,),
                )
            ]
            db.execute("DELETE FROM objects WHERE path = ?", (path,))
            number = db.execute(
                "INSERT INTO objects (kind, path, root, sha256, size, mtime_ns, changed)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (kind, path, root, sha256, size, mtime_ns, clock.iso(clock.now())),
            ).lastrowid
            db.executemany(
                "INSERT INTO chunks (object, point, heading, text, start_line, end_line, tokens)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        number,
                        c.point,
                        json.dumps(c.heading, ensure_ascii=False),
                        c.text,
                        c.start_line,
                        c.end_line,
                        c.tokens,
                    )
                    for c in chunks
                ],
            )
        kept = {c.point for c in chunks}
        return [p for p in old if p not in kept]

    def drop(self, path: str) -> list[str]:
        """Forget the object at `path`. Returns its points; empty when it was not known."""
        with self._transaction() as db:
            points = [
                r[0]
                for r in db.execute(
                    "SELECT c.point FROM chunks c JOIN objects o ON o.id = c.object WHERE o.path = ?",
                    (path,),
                )
            ]
            db.execute("DELETE FROM objects WHERE path = ?", (path,))
        return points

    def touch(self, path: str, size: int, mtime_ns: int) -> None:
        """Record a new modification time for unchanged content."""
        with self._transaction() as db:
            db.execute("UPDATE objects SET size = ?, mtime_ns = ? WHERE path = ?", (size, mtime_ns, path))

    def get(self, path: str) -> ObjectRow | None:
        """The object stored for `path`."""
        rows = self._rows("SELECT * FROM objects WHERE path = ?", (path,))
        return ObjectRow(*rows[0]) if rows else None

    def objects(self, kind: ObjectKind | None = None, under: str | None = None) -> list[ObjectRow]:
        """All objects by path, of one kind or at and below a folder."""
        sql = "SELECT * FROM objects WHERE 1"
        values: list[str] = []
        if kind:
            sql += " AND kind = ?"
            values.append(kind)
        if under is not None:
            # Not LIKE: a folder name may hold % and _.
            sql += " AND (path = ? OR substr(path, 1, length(?)) = ?)"
            prefix = under.rstrip("/") + "/"
            values += [under, prefix, prefix]
        return [ObjectRow(*row) for row in self._rows(sql + " ORDER BY path", tuple(values))]

    def chunks(self, points: Sequence[str]) -> dict[str, ChunkRow]:
        """The chunks of these points; points unknown to the ledger are absent."""
        found: dict[str, ChunkRow] = {}
        for start in range(0, len(points), 500):
            part = points[start : start + 500]
            marks = ",".join("?" * len(part))
            sql = (
                f"SELECT {_CHUNK_COLUMNS} FROM chunks c JOIN objects o ON o.id = c.object"
                f" WHERE c.point IN ({marks})"
            )
            found.update((row[0], _chunk(row)) for row in self._rows(sql, tuple(part)))
        return found

    def points(self) -> dict[str, ObjectKind]:
        """Every point that must be in the vector index, with its kind."""
        sql = "SELECT c.point, o.kind FROM chunks c JOIN objects o ON o.id = c.object"
        return dict(self._rows(sql))

    def memories(self) -> list[tuple[str, str, int]]:
        """Path, text and retrieval count of every indexed memory."""
        sql = (
            "SELECT o.path, c.text, c.hits FROM objects o JOIN chunks c ON c.object = o.id"
            " WHERE o.kind = 'memory'"
        )
        return [(row[0], row[1], row[2]) for row in self._rows(sql)]

    def keyword_search(self, query: str, limit: int, kinds: Sequence[ObjectKind]) -> list[tuple[str, float]]:
        """Points by BM25, best first, scores positive. `query` is FTS5 syntax, already quoted."""
        marks = ",".join("?" * len(kinds))
        sql = (
            "SELECT c.point, -bm25(words, 2.0, 1.0) FROM words JOIN chunks c ON c.id = words.rowid"
            f" JOIN objects o ON o.id = c.object WHERE words MATCH ? AND o.kind IN ({marks})"
            " ORDER BY bm25(words, 2.0, 1.0) LIMIT ?"
        )
        return [(row[0], row[1]) for row in self._rows(sql, (query, *kinds, limit))]

    def document_frequencies(self, words: Sequence[str]) -> tuple[int, list[int]]:
        """How many chunks there are, and in how many each word occurs."""
        total = self._rows("SELECT count(*) FROM chunks")[0][0]
        counts = [
            self._rows("SELECT count(*) FROM words WHERE words MATCH ?", (word,))[0][0] for word in words
        ]
        return total, counts

    def count_hits(self, points: Sequence[str]) -> None:
        """Note that these chunks were put into a frame."""
        with self._transaction() as db:
            db.executemany("UPDATE chunks SET hits = hits + 1 WHERE point = ?", [(p,) for p in points])

    def counts(self) -> dict[str, int]:
        """Documents, memories, chunks and open proposals."""
        sql = (
            "SELECT (SELECT count(*) FROM objects WHERE kind = 'document'),"
            " (SELECT count(*) FROM objects WHERE kind = 'memory'),"
            " (SELECT count(*) FROM chunks), (SELECT count(*) FROM proposals WHERE state = 'open')"
        )
        return dict(zip(("documents", "memories", "chunks", "proposals"), self._rows(sql)[0], strict=True))

    # proposals

    def put_proposal(self, key: str, body: dict[str, Any]) -> bool:
        """Queue a proposed memory. False when it is queued or was rejected already."""
        with self._transaction() as db:
            cursor = db.execute(
                "INSERT OR IGNORE INTO proposals VALUES (?, 'open', ?, ?)",
                (key, clock.iso(clock.now()), json.dumps(body, ensure_ascii=False)),
            )
            # Bounded: what nobody has looked at for a thousand proposals is not going to be.
            db.execute(
                "DELETE FROM proposals WHERE id NOT IN"
                " (SELECT id FROM proposals ORDER BY created DESC, rowid DESC LIMIT 1000)"
            )
            return cursor.rowcount == 1

    def proposals(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Open proposals, newest first: key, when, body."""
        rows = self._rows(
            "SELECT id, created, body FROM proposals WHERE state = 'open' ORDER BY created DESC, rowid DESC"
        )
        return [(row[0], row[1], json.loads(row[2])) for row in rows]

    def close_proposal(self, key: str, *, rejected: bool) -> bool:
        """Take a proposal off the queue; a rejected one is remembered so that it does not return."""
        with self._transaction() as db:
            sql = (
                "UPDATE proposals SET state = 'rejected' WHERE id = ? AND state = 'open'"
                if rejected
                else "DELETE FROM proposals WHERE id = ? AND state = 'open'"
            )
            return db.execute(sql, (key,)).rowcount == 1

    def _rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        with self._lock:
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise self._failure(error) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield self._db
                    self._db.execute("COMMIT")
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise self._failure(error) from error

    def _failure(self, error: sqlite3.Error) -> StorageError:
        name = getattr(error, "sqlite_errorname", "")
        hint = {
            "SQLITE_FULL": "free some space and try again",
            "SQLITE_READONLY": "set NEXUS_HOME to a folder you may write to",
            "SQLITE_CANTOPEN": "set NEXUS_HOME to a folder you may write to",
            "SQLITE_BUSY": "another process holds the store; stop it",
            "SQLITE_NOTADB": "the file is not a NexusOS store; move it away",
            "SQLITE_CORRUPT": "move the file away; documents and memories are indexed again from their files",
        }.get(name.rsplit("_", 1)[0] if name.count("_") > 1 else name, "")
        return StorageError(f"{self._path}: {error}", hint=hint)
