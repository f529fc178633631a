"""What is known of a file, and the way from its path to its row and back.

Paths are those under files/: bytes, names with `/` between them, none in front; b"" is files/ itself. Times
are nanoseconds since 1970. Knows neither tags nor the queue. Invariant: a row is found by where its path
leads through the folders; nothing else remembers a path.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple

from nexus.core.errors import InvalidInputError
from nexus.memexfs.database import Database
from nexus.memexfs.journal import Journal, Line
from nexus.memexfs.store_schema import ROOT

State = Literal["waiting", "indexed", "unreadable", "secret", "ignored", "large"]
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])")
_LEAST = 2**20  # bytes; a journal below is not worth writing anew


class FileRow(NamedTuple):
    """A file. `kind` is one of text markdown code pdf office html image other, "" while it is not known;
    `digest` BLAKE3 in hexadecimal, "" while it is not known. `size` and `mtime_ns` are those that were queued
    last. `problem` says why the state is not "indexed"."""

    id: int
    path: bytes
    kind: str
    mime: str
    title: str
    summary: str
    author: str
    project: str
    language: str
    size: int
    mtime_ns: int
    digest: str
    state: State
    problem: str
    indexed_ns: int


class Facts(NamedTuple):
    """What was found out about a file by reading it: see `FileRow`."""

    kind: str
    mime: str = ""
    title: str = ""
    summary: str = ""
    author: str = ""
    project: str = ""
    language: str = ""
    size: int = 0
    mtime_ns: int = 0
    digest: str = ""
    state: State = "indexed"
    problem: str = ""


class Passage(NamedTuple):
    """A part of a file's text. `start` and `end` are lines (or pages), from 1; 0 where there are none."""

    heading: str
    text: str
    start: int = 0
    end: int = 0


COLUMNS = (
    "f.id, f.folder, f.name, f.kind, f.mime, f.title, f.summary, f.author, f.project, f.language,"
    " f.size, f.mtime_ns, f.digest, f.state, f.problem, f.indexed_ns"
)


