"""Vectors by content, so that a rebuilt index needs no second embedding.

A disposable SQLite file: deleting it costs time, never knowledge. Keys are content hashes that already
include the model. Vectors are kept as float16; what is read back is what every index is given, so two
indexes built from the cache agree to the last bit.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nexus.core.errors import StorageError

Vector = NDArray[np.float32]
_log = logging.getLogger(__name__)
# SQLite quotes the damaged file in some messages, in bytes that are no text.
_BROKEN = (sqlite3.DatabaseError, UnicodeDecodeError)
# A search reads the word vectors of two hundred points. By a number they take it a fifth of the time
# that they do by a key of 64 letters, which every level of a tree without rows repeats, data and all.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (key TEXT PRIMARY KEY, data BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tokens (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, data BLOB
);
-- Which point has which text, so that a search finds word vectors without reading texts.
CREATE TABLE IF NOT EXISTS texts (point TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
"""
_LEAVE_VERSION_0 = """
ALTER TABLE tokens RENAME TO old_tokens;
ALTER TABLE texts RENAME TO old_texts;
{schema}
INSERT INTO tokens (key, data) SELECT key, data FROM old_tokens;
INSERT INTO texts SELECT point, number FROM old_texts JOIN tokens USING (key);
DROP TABLE old_tokens;
DROP TABLE old_texts;
"""


class EmbeddingCache:
    """`key -> vector` on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            self._db = self._open()
        except _BROKEN:
            self._db = self._start_anew()

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = OFF")  # a lost cache entry is computed again
        if not db.execute("PRAGMA user_version").fetchone()[0]:
            db.executescript(f"BEGIN; {_leave_version_0(db)} {_SCHEMA} PRAGMA user_version = 1; COMMIT;")
        return db

    def _start_anew(self) -> sqlite3.Connection:
        """A cache that cannot be read is worth nothing."""
        for path in (self._path, *self._path.parent.glob(f"{self._path.name}-*")):
            path.unlink(missing_ok=True)
        try:
            return self._open()
        except sqlite3.Error as error:
            raise StorageError(f"{self._path}: {error}") from error

    def get(self, keys: Sequence[str]) -> dict[str, Vector]:
        """The vectors that are there, float32, shape (d,)."""
        return {
            key: np.frombuffer(data, np.float16).astype(np.float32)
            for key, data in self._select(
                "SELECT key, data FROM vectors WHERE key IN ({marks})", keys
            ).items()
        }

    def put(self, vectors: Mapping[str, Vector]) -> None:
        """Add vectors. Raises `StorageError` when the disk is full."""
        rows = {key: v.astype(np.float16).tobytes() for key, v in vectors.items()}
        self._write("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)

    def get_tokens(self, points: Sequence[str]) -> dict[str, bytes]:
        """The word vectors of these points, as `TokenVectors.to_bytes` wrote them."""
        return self._select(
            "SELECT point, data FROM texts JOIN tokens USING (number) WHERE point IN ({marks})", points
        )

    def with_tokens(self, keys: Sequence[str]) -> set[str]:
        """Which of these texts have word vectors."""
        return set(self._select("SELECT key, 1 FROM tokens WHERE key IN ({marks})", keys))

    def put_tokens(self, tokens: Mapping[str, bytes]) -> None:
        """Add word vectors by text. Raises `StorageError` when the disk is full."""
        # The number of a text stays: points are noted with it.
        kept = "ON CONFLICT (key) DO UPDATE SET data = excluded.data"
        self._write(f"INSERT INTO tokens (key, data) VALUES (?, ?) {kept}", tokens)

    def put_points(self, keys: Mapping[str, str]) -> None:
        """Note which text each point has; its word vectors are there already."""
        self._write("INSERT OR REPLACE INTO texts SELECT ?, number FROM tokens WHERE key = ?", keys)

    def shrink(self) -> None:
        """Give back the pages of the file that are held in memory, where that can be done."""
        with self._lock, suppress(sqlite3.Error):
            self._db.execute("PRAGMA shrink_memory")

    def _select(self, sql: str, keys: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        with self._lock:
            try:
                for start in range(0, len(keys), 500):
                    part = keys[start : start + 500]
                    found.update(
                        self._db.execute(sql.format(marks=",".join("?" * len(part))), part).fetchall()
                    )
            except _BROKEN as error:
                # Damage shows where it is read. What is lost is computed again.
                _log.warning("%s is damaged (%s): starting a new one", self._path, error)
                self._db.close()
                self._db = self._start_anew()
                return {}
        return found

    def _write(self, sql: str, rows: Mapping[str, bytes] | Mapping[str, str]) -> None:
        with self._lock:
            try:
                self._db.execute("BEGIN")
                self._db.executemany(sql, list(rows.items()))
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise StorageError(f"{self._path}: {error}", hint="free some space") from error

    def __len__(self) -> int:
        with self._lock:
            return int(self._db.execute("SELECT count(*) FROM vectors").fetchone()[0])

    def keep_only(self, keys: Collection[str], points: Collection[str]) -> None:
        """Drop what is kept of other texts than `keys`, and of other points than `points`."""
        with self._lock:
            self._db.execute("BEGIN")
            tables = (("vectors", "key", keys), ("tokens", "key", keys), ("texts", "point", points))
            for table, name, wanted in tables:
                held = [row[0] for row in self._db.execute(f"SELECT {name} FROM {table}")]
                stale = [(key,) for key in held if key not in wanted]
                self._db.executemany(f"DELETE FROM {table} WHERE {name} = ?", stale)
            self._db.execute("COMMIT")

    def close(self) -> None:
        with self._lock:
            self._db.close()


def _leave_version_0(db: sqlite3.Connection) -> str:
    """What turns a cache of before into this one, nothing for a new one."""
    held = db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'texts'").fetchone()
    return _LEAVE_VERSION_0.format(schema=_SCHEMA) if held else ""
