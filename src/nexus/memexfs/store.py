"""What MemexFS knows of files beside their bytes: one SQLite database, and a journal it is made anew from.

The parts: names (`store_names`), the queue (`store_queue`), tags and lists (`store_tags`), words
(`store_words`), versions (`store_versions`); saved questions and sources are here. Several processes and any
number of threads may use one folder at once. Knows neither the tree nor what reads files.

Invariant: what only this knows (tags, saved questions, sources, versions) is in the journal before it is in
the database; names and bytes are in neither.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from nexus.core.errors import InvalidInputError
from nexus.memexfs.database import Database
from nexus.memexfs.journal import Journal, Line
from nexus.memexfs.store_names import Names
from nexus.memexfs.store_queue import Pending, Task
from nexus.memexfs.store_rows import Facts, FileRow, Passage, State, fact, remember, text
from nexus.memexfs.store_schema import SCHEMA, VERSION
from nexus.memexfs.store_tags import PROJECT, Field, Tags, checked
from nexus.memexfs.store_versions import Version, Versions
from nexus.memexfs.store_words import Match, Words

__all__ = [
    "PROJECT",
    "Facts",
    "Field",
    "FileRow",
    "Match",
    "Passage",
    "Pending",
    "State",
    "Store",
    "Task",
    "Version",
]


class Store(Names, Tags, Words, Versions):
    """The database of one NEXUS_HOME/memex."""

    def __init__(self, folder: Path) -> None:
        """Open it, make it, or make it anew where it is damaged. Raises `StorageError`."""
        self._said = threading.local()
        self._journal = Journal(folder / "journal")
        self._database = Database(folder, SCHEMA, VERSION, self._replay)

    def close(self) -> None:
        """Calling it twice is harmless."""
        self._database.close()

    @property
    def identity(self) -> str:
        """Another one for each database that was made. Ids of files are of one database; those of one before
        name no file."""
        with self._database.reading() as db:
            return str(fact(db, "identity", ""))

    @property
    def rebuilt(self) -> str:
        """Why the database was made anew when this opened it; "" where it was sound or there was none."""
        return self._database.rebuilt

    def check(self) -> list[str]:
        """What is wrong with the database, read as a whole; empty when it is sound."""
        found = self._database.check()
        if found:
            return found
        with self._database.reading() as db:
            for name, sql in _CHECKS.items():
                found += [f"{name}: {row[0]}" for row in db.execute(sql).fetchmany(20)]
        with self._database.transaction() as db:
            for words in ("named", "said"):
                try:
                    db.execute(f"INSERT INTO {words} ({words}, rank) VALUES ('integrity-check', 1)")
                except sqlite3.DatabaseError as error:
                    found.append(f"words of {words}: {error}")
        return found

    def rebuild(self, why: str) -> None:
        """Make the database anew from the journal at the next use. What is not in there (which files there
        are, their words) comes back by `nexus.memexfs.reconcile`."""
        self._database.condemn(why)

    def remember(self, name: str, value: str) -> None:
        """Keep a fact about the store itself, such as when something was done last."""
        with self.batch() as db:
            remember(db, f"own:{name}", value)

    def recall(self, name: str) -> str:
        """What was kept under this name; "" where nothing was."""
        with self._database.reading() as db:
            return str(fact(db, f"own:{name}", ""))

    # ---- saved questions

    def save_query(self, name: str, question: str) -> None:
        """Keep a question under a name, in place of another of that name. Raises `InvalidInputError`."""
        with self.batch() as db:
            db.execute("INSERT OR REPLACE INTO queries VALUES (?, ?)", (checked(name), question))
            self._note("query", name, question)

    def drop_query(self, name: str) -> bool:
        """Forget it. False where there was none."""
        with self.batch() as db:
            gone = db.execute("DELETE FROM queries WHERE name = ?", (name,)).rowcount > 0
            if gone:
                self._note("unquery", name)
            return gone

    def queries(self) -> dict[str, str]:
        """The saved questions by their names, in order."""
        with self._database.reading() as db:
            return dict(db.execute("SELECT name, text FROM queries ORDER BY name"))

    # ---- folders that are shown in place

    def sources(self) -> dict[str, Path]:
        """Folders elsewhere that are shown under files/, by the name they have there."""
        with self._database.reading() as db:
            rows = db.execute("SELECT name, path FROM sources ORDER BY name")
            return {name: Path(os.fsdecode(path)) for name, path in rows}

    def add_source(self, name: str, path: Path) -> None:
        """Show a folder as files/NAME. Raises `InvalidInputError`."""
        if not path.is_absolute():
            raise InvalidInputError(f"{path} is no full path", hint="give the whole path of the folder")
        with self.batch() as db:
            db.execute("INSERT OR REPLACE INTO sources VALUES (?, ?)", (checked(name), os.fsencode(path)))
            self._note("source", name, os.fspath(path))

    def drop_source(self, name: str) -> bool:
        """Show it no more; what is known of its files goes too. False where there was none."""
        with self.batch() as db:
            if not db.execute("DELETE FROM sources WHERE name = ?", (name,)).rowcount:
                return False
            self._note("unsource", name)
            self.removed(os.fsencode(name), folder=True)
            return True

    # ---- the journal

    def _replay(self, db: sqlite3.Connection, number: int) -> None:
        """Fill an empty database with what the journal says."""
        self._said.lines, self._said.durable = [], False
        # An id of the database before is none of this one, rather than that of another file.
        db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('files', ?)", ((number - 1) << 32,))
        try:
            for line in self._journal.lines():
                try:
                    self._apply(db, line)
                except _NONSENSE:
                    self._journal.damaged += 1
            # Whoever keeps an index compares it with the files that there are, which is not known yet.
            db.execute("DELETE FROM chores")
            db.execute("DELETE FROM pending")
            remember(db, "identity", secrets.token_hex(8))
            remember(db, "journal", 0)
            remember(db, "own:lines that could not be read", str(self._journal.damaged))
        finally:
            self._said.lines = None

    def _apply(self, db: sqlite3.Connection, line: Line) -> None:
        word, *values = line
        if word == "mv":
            old, new, folder = values
            if folder:
                self._move_folder(db, raw(old), raw(new))
            elif self._live(db, raw(old)) is not None:
                self._move_file(db, raw(old), raw(new), replaced=False)
        elif word == "version":
            path, digest, form, size, mtime_ns, taken_ns, cause = values
            file = self._ensured(db, raw(path))
            db.execute(
                "INSERT INTO versions (file, digest, form, size, mtime_ns, taken_ns, cause)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (file, str(digest), str(form), whole(size), whole(mtime_ns), whole(taken_ns), str(cause)),
            )
        elif word in ("tag", "untag"):
            path, names = values
            if not isinstance(names, list):
                raise TypeError("no list of tags")
            tag = self._tag if word == "tag" else self._untag
            tag(db, self._ensured(db, raw(path)), [checked(str(name)) for name in names])
        else:
            self._apply_short(db, str(word), [str(value) for value in values])

    def _apply_short(self, db: sqlite3.Connection, word: str, values: list[str]) -> None:
        if word == "swap":
            self._exchange(db, raw(values[0]), raw(values[1]))
        elif word == "bare":
            db.execute("DELETE FROM tagged WHERE file = ?", (self._ensured(db, raw(values[0])),))
        elif word == "rename":
            self._rename_tag(db, values[0], checked(values[1]))
        elif word in _PLAIN:
            sql, count = _PLAIN[word]
            given: list[object] = list(values[:count])
            if word == "source":
                given[1] = raw(values[1])
            db.execute(sql, given)
        else:
            raise ValueError(f"no such word: {word}")

    def _snapshot(self, db: sqlite3.Connection) -> Iterator[Line]:
        known: dict[int, bytes] = {}
        for (name,) in db.execute("SELECT name FROM tags ORDER BY id"):
            yield ["make", name]
        sql = "SELECT name FROM tags WHERE id IN (SELECT tag FROM tagged WHERE file = ?) ORDER BY id"
        files = "SELECT id, folder, name FROM files WHERE id IN (SELECT file FROM tagged) ORDER BY id"
        for file, folder, name in db.execute(files):
            path = self._path(db, folder, known) + name
            yield ["tag", text(path), [tag for (tag,) in db.execute(sql, (file,))]]
        versions = (
            "SELECT f.folder, f.name, v.digest, v.form, v.size, v.mtime_ns, v.taken_ns, v.cause"
            " FROM versions v JOIN files f ON f.id = v.file ORDER BY v.n"
        )
        for folder, name, *values in db.execute(versions):
            yield ["version", text(self._path(db, folder, known) + name), *values]
        for name, question in db.execute("SELECT name, text FROM queries"):
            yield ["query", name, question]
        for name, path in db.execute("SELECT name, path FROM sources"):
            yield ["source", name, os.fsdecode(path)]


# What comes of a line that nobody here wrote; a full disk or a damaged file is something else.
_NONSENSE = (
    *(TypeError, ValueError, LookupError, OverflowError, InvalidInputError),
    *(sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError),
)
_PLAIN = {
    "make": ("INSERT OR IGNORE INTO tags (name) VALUES (?)", 1),
    "drop": ("DELETE FROM tags WHERE name = ?", 1),
    "query": ("INSERT OR REPLACE INTO queries VALUES (?, ?)", 2),
    "unquery": ("DELETE FROM queries WHERE name = ?", 1),
    "source": ("INSERT OR REPLACE INTO sources VALUES (?, ?)", 2),
    "unsource": ("DELETE FROM sources WHERE name = ?", 1),
}
_CHECKS = {
    "a folder without one above it": "SELECT id FROM folders WHERE id <> 1"
    " AND parent NOT IN (SELECT id FROM folders)",
    "a file without a folder": "SELECT id FROM files WHERE folder NOT IN (SELECT id FROM folders)",
    "a passage without its file": "SELECT id FROM passages WHERE file NOT IN (SELECT id FROM files)",
    "work for no file": "SELECT file FROM pending WHERE file NOT IN (SELECT id FROM files WHERE gone = 0)",
    "a version of no file": "SELECT n FROM versions WHERE file NOT IN (SELECT id FROM files)",
    "a tag of no file": "SELECT tag FROM tagged WHERE file NOT IN (SELECT id FROM files)",
    "a tag that is not counted right": "SELECT name FROM tags WHERE files <> (SELECT count(*) FROM tagged"
    " JOIN files ON files.id = tagged.file WHERE tagged.tag = tags.id AND gone = 0)",
}


def raw(path: object) -> bytes:
    """A path of the journal as bytes."""
    if not isinstance(path, str):
        raise TypeError("no path")
    return path.encode("utf-8", "surrogateescape")


def whole(value: object) -> int:
    """A number of the journal that SQLite can hold."""
    if not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise ValueError("no whole number")
    return value
