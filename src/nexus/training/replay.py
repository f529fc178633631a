"""What the user said, kept to be read again: passages with how surprising each was.

Knows nothing of who learns from them, and never sees a secret: what comes here went through the gate of
the service. Invariants: no more than `most_bytes` of text and `most_items` passages, whatever comes; at
90 % of either the least worth reading again goes until 75 % is left; a passage is acknowledged when it is
on the disk, and a kill at any point costs no acknowledged one; what was forgotten is not in the file.
"""

from __future__ import annotations

import hashlib
import random
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nexus.core.errors import StorageError

PIECE_BYTES: Final = 4096
HELD_EVERY: Final = 8  # every eighth passage is never learnt, only used to measure
HELD_MOST: Final = 64
FULL, TRIMMED = 0.90, 0.75
UNREAD_BITS: Final = 8.0
FADING: Final = 0.7  # each look makes the next less worth: what stays surprising is noise

_SCHEMA = """
CREATE TABLE IF NOT EXISTS piece (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    source TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    text BLOB NOT NULL,
    held INTEGER NOT NULL,
    bits REAL,
    frozen REAL,
    times INTEGER NOT NULL DEFAULT 0,
    worth REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS piece_source ON piece (source);
"""


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage. `bits` per byte when it was learnt; `frozen` the same for the base that learnt no user."""

    id: int
    kind: str
    source: str
    text: bytes
    held: bool
    bits: float | None
    frozen: float | None
    times: int


class Replay:
    """The buffer, in one SQLite file; used by one thread. Everything raises `StorageError`."""

    def __init__(self, path: Path, most_bytes: int = 16 << 20, most_items: int = 20_000) -> None:
        self.path = path
        self.most_bytes, self.most_items = most_bytes, most_items
        self.warning = ""
        self.trimmed = self.doubles = 0
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError.from_os(error, path.parent) from error
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            self._set_aside(error)
        self._count()

    def add(self, text: str, kind: str = "conversation", source: str = "") -> list[int]:
        """Keep `text`, cut into passages, as said in `source`. Returns the new ids; what is known is left."""
        new = [number for piece in pieces(text) if (number := self._add(piece, kind, source)) is not None]
        self._age_held_out()
        return new

    def next_unread(self, after: int) -> Piece | None:
        """The oldest passage with an id above `after` that may be learnt."""
        return self._one("WHERE id > ? AND held = 0 ORDER BY id LIMIT 1", (after,))

    def unread(self, after: int) -> int:
        """How many those are."""
        with self._reading() as database:
            query = "SELECT count(*) FROM piece WHERE id > ? AND held = 0"
            return int(database.execute(query, (after,)).fetchone()[0])

    def held_out(self, most: int) -> list[Piece]:
        """The newest passages that are never learnt, newest first."""
        with self._reading() as database:
            rows = database.execute(f"{_SELECT} WHERE held = 1 ORDER BY id DESC LIMIT ?", (most,))
            return [_piece(row) for row in rows]

    def draw(self, count: int, upto: int, chance: random.Random) -> list[int]:
        """Ids of `count` passages that were read already, the surprising ones more often."""
        with self._reading() as database:
            query = "SELECT id, worth FROM piece WHERE held = 0 AND id <= ?"
            rows: Sequence[tuple[int, float]] = database.execute(query, (upto,)).fetchall()
        return chance.choices([r[0] for r in rows], [r[1] + 1e-6 for r in rows], k=count) if rows else []

    def get(self, number: int) -> Piece | None:
        """One passage; None where it is gone."""
        return self._one("WHERE id = ?", (number,))

    def was_read(self, number: int, bits: float) -> None:
        """Note how surprising a passage was when it was learnt, in bits per byte."""
        with self._changing() as database:
            database.execute(
                "UPDATE piece SET bits = ?, times = 0, worth = ? WHERE id = ?", (bits, bits, number)
            )

    def was_recalled(self, number: int, bits: float) -> None:
        """Note how surprising it is now that it was learnt: each time the next is less worth."""
        with self._changing() as database:
            row = database.execute("SELECT times FROM piece WHERE id = ?", (number,)).fetchone()
            if row:
                times = row[0] + 1
                query = "UPDATE piece SET times = ?, worth = ? WHERE id = ?"
                database.execute(query, (times, bits * FADING**times, number))

    def set_frozen(self, measured: Iterable[tuple[int, float]]) -> None:
        """Note (id, bits per byte) of passages for a base that has learnt nothing of the user."""
        with self._changing() as database:
            database.executemany("UPDATE piece SET frozen = ? WHERE id = ?", [(b, i) for i, b in measured])

    def forget(self, source: str | None = None) -> int:
        """Delete what was said in `source`, or everything. Returns how many passages that were.

        Their bytes are overwritten in the file, not only unlinked.
        """
        with self._changing() as database:
            if source is None:
                gone = database.execute("DELETE FROM piece").rowcount
            else:
                gone = database.execute("DELETE FROM piece WHERE source = ?", (source,)).rowcount
        with self._reading() as database:
            # The log beside the file may hold the pages as they were.
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._count()
        return gone

    def trim(self, keep: float | None = None) -> int:
        """Where 90 % are full, drop the least worth until 75 % (or `keep`) is left. Returns how many."""
        full = max(self.bytes / self.most_bytes, self.items / self.most_items)
        if full < (FULL if keep is None else keep):
            return 0
        share = TRIMMED if keep is None else keep
        spare_bytes = self.bytes - int(share * self.most_bytes)
        spare_items = self.items - int(share * self.most_items)
        gone: list[tuple[int]] = []
        with self._changing() as database:
            # Of those that are worth the same the older goes first.
            rows = database.execute("SELECT id, length(text) FROM piece ORDER BY worth, id")
            for number, size in rows:
                if spare_bytes <= 0 and spare_items <= 0:
                    break
                gone.append((number,))
                spare_bytes -= size
                spare_items -= 1
            database.executemany("DELETE FROM piece WHERE id = ?", gone)
        with self._reading() as database:
            database.execute("PRAGMA incremental_vacuum").fetchall()
        self._count()
        self.trimmed += len(gone)
        return len(gone)

    def close(self) -> None:
        """Close the file."""
        with suppress(sqlite3.Error):
            self._database.close()

    def _add(self, piece: bytes, kind: str, source: str) -> int | None:
        with self._changing() as database:
            number = 1 + (database.execute("SELECT max(seq) FROM sqlite_sequence").fetchone()[0] or 0)
            cursor = database.execute(
                "INSERT INTO piece (id, kind, source, digest, text, held, worth) VALUES (?,?,?,?,?,?,?)"
                " ON CONFLICT (digest) DO NOTHING",
                (number, kind, source, hashlib.sha256(piece).digest(), piece, _is_held(number), UNREAD_BITS),
            )
        if not cursor.rowcount:
            self.doubles += 1
            return None
        self.bytes += len(piece)
        self.items += 1
        self.trim()
        return number

    def _age_held_out(self) -> None:
        """The slice that is never learnt rolls on with the user: only its newest passages stay."""
        keep = min(HELD_MOST, max(1, self.most_items // HELD_EVERY))
        with self._changing() as database:
            gone = database.execute(
                "DELETE FROM piece WHERE held = 1 AND id NOT IN"
                " (SELECT id FROM piece WHERE held = 1 ORDER BY id DESC LIMIT ?)",
                (keep,),
            ).rowcount
        if gone:
            self._count()

    def _open(self) -> None:
        self._database = sqlite3.connect(self.path, isolation_level=None)
        run = self._database.execute
        run("PRAGMA auto_vacuum = INCREMENTAL")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = NORMAL")  # a kill loses nothing; a power cut may lose the last seconds
        run("PRAGMA secure_delete = ON")
        run("PRAGMA cache_size = -2048")
        if run("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("the check of the file failed")
        self._database.executescript(_SCHEMA)
        self.path.chmod(0o600)

    def _set_aside(self, error: sqlite3.Error) -> None:
        if isinstance(error, sqlite3.OperationalError) and "malformed" not in str(error):
            raise StorageError(
                f"cannot open {self.path}: {error}", hint="see its rights and the disk"
            ) from error
        self.close()
        aside = self.path.with_name(f"{self.path.name}.damaged-{int(time.time())}")
        try:
            self.path.rename(aside)
            for end in ("-wal", "-shm"):
                self.path.with_name(self.path.name + end).unlink(missing_ok=True)
            self._open()
        except (OSError, sqlite3.Error) as second:
            raise StorageError(f"cannot make {self.path} anew: {second}") from second
        self.warning = (
            f"{self.path.name} was damaged ({error}); it lies beside as {aside.name}, a new one is begun"
        )

    def _count(self) -> None:
        with self._reading() as database:
            row = database.execute("SELECT count(*), coalesce(sum(length(text)), 0) FROM piece").fetchone()
        self.items, self.bytes = int(row[0]), int(row[1])

    def _one(self, where: str, values: tuple[int, ...]) -> Piece | None:
        with self._reading() as database:
            row = database.execute(f"{_SELECT} {where}", values).fetchone()
        return _piece(row) if row else None

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._database
        except sqlite3.Error as error:
            raise StorageError(f"cannot use {self.path}: {error}", hint="see the disk") from error

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """All or nothing."""
        with self._reading() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
                database.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    database.execute("ROLLBACK")
                raise


_SELECT = "SELECT id, kind, source, text, held, bits, frozen, times FROM piece"


def _is_held(number: int) -> bool:
    return number % HELD_EVERY == 0


def _piece(row: tuple[int, str, str, bytes, int, float | None, float | None, int]) -> Piece:
    number, kind, source, text, held, bits, frozen, times = row
    return Piece(number, kind, source, text, bool(held), bits, frozen, times)


def pieces(text: str) -> Iterator[bytes]:
    """`text` in UTF-8, in passages of at most `PIECE_BYTES`, cut at an end of line, word or letter."""
    data = text.encode("utf-8", "replace")
    start = 0
    while start < len(data):
        end = min(len(data), start + PIECE_BYTES)
        if end < len(data):
            half = start + PIECE_BYTES // 2
            cut = max(data.rfind(b"\n", half, end), data.rfind(b" ", half, end)) + 1
            while not cut and data[end] & 0xC0 == 0x80:  # inside a letter
                end -= 1
            end = cut or end
        if data[start:end].strip():
            yield data[start:end]
        start = end