class Rows:
    """Paths and rows. The base of the parts of `nexus.memexfs.store.Store`."""

    _database: Database
    _journal: Journal
    _said: threading.local

    @contextmanager
    def batch(self) -> Iterator[sqlite3.Connection]:
        """All calls of this thread in the block as one transaction: whole or nothing, and quicker.

        Raises `StorageError`.
        """
        with self._database.transaction() as db:
            if getattr(self._said, "lines", None) is not None:
                yield db
                return
            self._said.lines, self._said.durable = [], False
            try:
                yield db
                if self._said.lines:
                    size = self._journal.append(self._said.lines, durable=self._said.durable)
                    if size > max(_LEAST, 3 * int(fact(db, "journal"))):
                        remember(db, "journal", self._journal.rewrite(self._snapshot(db)))
            finally:
                self._said.lines = None

    def _note(self, *line: object, durable: bool = True) -> None:
        """A line for the journal, written with the transaction that this is in."""
        self._said.lines.append(list(line))
        self._said.durable = self._said.durable or durable

    def _snapshot(self, db: sqlite3.Connection) -> Iterator[Line]:
        """Lines that lead to what `db` holds."""
        raise NotImplementedError

    # ---- from a path to rows

    def _folder(self, db: sqlite3.Connection, path: bytes, *, make: bool = False) -> int | None:
        """The row of a folder; with `make` it and those above are made. None where there is none."""
        at = ROOT
        for name in parts(path):
            row = db.execute("SELECT id FROM folders WHERE parent = ? AND name = ?", (at, name)).fetchone()
            if row is None:
                if not make:
                    return None
                row = (db.execute("INSERT INTO folders (parent, name) VALUES (?, ?)", (at, name)).lastrowid,)
            at = row[0]
        return at

    def _row(self, db: sqlite3.Connection, path: bytes) -> tuple[int, int] | None:
        """(id, gone) of the file, also of one that was removed and is remembered."""
        above, name = split(path)
        folder = self._folder(db, above)
        if folder is None:
            return None
        row = db.execute(
            "SELECT id, gone FROM files WHERE folder = ? AND name = ?", (folder, name)
        ).fetchone()
        return None if row is None else (row[0], row[1])

    def _live(self, db: sqlite3.Connection, path: bytes) -> int | None:
        row = self._row(db, path)
        return None if row is None or row[1] else row[0]

    def _ensured(self, db: sqlite3.Connection, path: bytes) -> int:
        """The id of the live file at `path`, made or brought back where there is none."""
        row = self._row(db, path)
        if row is not None:
            if row[1]:
                db.execute(
                    "UPDATE files SET gone = 0, state = 'waiting', problem = '' WHERE id = ?", (row[0],)
                )
            return row[0]
        above, name = split(path)
        folder = self._folder(db, above, make=True)
        made = db.execute(
            "INSERT INTO files (folder, name, label) VALUES (?, ?, ?)", (folder, name, label(name))
        )
        return int(made.lastrowid or 0)

    # ---- from rows to paths

    def _path(self, db: sqlite3.Connection, folder: int, known: dict[int, bytes] | None = None) -> bytes:
        """The path of a folder's row, with a `/` behind it unless it is files/ itself."""
        known = {} if known is None else known
        chain: list[tuple[int, bytes]] = []
        at = folder
        while at != ROOT and at not in known:
            row = db.execute("SELECT parent, name FROM folders WHERE id = ?", (at,)).fetchone()
            if row is None:
                raise sqlite3.DatabaseError(f"a folder {at} is missing")
            chain.append((at, row[1]))
            at = row[0]
        path = known.get(at, b"")
        for number, name in reversed(chain):
            path = known[number] = path + name + b"/"
        return path

    def _files(self, db: sqlite3.Connection, found: Iterable[tuple[object, ...]]) -> list[FileRow]:
        """Rows of COLUMNS as they are shown."""
        known: dict[int, bytes] = {}
        shown = []
        for row in found:
            path = self._path(db, row[1], known) + row[2]  # type: ignore[arg-type, operator]
            shown.append(FileRow(row[0], path, *row[3:]))  # type: ignore[arg-type]
        return shown


def parts(path: bytes) -> list[bytes]:
    """The names of a path. Raises `InvalidInputError` for one that no file can have."""
    if not path:
        return []
    names = path.split(b"/")
    if not all(names) or b"\0" in path or b"." in names or b".." in names:
        raise InvalidInputError(
            f"{os.fsdecode(path)!r} is no path under files/", hint="names with / between them, none in front"
        )
    return names


def split(path: bytes) -> tuple[bytes, bytes]:
    """The folder and the name. Raises `InvalidInputError`."""
    names = parts(path)
    if not names:
        raise InvalidInputError("files/ itself is no file", hint="name a file below it")
    return b"/".join(names[:-1]), names[-1]


def text(path: bytes) -> str:
    """A path as the journal has it."""
    return path.decode("utf-8", "surrogateescape")


def label(name: bytes) -> str:
    """A file's name as words are looked for in it: what runs together counts apart as well."""
    text = name.decode("utf-8", "replace")
    apart = _CAMEL.sub(" ", text)
    return text if apart == text else f"{text} {apart}"


def month(mtime_ns: int) -> str:
    """`2026-11`, in UTC; "" for a time that no calendar has."""
    try:
        return time.strftime("%Y-%m", time.gmtime(mtime_ns // 10**9))
    except (OverflowError, ValueError, OSError):
        return ""


def fact(db: sqlite3.Connection, name: str, default: int | str = 0) -> int | str:
    """One of the store's own facts."""
    row = db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    if row is None:
        return default
    found: int | str = row[0]
    return found


def remember(db: sqlite3.Connection, name: str, value: object) -> None:
    """Set one of the store's own facts."""
    db.execute("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", (name, value))


def marks(values: Sequence[object]) -> str:
    """`?, ?, ?` for so many values."""
    return ", ".join("?" * len(values))
