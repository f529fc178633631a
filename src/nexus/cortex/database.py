"""The one SQLite file of Cortex: opening it, its schema, transactions, and errors in plain words.

Knows nothing of what the rows mean (`ledger`, `approvals`). Invariant: a transaction is durable when
it returns (WAL, synchronous = FULL), and a file written by a newer NexusOS is never touched.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nexus.core.errors import StorageError

_VERSION = 2
_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('document', 'memory', 'transcript')),
    path TEXT NOT NULL UNIQUE,
    root TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    changed TEXT NOT NULL,
    project TEXT NOT NULL,
    domain TEXT NOT NULL,
    title TEXT NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_to INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS objects_root ON objects (root);
CREATE INDEX IF NOT EXISTS objects_kind ON objects (kind);
CREATE TABLE IF NOT EXISTS chunks (
    id INTEGER PRIMARY KEY,
    object INTEGER NOT NULL REFERENCES objects ON DELETE CASCADE,
    ordinal INTEGER NOT NULL,
    point TEXT NOT NULL UNIQUE,
    heading TEXT NOT NULL,
    context TEXT NOT NULL,
    text TEXT NOT NULL,
    speaker TEXT NOT NULL,
    said TEXT NOT NULL,
    start_line INTEGER NOT NULL,
    end_line INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    terms BLOB NOT NULL,
    hits INTEGER NOT NULL DEFAULT 0,
    UNIQUE (object, ordinal)
);
-- Holds all that ranking needs, so that a search need not read the rows with their texts.
CREATE INDEX IF NOT EXISTS chunks_places ON chunks (point, object, ordinal, hits, said);
-- In how many chunks of a kind each word occurs, kept in step with the chunks.
CREATE TABLE IF NOT EXISTS terms (
    kind TEXT NOT NULL, term INTEGER NOT NULL, chunks INTEGER NOT NULL, PRIMARY KEY (kind, term)
) WITHOUT ROWID;
-- Folders and files that a person added, to be followed.
CREATE TABLE IF NOT EXISTS roots (path TEXT PRIMARY KEY, added TEXT NOT NULL) WITHOUT ROWID;
-- What the keeping of a memory is judged by and its file does not tell: when it was last given to somebody,
-- and how surprising its words were when they were said.
CREATE TABLE IF NOT EXISTS keeping (
    path TEXT PRIMARY KEY, used TEXT NOT NULL DEFAULT '', surprise REAL
) WITHOUT ROWID;
-- Which file a page shows a part of, or would if it were there, and as what it was read; "" for nothing.
CREATE TABLE IF NOT EXISTS includes (
    page TEXT NOT NULL, file TEXT NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (page, file)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS includes_file ON includes (file);
-- Files below them that were not taken in, and why.
CREATE TABLE IF NOT EXISTS skipped (
    path TEXT NOT NULL, root TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL, hint TEXT NOT NULL,
    PRIMARY KEY (root, path)
) WITHOUT ROWID;
-- Sessions that a person has taken out: a client that goes on writing does not bring them back.
CREATE TABLE IF NOT EXISTS left_out (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS proposals (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('open', 'rejected')),
    created TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS approved (sha256 TEXT PRIMARY KEY, path TEXT NOT NULL, approved TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS shown (number INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE);
"""
# Before version 2 words lay in FTS5 tables and chunks knew no order. Documents are read again from
# their files and memories from theirs; proposals stay.
_LEAVE_VERSION_1 = """
DROP TRIGGER IF EXISTS chunks_added;
DROP TRIGGER IF EXISTS chunks_removed;
DROP TABLE IF EXISTS words;
DROP TABLE IF EXISTS chunks;
DROP TABLE IF EXISTS objects;
"""


class Database:
    """A connection that several threads of one process share."""

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
            if version > _VERSION:
                raise StorageError(
                    f"{path} was written by a newer NexusOS (format {version})",
                    hint="update NexusOS, or use another NEXUS_HOME",
                )
            leave = _LEAVE_VERSION_1 if version == 1 else ""
            self._db.executescript(f"BEGIN; {leave}{_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
        except sqlite3.Error as error:
            raise self._failure(error) from error
        except UnicodeDecodeError as error:
            # SQLite quotes the damaged file in its message, in bytes that are no text.
            raise self._failure(sqlite3.DatabaseError("the schema is damaged")) from error
        except OSError as error:
            raise StorageError.from_os(error, path) from error

    def close(self) -> None:
        """Fold the write-ahead log into the file and close. Calling it twice is harmless."""
        with self._lock:
            self._db.close()

    def shrink(self) -> None:
        """Give back the pages of the file that are held in memory."""
        self.rows("PRAGMA shrink_memory")

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query. Raises `StorageError`."""
        with self._lock:
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise self._failure(error) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the block or nothing; durable on return. Raises `StorageError`."""
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

    def check(self) -> list[str]:
        """What SQLite finds wrong with the file; empty when it is sound."""
        return [row[0] for row in self.rows("PRAGMA quick_check(20)") if row[0] != "ok"]

    def _failure(self, error: sqlite3.Error) -> StorageError:
        name = getattr(error, "sqlite_errorname", "")
        hint = {
            "SQLITE_FULL": "free some space and try again",
            "SQLITE_READONLY": "set NEXUS_HOME to a folder you may write to",
            "SQLITE_CANTOPEN": "set NEXUS_HOME to a folder you may write to",
            "SQLITE_BUSY": "another process holds the store; stop it",
            "SQLITE_NOTADB": "the file is not a NexusOS store; move it away",
            "SQLITE_CORRUPT": "move the file away; documents and memories are indexed again from their files",
        }.get(name.rsplit("_", 1)[0] if name.count("_") > 1 else name or "SQLITE_CORRUPT", "")
        return StorageError(f"{self._path}: {error}", hint=hint)
