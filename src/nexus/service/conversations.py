"""Which conversations AgentMem holds for the service: whose, since when, how large, and where each ends.

One SQLite file beside the broker's. Holds digests, sizes and names, no text. Knows nothing of units.
Invariant: a row is written after its units, so that a row never promises what is not there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nexus.core.errors import StorageError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS conversations (
    name TEXT PRIMARY KEY,
    realm TEXT NOT NULL,
    agent TEXT NOT NULL,
    tip BLOB NOT NULL,
    asked BLOB,
    head BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    begun REAL NOT NULL,
    used REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS conversations_tip ON conversations (realm, agent, tip);
CREATE INDEX IF NOT EXISTS conversations_asked ON conversations (realm, agent, asked);
CREATE INDEX IF NOT EXISTS conversations_used ON conversations (used);
"""
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Kept:
    """One conversation. `tip` stands for all that was said in it, `asked` for all but the last answer.

    `head` is the id of its rope, `bytes` its length, times are seconds since 1970.
    """

    name: str
    realm: str
    agent: str
    tip: bytes
    asked: bytes | None
    head: bytes
    bytes: int
    begun: float
    used: float


_COLUMNS = ", ".join(Kept.__slots__)


class Conversations:
    """For one thread. Raises `StorageError` where the file cannot be used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None)
            path.chmod(0o600)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise StorageError(f"{path}: {error}", hint="it may be removed: nothing else is lost") from error

    def ends_at(self, realm: str, agent: str, digests: Sequence[bytes]) -> list[tuple[Kept, int]]:
        """The conversations that end at one of these, each with which one that is, the longest first."""
        return self._found("tip", realm, agent, digests)

    def asked_at(self, realm: str, agent: str, digests: Sequence[bytes]) -> list[tuple[Kept, int]]:
        """The same for conversations without their last answer."""
        return self._found("asked", realm, agent, digests)

    def put(self, kept: Kept) -> None:
        """Write one, in place of that of the same name."""
        values = [getattr(kept, name) for name in Kept.__slots__]
        marks = ", ".join("?" * len(values))
        self._do(f"INSERT OR REPLACE INTO conversations ({_COLUMNS}) VALUES ({marks})", *values)

    def remove(self, name: str) -> None:
        """Take one out."""
        self._do("DELETE FROM conversations WHERE name = ?", name)

    def oldest(self) -> Kept | None:
        """That which was not used for longest."""
        return self._one("ORDER BY used, name LIMIT 1")

    def of(self, realm: str, agent: str) -> int:
        """How many an agent has."""
        found = self._do("SELECT count(*) FROM conversations WHERE realm = ? AND agent = ?", realm, agent)
        return int(found[0][0])

    def totals(self) -> tuple[int, int]:
        """How many there are, and their bytes."""
        count, size = self._do("SELECT count(*), coalesce(sum(bytes), 0) FROM conversations")[0]
        return int(count), int(size)

    def all(self) -> list[Kept]:
        """Every one, the latest first."""
        return [
            Kept(*row) for row in self._do(f"SELECT {_COLUMNS} FROM conversations ORDER BY used DESC, name")
        ]

    def close(self) -> None:
        """Let go of the file."""
        with suppress(sqlite3.Error):
            self._db.close()

    def _found(self, column: str, realm: str, agent: str, digests: Sequence[bytes]) -> list[tuple[Kept, int]]:
        # From the end: what a client sends again has one or two messages more.
        for end in range(len(digests), 0, -_AT_ONCE):
            part = digests[max(0, end - _AT_ONCE) : end]
            rows = self._do(
                f"SELECT {_COLUMNS} FROM conversations WHERE realm = ? AND agent = ?"
                f" AND {column} IN ({', '.join('?' * len(part))})",
                realm,
                agent,
                *part,
            )
            at = {digest: number for number, digest in enumerate(digests)}
            found = [(kept, at[getattr(kept, column)]) for kept in (Kept(*row) for row in rows)]
            if found:
                return sorted(found, key=lambda pair: (pair[1], pair[0].used), reverse=True)
        return []

    def _one(self, rest: str) -> Kept | None:
        rows = self._do(f"SELECT {_COLUMNS} FROM conversations {rest}")
        return Kept(*rows[0]) if rows else None

    def _do(self, statement: str, *values: object) -> list[tuple]:  # type: ignore[type-arg]
        try:
            return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"{self._path}: {error}", hint="free some space on the disk") from error
