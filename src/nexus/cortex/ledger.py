"""The ledger: which documents, memories and transcripts are known, their chunks, and how common words are.

It is the truth for what is indexed; the index is a cache that is compared with it. Invariant: an
object and all its chunks appear and disappear in one transaction, and the word counts with them, so a
killed process never leaves half a document. Knows nothing of vectors or models.
"""

from __future__ import annotations

import json
import sqlite3
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from nexus.core import clock
from nexus.cortex.database import Database
from nexus.cortex.places import Place as Place
from nexus.cortex.places import Places

ObjectKind = Literal["document", "memory", "transcript"]
KINDS: tuple[ObjectKind, ...] = ("document", "memory", "transcript")
# The end of time for what is valid until further notice; exact in a float64, which JSON numbers are.
FOREVER = 2**53
# Stands in the table of words for "any word", to know how many chunks there are. Words are 32 bits.
_ALL = -1


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """A document, memory or transcript as it was when it was indexed."""

    id: int
    kind: ObjectKind
    path: str
    root: str
    sha256: str
    size: int
    mtime_ns: int
    changed: str
    project: str
    domain: str
    title: str
    valid_from: int
    valid_to: int


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A chunk about to be stored.

    `context` is what stands around the text and is searched with it; `terms` are the numbers of its
    distinct words (`nexus.cortex.words`); `said` is the ISO time of a turn, or empty.
    """

    point: str
    heading: tuple[str, ...]
    text: str
    start_line: int
    end_line: int
    tokens: int
    context: str = ""
    speaker: str = ""
    said: str = ""
    terms: tuple[int, ...] = ()


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
    context: str = ""
    speaker: str = ""
    said: str = ""
    ordinal: int = 0
    object: int = 0
    project: str = ""
    domain: str = ""
    title: str = ""
    valid_from: int = 0
    valid_to: int = FOREVER
    terms: tuple[int, ...] = ()


_OBJECT_COLUMNS = ", ".join(ObjectRow.__slots__)
_CHUNK_COLUMNS = (
    "c.point, o.kind, o.path, c.heading, c.text, c.start_line, c.end_line, c.tokens, c.hits, o.changed,"
    " c.context, c.speaker, c.said, c.ordinal, c.object, o.project, o.domain, o.title, o.valid_from,"
    " o.valid_to, c.terms"
)
_JOINED = "FROM chunks c JOIN objects o ON o.id = c.object"


def _chunk(row: Sequence[Any]) -> ChunkRow:
    held = [*row[:3], tuple(json.loads(row[3])), *row[4:-1], tuple(_terms(row[-1]))]
    return ChunkRow(*held)


class Ledger:
    """Objects, their chunks and their words."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._places = Places(database)

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
        project: str = "",
        domain: str = "",
        title: str = "",
        valid_from: int = 0,
        valid_to: int = FOREVER,
        includes: Mapping[str, str] = MappingProxyType({}),
    ) -> list[str]:
        """Store an object with all its chunks in place of what `path` had; durable on return.

        Retrieval counts of chunks that stay are kept. `includes` are the files that a page shows a part of,
        with the `sha256` that they had, or "" where they may yet come; the page is outdated as soon as one is
        stored with another. Returns the points that are no longer used and may leave the index.
        """
        with self._db.transaction() as db:
            old = self._remove(db, path)
            # A memory is one thing however its words are changed; its count stays with it.
            carried = max(old.values(), default=0) if kind == "memory" else 0
            number = db.execute(
                f"INSERT INTO objects ({_OBJECT_COLUMNS}) VALUES (NULL{', ?' * 12})",
                (
                    kind, path, root, sha256, size, mtime_ns, clock.iso(clock.now()),
                    project, domain, title, valid_from, valid_to,
                ),
            ).lastrowid  # fmt: skip
            db.executemany(
                "INSERT INTO chunks (object, ordinal, point, heading, context, text, speaker, said,"
                " start_line, end_line, tokens, terms, hits) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        number, ordinal, c.point, json.dumps(c.heading, ensure_ascii=False), c.context,
                        c.text, c.speaker, c.said, c.start_line, c.end_line, c.tokens,
                        array("I", c.terms).tobytes(), old.get(c.point, carried),
                    )
                    for ordinal, c in enumerate(chunks)
                ],
            )  # fmt: skip
            self._count_terms(db, kind, (c.terms for c in chunks), 1)
            db.executemany(
                "INSERT INTO includes VALUES (?, ?, ?)", [(path, *one) for one in includes.items()]
            )
            self._outdate(db, path, sha256)
        kept = {c.point for c in chunks}
        self._places.refresh([*(old.keys() | kept)])
        return [p for p in old if p not in kept]

    def drop(self, path: str) -> list[str]:
        """Forget the object at `path`. Returns its points; empty when it was not known."""
        with self._db.transaction() as db:
            gone = list(self._remove(db, path))
            self._outdate(db, path, "")
            db.execute("DELETE FROM keeping WHERE path = ?", (path,))
        self._places.refresh(gone)
        return gone

    def touch(self, path: str, size: int, mtime_ns: int) -> None:
        """Record a new modification time for unchanged content."""
        with self._db.transaction() as db:
            db.execute("UPDATE objects SET size = ?, mtime_ns = ? WHERE path = ?", (size, mtime_ns, path))

    def get(self, path: str) -> ObjectRow | None:
        """The object stored for `path`."""
        rows = self._db.rows(f"SELECT {_OBJECT_COLUMNS} FROM objects WHERE path = ?", (path,))
        return ObjectRow(*rows[0]) if rows else None

    def paths(self, objects: Iterable[int]) -> dict[int, str]:
        """The path of each of these objects; numbers that are none are absent."""
        wanted = sorted(objects)
        found: dict[int, str] = {}
        for start in range(0, len(wanted), 500):
            part = wanted[start : start + 500]
            marks = ",".join("?" * len(part))
            found.update(self._db.rows(f"SELECT id, path FROM objects WHERE id IN ({marks})", part))
        return found

    def outdated(self) -> list[str]:
        """The pages that show a file that has changed since, come or gone."""
        sql = "SELECT path FROM objects WHERE kind = 'document' AND sha256 = '' ORDER BY path"
        return [row[0] for row in self._db.rows(sql)]

    def points_of(self, paths: Sequence[str], most: int) -> dict[str, str]:
        """The points of these objects with their paths, of objects of at most so many chunks."""
        sql = f"SELECT c.point {_JOINED} WHERE o.path = ? LIMIT ?"
        found: dict[str, str] = {}
        for path in paths:
            rows = self._db.rows(sql, (path, most + 1))
            if len(rows) <= most:
                found.update((row[0], path) for row in rows)
        return found

    def terms_of(self, path: str) -> Iterator[Sequence[int]]:
        """The numbers of the distinct words of each chunk of an object, in order."""
        for row in self._db.rows(f"SELECT c.terms {_JOINED} WHERE o.path = ? ORDER BY c.ordinal", (path,)):
            yield _terms(row[0])

    def objects(self, kind: ObjectKind | None = None, under: str | None = None) -> list[ObjectRow]:
        """All objects by path, of one kind or at and below a folder."""
        sql = f"SELECT {_OBJECT_COLUMNS} FROM objects WHERE 1"
        values: list[str] = []
        if kind:
            sql += " AND kind = ?"
            values.append(kind)
        if under is not None:
            # Not LIKE: a folder name may hold % and _.
            sql += " AND (path = ? OR substr(path, 1, length(?)) = ?)"
            prefix = under.rstrip("/") + "/"
            values += [under, prefix, prefix]
        return [ObjectRow(*row) for row in self._db.rows(sql + " ORDER BY path", tuple(values))]

    def chunks(self, points: Sequence[str]) -> dict[str, ChunkRow]:
        """The chunks of these points; points unknown to the ledger are absent."""
        found: dict[str, ChunkRow] = {}
        for start in range(0, len(points), 500):
            part = points[start : start + 500]
            marks = ",".join("?" * len(part))
            sql = f"SELECT {_CHUNK_COLUMNS} {_JOINED} WHERE c.point IN ({marks})"
            found.update((row[0], _chunk(row)) for row in self._db.rows(sql, tuple(part)))
        return found

    def places(self, points: Sequence[str]) -> dict[str, Place]:
        """Where these points stand; points unknown to the ledger are absent."""
        return self._places.of(points)

    def chunks_of(self, path: str) -> list[ChunkRow]:
        """The chunks of one object in order."""
        sql = f"SELECT {_CHUNK_COLUMNS} {_JOINED} WHERE o.path = ? ORDER BY c.ordinal"
        return [_chunk(row) for row in self._db.rows(sql, (path,))]

    def at(self, places: Iterable[tuple[int, int]]) -> dict[str, Place]:
        """The points at these places (object, ordinal); places that do not exist are absent."""
        return self._places.at(places)

    def points(self) -> dict[str, ObjectKind]:
        """Every point that must be in the index, with its kind."""
        return dict(self._db.rows(f"SELECT c.point, o.kind {_JOINED}"))

    def memories(self) -> list[tuple[str, str, int]]:
        """Path, text and retrieval count of every indexed memory."""
        sql = f"SELECT o.path, c.text, c.hits {_JOINED} WHERE o.kind = 'memory'"
        return [(row[0], row[1], row[2]) for row in self._db.rows(sql)]

    def frequencies(self, kind: ObjectKind, terms: Sequence[int]) -> tuple[int, list[int]]:
        """How many chunks of a kind there are, and in how many each of these words occurs."""
        marks = ",".join("?" * (len(terms) + 1))
        sql = f"SELECT term, chunks FROM terms WHERE kind = ? AND term IN ({marks})"
        held = dict(self._db.rows(sql, (kind, _ALL, *terms)))
        return held.get(_ALL, 0), [held.get(term, 0) for term in terms]

    def follow(self, path: str) -> None:
        """Note that a person added this folder or file."""
        with self._db.transaction() as db:
            db.execute("INSERT OR IGNORE INTO roots VALUES (?, ?)", (path, clock.iso(clock.now())))

    def unfollow(self, path: str) -> int:
        """Follow this path, and what lies below it, no longer. Returns how many roots that were."""
        prefix = path.rstrip("/") + "/"
        sql = "DELETE FROM roots WHERE path = ? OR substr(path, 1, length(?)) = ?"
        with self._db.transaction() as db:
            return db.execute(sql, (path, prefix, prefix)).rowcount

    def followed(self) -> list[str]:
        """The folders and files that were added, by path."""
        return [row[0] for row in self._db.rows("SELECT path FROM roots ORDER BY path")]

    def leave_out(self, path: str) -> None:
        """Note that a person has taken this session out."""
        with self._db.transaction() as db:
            db.execute("INSERT OR IGNORE INTO left_out VALUES (?)", (path,))

    def take_in(self, path: str) -> None:
        """Forget that this session was taken out."""
        if self.left_out(path):
            with self._db.transaction() as db:
                db.execute("DELETE FROM left_out WHERE path = ?", (path,))

    def left_out(self, path: str) -> bool:
        """Whether a person has taken this session out."""
        return bool(self._db.rows("SELECT 1 FROM left_out WHERE path = ?", (path,)))

    def sessions(self) -> list[tuple[str, str, str, str]]:
        """Path, title, project and the last time of every transcript, latest first."""
        sql = (
            "SELECT o.path, o.title, o.project, coalesce(nullif(max(c.said), ''), o.changed) AS last"
            " FROM objects o LEFT JOIN chunks c ON c.object = o.id WHERE o.kind = 'transcript'"
            " GROUP BY o.id ORDER BY last DESC"
        )
        return [(row[0], row[1], row[2], row[3]) for row in self._db.rows(sql)]

    def count_hits(self, points: Sequence[str]) -> None:
        """Note that these chunks were put into a frame."""
        with self._db.transaction() as db:
            db.executemany("UPDATE chunks SET hits = hits + 1 WHERE point = ?", [(p,) for p in points])
            now = clock.iso(clock.now())
            db.executemany(
                f"INSERT INTO keeping (path, used) SELECT o.path, ? {_JOINED} WHERE c.point = ?"
                " AND o.kind = 'memory' ON CONFLICT (path) DO UPDATE SET used = excluded.used",
                [(now, point) for point in points],
            )
        self._places.refresh(points)

    def note_surprise(self, path: str, surprise: float) -> bool:
        """Note how surprising the words of the memory at `path` were when said. False where there is none."""
        with self._db.transaction() as db:
            cursor = db.execute(
                "INSERT INTO keeping (path, surprise) SELECT ?, ? WHERE EXISTS"
                " (SELECT 1 FROM objects WHERE path = ? AND kind = 'memory')"
                " ON CONFLICT (path) DO UPDATE SET surprise = excluded.surprise",
                (path, surprise, path),
            )
            return cursor.rowcount == 1

    def keeping(self) -> dict[str, tuple[str, float | None]]:
        """By path of a memory: when it was last given to somebody ("" never), and its surprise."""
        return {row[0]: (row[1], row[2]) for row in self._db.rows("SELECT path, used, surprise FROM keeping")}

    def counts(self) -> dict[str, int]:
        """Documents, memories, transcripts, chunks and open proposals."""
        sql = (
            "SELECT (SELECT count(*) FROM objects WHERE kind = 'document'),"
            " (SELECT count(*) FROM objects WHERE kind = 'memory'),"
            " (SELECT count(*) FROM objects WHERE kind = 'transcript'),"
            " (SELECT count(*) FROM chunks), (SELECT count(*) FROM proposals WHERE state = 'open')"
        )
        names = ("documents", "memories", "transcripts", "chunks", "proposals")
        return dict(zip(names, self._db.rows(sql)[0], strict=True))

    def _remove(self, db: sqlite3.Connection, path: str) -> dict[str, int]:
        """Take an object out. Returns its points with their retrieval counts."""
        sql = f"SELECT c.point, c.hits, c.terms, o.kind {_JOINED} WHERE o.path = ?"
        rows = db.execute(sql, (path,)).fetchall()
        if rows:
            self._count_terms(db, rows[0][3], (_terms(row[2]) for row in rows), -1)
        db.execute("DELETE FROM objects WHERE path = ?", (path,))
        db.execute("DELETE FROM includes WHERE page = ?", (path,))
        return {row[0]: row[1] for row in rows}

    @staticmethod
    def _outdate(db: sqlite3.Connection, file: str, sha256: str) -> None:
        """The pages that show this file as it was are no longer what was read."""
        db.execute(
            "UPDATE objects SET sha256 = '' WHERE path IN"
            " (SELECT page FROM includes WHERE file = ? AND sha256 != ?)",
            (file, sha256),
        )

    @staticmethod
    def _count_terms(
        db: sqlite3.Connection, kind: ObjectKind, chunks: Iterable[Sequence[int]], sign: int
    ) -> None:
        counts = Counter(term for terms in chunks for term in (_ALL, *terms))
        db.executemany(
            "INSERT INTO terms VALUES (?, ?, ?)"
            " ON CONFLICT (kind, term) DO UPDATE SET chunks = chunks + excluded.chunks",
            [(kind, term, sign * count) for term, count in counts.items()],
        )
        if sign < 0:
            gone = [(kind, term) for term in counts]
            db.executemany("DELETE FROM terms WHERE kind = ? AND term = ? AND chunks <= 0", gone)


def _terms(blob: bytes) -> array[int]:
    terms = array("I")
    terms.frombytes(blob)
    return terms
