"""What the stored blocks are called: the chain of tokens that leads to each, and where it lies.

A block is 128 tokens of keys and values of all layers, in a slot of the block file. Its name is
sha256(name of the block before it, its own tokens); the first one follows `root`, which stands for the
model and how it was run. So equal prefixes have equal names, whoever asks, and are stored once. The
tokens are kept beside the name and compared: a name alone is never believed.

Knows nothing of what is in a block. Invariants: a block that is named lies whole on the disk (name it
after `Store.sync`); a block leaves only after every block that follows it. Survives kill -9 at any
point: at worst a written block has no name, and its slot is free. After a power cut the newest names may
be missing and ones that were forgotten may be back; the mark tells that their slots hold other blocks.
"""

from __future__ import annotations

import hashlib
import heapq
import logging
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nexus.core.errors import StorageError

log = logging.getLogger(__name__)

BLOCK_TOKENS = 128
Tokens = NDArray[np.int32]

_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS blocks (
    name BLOB PRIMARY KEY,
    parent BLOB NOT NULL,
    ordinal INTEGER NOT NULL,
    tokens BLOB NOT NULL,
    slot INTEGER NOT NULL UNIQUE,
    mark INTEGER NOT NULL,
    used INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS blocks_parent ON blocks (parent);
CREATE INDEX IF NOT EXISTS blocks_used ON blocks (used);
CREATE TABLE IF NOT EXISTS clock (now INTEGER NOT NULL);
INSERT INTO clock SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM clock);
"""
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@dataclass(frozen=True, slots=True)
class Block:
    """A named block: `slot` in the block file, `mark` tells it from a later one in the same slot."""

    name: bytes
    ordinal: int
    slot: int
    mark: int


def root_name(model_id: bytes, profile: str) -> bytes:
    """Where chains begin: one for each model and way of running it."""
    return hashlib.sha256(b"nexus engine blocks 1\0" + model_id + profile.encode()).digest()


def block_name(parent: bytes, tokens: Tokens) -> bytes:
    """The name of the block of `tokens` (BLOCK_TOKENS int32) that follows `parent`."""
    return hashlib.sha256(parent + np.ascontiguousarray(tokens, dtype="<i4").tobytes()).digest()


def chain(root: bytes, tokens: Tokens) -> Iterator[tuple[bytes, bytes, Tokens]]:
    """(name, parent, tokens) of each full block of `tokens`."""
    parent = root
    for first in range(0, len(tokens) - BLOCK_TOKENS + 1, BLOCK_TOKENS):
        part = tokens[first : first + BLOCK_TOKENS]
        name = block_name(parent, part)
        yield name, parent, part
        parent = name


class Names:
    """The table of names, one SQLite file; a damaged one is begun anew, with a warning.

    One thread uses it. Raises `StorageError`.
    """

    def __init__(self, path: Path, root: bytes) -> None:
        self._path = path
        self.root = root
        try:
            self._db = _opened(path)
        except sqlite3.Error as error:
            raise StorageError(
                f"{path} cannot be used: {error}",
                hint="see that its folder can be written to and the disk has room",
            ) from error

    def close(self) -> None:
        """Let go of the database."""
        self._db.close()

    def slots(self) -> list[int]:
        """The slots of all named blocks, for `Store.reserve` at start."""
        return [slot for (slot,) in self._query("SELECT slot FROM blocks")]

    def match(self, tokens: Tokens) -> list[Block]:
        """The longest stored chain that `tokens` begins with; marked as just used."""
        found: list[Block] = []
        for name, parent, part in chain(self.root, tokens):
            rows = self._query("SELECT ordinal, slot, mark, parent, tokens FROM blocks WHERE name = ?", name)
            if not rows:
                break
            ordinal, slot, mark, known_parent, known_tokens = rows[0]
            if known_parent != parent or known_tokens != part.astype("<i4").tobytes():
                break
            found.append(Block(name, ordinal, slot, mark))
        try:
            self.touch([block.name for block in found])
        except StorageError as error:  # what is stored can be read even where the disk is full
            log.warning("the use of stored prefixes is not noted: %s", error)
        return found

    def touch(self, names: Sequence[bytes]) -> None:
        """Make these the most recently used; an earlier block counts as used after a later one."""
        if not names:
            return
        with self._transaction():
            now = self._tick(len(names))
            self._db.executemany(
                "UPDATE blocks SET used = ? WHERE name = ?",
                [(now - place, name) for place, name in enumerate(names)],
            )

    def add(self, blocks: Iterable[tuple[Block, bytes, Tokens]]) -> list[Block]:
        """Name blocks, each with its parent and tokens. Gives back those whose name was taken already."""
        twins = []
        with self._transaction():
            for block, parent, tokens in blocks:
                values = (
                    block.name,
                    parent,
                    block.ordinal,
                    np.ascontiguousarray(tokens, dtype="<i4").tobytes(),
                    block.slot,
                    block.mark,
                    self._tick(),
                )
                # A slot that was given out again has lost what it held.
                self._db.execute("DELETE FROM blocks WHERE slot = ? AND name <> ?", (block.slot, block.name))
                done = self._db.execute("INSERT OR IGNORE INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?)", values)
                if done.rowcount == 0:
                    twins.append(block)
        return twins

    def is_named(self, block: Block) -> bool:
        """Whether this very block carries the name (and not a twin in another slot)."""
        rows = self._query("SELECT 1 FROM blocks WHERE name = ? AND slot = ?", block.name, block.slot)
        return bool(rows)

    def forget(self, slot: int) -> list[int]:
        """Forget the damaged block in `slot` and all that follow it; returns their slots."""
        return self._lose("SELECT name, slot FROM blocks WHERE slot = ?", slot)

    def forget_beyond(self, slots: int) -> list[int]:
        """Forget the blocks in slots that a file with so many has not, and all that follow them."""
        return self._lose("SELECT name, slot FROM blocks WHERE slot >= ?", slots)

    def evict(self, count: int, in_use: Collection[int]) -> list[int]:
        """Forget up to `count` blocks, the longest unused first, leaves only; returns their slots.

        Blocks in `in_use` slots stay.
        """
        with self._transaction():
            rows = self._db.execute("SELECT name, parent, slot, used FROM blocks").fetchall()
            known = {name: (parent, slot, used) for name, parent, slot, used in rows}
            followers = Counter(parent for _, parent, _, _ in rows)
            leaves = [(used, name) for name, _, _, used in rows if not followers[name]]
            heapq.heapify(leaves)
            freed: dict[bytes, int] = {}
            while leaves and len(freed) < count:
                _, name = heapq.heappop(leaves)
                parent, slot, _ = known[name]
                if slot in in_use:
                    continue
                freed[name] = slot
                followers[parent] -= 1
                if parent in known and not followers[parent]:
                    heapq.heappush(leaves, (known[parent][2], parent))
            self._db.executemany("DELETE FROM blocks WHERE name = ?", [(name,) for name in freed])
        return list(freed.values())

    def summary(self) -> dict[str, int]:
        """blocks, roots (first blocks) and tokens: how much is stored."""
        blocks, roots = self._query("SELECT count(*), coalesce(sum(ordinal = 0), 0) FROM blocks")[0]
        return {"blocks": blocks, "roots": roots, "tokens": blocks * BLOCK_TOKENS}

    def _tick(self, steps: int = 1) -> int:
        row = self._db.execute("UPDATE clock SET now = now + ? RETURNING now", (steps,)).fetchone()
        return int(row[0])

    def _lose(self, first: str, value: int) -> list[int]:
        """Forget the blocks that the query `first` finds, and all that follow them; returns their slots."""
        with self._transaction():
            rows = self._db.execute(
                f"WITH RECURSIVE lost (name, slot) AS ({first}"
                " UNION SELECT b.name, b.slot FROM blocks b JOIN lost ON b.parent = lost.name)"
                " SELECT name, slot FROM lost",
                (value,),
            ).fetchall()
            self._db.executemany("DELETE FROM blocks WHERE name = ?", [(name,) for name, _ in rows])
        return [slot for _, slot in rows]

    def _query(self, sql: str, *values: object) -> list[tuple]:  # type: ignore[type-arg]
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"{self._path} cannot be read: {error}", hint="is the disk full?") from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite has ended it itself after some errors
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise StorageError(
                f"{self._path} cannot be written: {error}", hint="is the disk full?"
            ) from error


def _opened(path: Path) -> sqlite3.Connection:
    """The database, made where there is none, and made anew where it is damaged."""
    try:
        return _connected(path)
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:
            raise
        log.warning("%s is damaged (%s): what was stored is forgotten and computed again", path, error)
    try:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
    except OSError as error:
        raise StorageError.from_os(error, path) from error
    return _connected(path)


def _connected(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        # Not FULL: a name that a power cut takes away costs one block, a wait for the disk costs each answer.
        db.execute("PRAGMA synchronous = NORMAL")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > _VERSION:
            raise StorageError(f"{path} was written by a newer NexusOS", hint="update NexusOS")
        flaw = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if flaw != "ok":
            damage = sqlite3.DatabaseError(flaw)
            damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise damage
        db.executescript(_SCHEMA)
        db.execute(f"PRAGMA user_version = {_VERSION}")
    except BaseException:
        db.close()
        raise
    return db
