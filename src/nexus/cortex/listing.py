"""What is stored, for somebody who looks through it: folders, documents, the passages of one, memories.

Reads the ledger's tables and changes nothing. Invariant: a call returns as many rows as were asked for at
most, however much is stored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nexus.core import clock
from nexus.cortex.database import Database

# A session that came by itself lies in no folder that was added; one among documents does.
_MINE = "(o.kind = 'document' OR (o.kind = 'transcript' AND o.root IN (SELECT path FROM roots)))"


@dataclass(frozen=True, slots=True)
class StoredRoot:
    """A folder or file that was added. `changed` is the ISO time of the last file that was taken in."""

    path: str
    followed: bool
    documents: int
    chunks: int
    changed: str


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """One document. `size` in bytes on the disk, `changed` the ISO time when it was taken in."""

    path: str
    size: int
    changed: str
    chunks: int
    tokens: int


@dataclass(frozen=True, slots=True)
class StoredMemory:
    """Where a memory lies, and how often it was put into a frame. What it says is its file's word."""

    path: str
    hits: int


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """One passage as it is stored: what is searched, and what a model is shown."""

    heading: tuple[str, ...]
    text: str
    start_line: int
    end_line: int
    tokens: int
    hits: int


class Listing:
    """Looks into the store."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def roots(self) -> list[StoredRoot]:
        """Every folder and file that was added, by path, with what it holds."""
        sql = (
            "SELECT o.root, count(DISTINCT o.id), count(c.id), max(o.changed)"
            f" FROM objects o LEFT JOIN chunks c ON c.object = o.id WHERE {_MINE} GROUP BY o.root"
        )
        held = {row[0]: row[1:] for row in self._db.rows(sql)}
        followed = {row[0] for row in self._db.rows("SELECT path FROM roots")}
        return [
            StoredRoot(path, path in followed, *held.get(path, (0, 0, "")))
            for path in sorted(followed | held.keys())
        ]

    def documents(self, words: str, offset: int, limit: int) -> tuple[int, list[StoredDocument]]:
        """Documents whose path holds each of the words, by path; and how many there are in all."""
        where, values = [_MINE], []
        for word in words.split():
            # Not LIKE: a name may hold % and _.
            where.append("instr(lower(o.path), lower(?)) > 0")
            values.append(word)
        condition = " AND ".join(where)
        total = self._db.rows(f"SELECT count(*) FROM objects o WHERE {condition}", tuple(values))[0][0]
        sql = (
            "SELECT o.path, o.size, o.changed, count(c.id), coalesce(sum(c.tokens), 0) FROM"
            f" (SELECT * FROM objects o WHERE {condition} ORDER BY o.path LIMIT ? OFFSET ?) o"
            " LEFT JOIN chunks c ON c.object = o.id GROUP BY o.id ORDER BY o.path"
        )
        rows = self._db.rows(sql, (*values, limit, offset))
        return total, [StoredDocument(*row) for row in rows]

    def memories(
        self, words: str, offset: int, limit: int, *, ended: bool = False
    ) -> tuple[int, int, list[StoredMemory]]:
        """Memories that hold each of the words, newest day first: how many do, how many there are, and these.

        Those that are not valid now are counted and found with `ended` only. Words are looked for as they
        were when the memory was indexed.
        """
        now = int(clock.now().timestamp())
        valid = "" if ended else " AND o.valid_from <= ? AND ? < o.valid_to"
        sql = (
            "SELECT o.path, c.hits, o.title, c.text, c.context FROM objects o"
            f" JOIN chunks c ON c.object = o.id WHERE o.kind = 'memory'{valid}"
        )
        known = self._db.rows(sql, () if ended else (now, now))
        wanted = words.lower().split()
        # Not in SQL: there `lower` knows the letters of ASCII only.
        found = [row for row in known if _holds("\n".join(row[3:]).lower(), wanted)] if wanted else known
        found.sort(key=lambda row: _in_time(row[2]), reverse=True)
        return len(found), len(known), [StoredMemory(*row[:2]) for row in found[offset : offset + limit]]

    def passages(self, path: str, offset: int, limit: int) -> tuple[int, list[StoredPassage]]:
        """Passages of one document in order, and how many it has; (0, []) for one that is not stored."""
        of: tuple[Any, ...] = (path,)
        joined = "FROM chunks c JOIN objects o ON o.id = c.object WHERE o.path = ?"
        total = self._db.rows(f"SELECT count(*) {joined}", of)[0][0]
        sql = (
            f"SELECT c.heading, c.text, c.start_line, c.end_line, c.tokens, c.hits {joined}"
            " ORDER BY c.ordinal LIMIT ? OFFSET ?"
        )
        rows = self._db.rows(sql, (*of, limit, offset))
        return total, [StoredPassage(tuple(json.loads(row[0])), *row[1:]) for row in rows]


def _holds(text: str, words: Sequence[str]) -> bool:
    return all(word in text for word in words)


def _in_time(memory_id: str) -> str:
    """Sorts ids by their day, then by their number in it: 999 before 1000."""
    return re.sub("[0-9]+", lambda number: number[0].zfill(20), memory_id)
