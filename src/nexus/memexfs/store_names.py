"""Which files there are, and what becomes of a row when its name moves, is replaced or goes.

The rule is that identity follows the name. Whatever comes to lie at a path is, from then on, the file that is
known there: its id, tags and versions go on. A file that is renamed to a name where none was takes its own
along. A removed file is remembered until `forget`, and comes back with what was known of it.

Invariants: one row a path; a folder's rows move with it at the price of one row; whoever keeps an index hears
of each move and each end (`nexus.memexfs.store_queue`, chores).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence

from nexus.core.errors import InvalidInputError
from nexus.memexfs.store_queue import BELOW, Queue
from nexus.memexfs.store_rows import COLUMNS, FileRow, State, label, parts, split, text
from nexus.memexfs.store_schema import ROOT

_PAGE = 500
_EMPTY = """SELECT id FROM folders WHERE id <> ?
    AND NOT EXISTS (SELECT 1 FROM files WHERE folder = folders.id)
    AND NOT EXISTS (SELECT 1 FROM folders inside WHERE inside.parent = folders.id) LIMIT ?"""


class Names(Queue):
    """Files by path."""

    def file(self, path: bytes) -> FileRow | None:
        """The file at `path`; None where none is known."""
        with self._database.reading() as db:
            above, name = split(path)
            folder = self._folder(db, above)
            sql = f"SELECT {COLUMNS} FROM files f WHERE folder = ? AND name = ? AND gone = 0"
            found = self._files(db, db.execute(sql, (folder, name)).fetchall())
            return found[0] if found else None

    def by_id(self, file: int) -> FileRow | None:
        """The file with this id; None where it is unknown or removed."""
        with self._database.reading() as db:
            sql = f"SELECT {COLUMNS} FROM files f WHERE id = ? AND gone = 0"
            found = self._files(db, db.execute(sql, (file,)).fetchall())
            return found[0] if found else None

    def by_ids(self, files: list[int]) -> list[FileRow]:
        """Those of them that there are, in the order given."""
        with self._database.reading() as db:
            sql = f"SELECT {COLUMNS} FROM files f WHERE id = ? AND gone = 0"
            return self._files(db, (row for n in files for row in db.execute(sql, (n,)).fetchall()))

    def ensure(self, path: bytes) -> int:
        """The id of the file at `path`; makes it known ("waiting", not queued) where it is not."""
        with self.batch() as db:
            return self._ensured(db, path)

    def files(self, under: bytes = b"", after: bytes = b"", limit: int = 1000) -> list[FileRow]:
        """Files below the folder `under` (or that file), folder by folder in the order of names, those that
        come after the path `after`. Goes on with `after` = the last path it gave."""
        with self._database.reading() as db:
            own = self._live(db, under) if under else None
            found: list[tuple[object, ...]] = []
            if own is not None and not after:
                found += db.execute(f"SELECT {COLUMNS} FROM files f WHERE id = ?", (own,)).fetchall()
            start = self._folder(db, under)
            rest = parts(after)[len(parts(under)) :] if after else []
            if start is not None:
                for file in self._walk(db, start, rest):
                    if len(found) >= limit:
                        break
                    found += db.execute(f"SELECT {COLUMNS} FROM files f WHERE id = ?", (file,)).fetchall()
            return self._files(db, found[:limit])

    def _walk(self, db: sqlite3.Connection, folder: int, after: list[bytes]) -> Iterator[int]:
        """Ids of live files below, a file before a folder of the same name. Trees may be deeper than Python
        calls itself."""
        levels = []
        for depth, name in enumerate(after):
            last = depth == len(after) - 1
            levels.append(self._entries(db, folder, name, 0 if last else 1))
            sql = "SELECT id FROM folders WHERE parent = ? AND name = ?"
            inner = None if last else db.execute(sql, (folder, name)).fetchone()
            if inner is None:
                break
            folder = inner[0]
        levels = levels or [self._entries(db, folder, b"", -1)]
        while levels:
            rank, number = next(levels[-1], (-1, 0))
            if rank < 0:
                levels.pop()
            elif rank:
                levels.append(self._entries(db, number, b"", -1))
            else:
                yield number

    def _entries(
        self, db: sqlite3.Connection, folder: int, name: bytes, rank: int
    ) -> Iterator[tuple[int, int]]:
        """(0, id) of live files and (1, id) of folders in a folder, after this name and rank."""
        while True:
            page = db.execute(
                "SELECT * FROM (SELECT name, 0 AS rank, id FROM files WHERE folder = ?1 AND gone = 0"
                " AND (name, 0) > (?2, ?3) ORDER BY name LIMIT ?4) UNION ALL "
                "SELECT * FROM (SELECT name, 1, id FROM folders WHERE parent = ?1 AND (name, 1) > (?2, ?3)"
                " ORDER BY name LIMIT ?4) ORDER BY 1, 2 LIMIT ?4",
                (folder, name, rank, _PAGE),
            ).fetchall()
            if not page:
                return
            for _, kind, number in page:
                yield kind, number
            name, rank, _ = page[-1]

    def count(self) -> dict[State, int]:
        """How many files there are in each state that any is in."""
        with self._database.reading() as db:
            return dict(db.execute("SELECT state, count(*) FROM files WHERE gone = 0 GROUP BY state"))

    def differing(self, seen: Sequence[tuple[bytes, int, int]]) -> list[tuple[bytes, int, int]]:
        """Of (path, size, mtime_ns) as they are in the tree, those that are not known so."""
        with self._database.reading() as db:
            folders: dict[bytes, int | None] = {}
            changed = []
            sql = "SELECT size, mtime_ns FROM files WHERE folder = ? AND name = ? AND gone = 0"
            for path, size, mtime_ns in seen:
                above, name = split(path)
                if above not in folders:
                    folders[above] = self._folder(db, above)
                if db.execute(sql, (folders[above], name)).fetchone() != (size, mtime_ns):
                    changed.append((path, size, mtime_ns))
            return changed

    def requeue(self) -> int:
        """Queue the files that wait to be read and are in no queue. Returns how many."""
        sql = (
            "SELECT id FROM files WHERE gone = 0 AND state = 'waiting'"
            " AND NOT EXISTS (SELECT 1 FROM pending WHERE file = files.id) LIMIT ?"
        )
        queued = 0
        while True:
            with self.batch() as db:
                lost = db.execute(sql, (_PAGE,)).fetchall()
                for (file,) in lost:
                    self._queue(db, file, time.time_ns())
                queued += len(lost)
                if not lost:
                    return queued

    # ---- what happens to names

    def written(self, path: bytes, size: int, mtime_ns: int, not_before: int) -> int:
        """The file at `path` was made or changed: it is queued. Returns its id."""
        with self.batch() as db:
            file = self._ensured(db, path)
            db.execute("UPDATE files SET size = ?, mtime_ns = ? WHERE id = ?", (size, mtime_ns, file))
            self._queue(db, file, not_before)
            return file

    def moved(self, old: bytes, new: bytes, folder: bool) -> None:
        """`old` is called `new` now, where nothing was (that lived)."""
        with self.batch() as db:
            if folder:
                self._move_folder(db, old, new)
            else:
                self._move_file(db, old, new, replaced=False)

    def replaced(self, old: bytes, new: bytes) -> None:
        """The file `old` took the place of the file at `new`, whose identity goes on; the tags of `old` come
        to its own. What was kept of older contents of `old` stays known under that name."""
        with self.batch() as db:
            self._move_file(db, old, new, replaced=True)

    def exchanged(self, one: bytes, other: bytes) -> None:
        """The two changed places: files keep id and tags at their names, folders what is in them."""
        with self.batch() as db:
            self._exchange(db, one, other)

    def linked(self, path: bytes, new: bytes) -> None:
        """`new` is another name of the file at `path`: a file of its own here, with the same tags."""
        with self.batch() as db:
            file, other = self._live(db, path), self._ensured(db, new)
            if file is not None:
                db.execute(
                    "UPDATE files SET (size, mtime_ns) = (SELECT size, mtime_ns FROM files WHERE id = ?)"
                    " WHERE id = ?",
                    (file, other),
                )
                self._share_tags(db, file, other, new)
            self._queue(db, other, time.time_ns())

    def removed(self, path: bytes, folder: bool) -> None:
        """The name is gone. What was known of the files is remembered until `forget`."""
        with self.batch() as db:
            if not folder:
                file = self._live(db, path)
                if file is not None:
                    self._chore(db, "drop", file, path)
                    self._go(db, file)
                return
            number = self._folder(db, path)
            if number in (None, ROOT):
                return
            self._chore(db, "drop", 0, path, folder=number)
        below = f"{BELOW} SELECT id FROM files WHERE folder IN below AND gone = 0 LIMIT ?"
        while True:  # in parts, so that others may write meanwhile
            with self.batch() as db:
                files = db.execute(below, (number, _PAGE)).fetchall()
                for (file,) in files:
                    self._go(db, file)
                if not files:
                    self._prune_folders(db, number or 0)
                    return

    def forget(self, before_ns: int, tagged_before_ns: int = 0) -> int:
        """Drop what is remembered of files that were removed before then and have neither tags nor versions,
        and of those that were removed before `tagged_before_ns` and have no versions. Returns how many."""
        gone = 0
        sql = (
            "SELECT id FROM files WHERE gone <> 0 AND gone < ?1"
            " AND (gone < ?2 OR NOT EXISTS (SELECT 1 FROM tagged WHERE file = files.id))"
            " AND NOT EXISTS (SELECT 1 FROM versions WHERE file = files.id) LIMIT ?3"
        )
        while True:  # in parts, so that others may write meanwhile
            with self.batch() as db:
                stale = db.execute(
                    sql, (max(before_ns, tagged_before_ns), tagged_before_ns, _PAGE)
                ).fetchall()
                db.executemany("DELETE FROM files WHERE id = ?", stale)
                gone += len(stale)
                if not stale:
                    break
        while True:
            with self.batch() as db:
                empty = db.execute(_EMPTY, (ROOT, _PAGE)).fetchall() if gone else []
                db.executemany("DELETE FROM folders WHERE id = ?", empty)
                if not empty:
                    return gone

    # ---- the parts of it

    def _move_file(self, db: sqlite3.Connection, old: bytes, new: bytes, *, replaced: bool) -> None:
        there = self._row(db, new)
        # One that was found missing just before its move was told is that file all the same.
        file = None if self._row(db, old) is None else self._ensured(db, old)
        if file is None:  # a temporary file that was never told of, or told of too late
            self._queue(db, self._ensured(db, new), time.time_ns())
            return
        if there is not None and (replaced or not there[1] or not self._remembers(db, file)):
            here = self._ensured(db, new)
            db.execute(
                "UPDATE files SET (size, mtime_ns) = (SELECT size, mtime_ns FROM files WHERE id = ?)"
                " WHERE id = ?",
                (file, here),
            )
            self._share_tags(db, file, here, new)
            if db.execute("DELETE FROM tagged WHERE file = ?", (file,)).rowcount:
                self._note("bare", text(old), durable=False)
            self._chore(db, "drop", file, old)
            self._go(db, file)
            self._queue(db, here, time.time_ns())
            return
        if there is not None:  # one that was removed long ago: what is known of it comes to this one
            db.execute("UPDATE versions SET file = ? WHERE file = ?", (file, there[0]))
            self._share_tags(db, there[0], file, new)
            db.execute("DELETE FROM files WHERE id = ?", (there[0],))
        if self._remembers(db, file):
            self._note("mv", text(old), text(new), False, durable=False)
        above, name = split(new)
        db.execute(
            "UPDATE files SET folder = ?, name = ?, label = ? WHERE id = ?",
            (self._folder(db, above, make=True), name, label(name), file),
        )
        self._chore(db, "move", file, new, old)
        self._queue(db, file, time.time_ns())

    def _exchange(self, db: sqlite3.Connection, one: bytes, other: bytes) -> None:
        outside(one, other)
        outside(other, one)
        files = self._live(db, one), self._live(db, other)
        folders = self._folder(db, one), self._folder(db, other)
        if folders != (None, None):
            self._note("swap", text(one), text(other), durable=False)
        for number in folders:
            if number is not None:  # a name that no folder has, so that neither is in the other's way
                db.execute("UPDATE folders SET name = ? WHERE id = ?", (b"/%d" % number, number))
        for number, old, new in zip(folders, (one, other), (other, one), strict=True):
            if number is not None:
                above, name = split(new)
                parent = self._folder(db, above, make=True)
                db.execute("UPDATE folders SET parent = ?, name = ? WHERE id = ?", (parent, name, number))
                self._chore(db, "move", 0, new, old, folder=number)
        if files[0] is not None and files[1] is not None:
            for file in files:
                self._queue(db, file or 0, time.time_ns())
        elif files[0] is not None:
            self._move_file(db, one, other, replaced=False)
        elif files[1] is not None:
            self._move_file(db, other, one, replaced=False)

    def _move_folder(self, db: sqlite3.Connection, old: bytes, new: bytes) -> None:
        outside(old, new)
        number = self._folder(db, old)
        if number in (None, ROOT):
            return
        if db.execute("SELECT EXISTS (SELECT 1 FROM tagged) OR EXISTS (SELECT 1 FROM versions)").fetchone()[
            0
        ]:
            self._note("mv", text(old), text(new), True, durable=False)
        there = self._folder(db, new)
        above, name = split(new)
        parent = self._folder(db, above, make=True)
        if there is not None and there != number:
            db.execute("UPDATE folders SET name = ? WHERE id = ?", (b"/%d" % there, there))
        db.execute("UPDATE folders SET parent = ?, name = ? WHERE id = ?", (parent, name, number))
        if there is not None and there != number:
            self._merge(db, there, number or 0)
        self._chore(db, "move", 0, new, old, folder=number)

    def _merge(self, db: sqlite3.Connection, leaving: int, staying: int) -> None:
        """What is remembered of an empty folder comes to the one that took its place."""
        work = [(leaving, staying)]
        for old, new in work:  # grows meanwhile
            rows = db.execute("SELECT id, name, gone FROM files WHERE folder = ?", (old,)).fetchall()
            for file, name, gone in rows:
                sql = "SELECT id FROM files WHERE folder = ? AND name = ?"
                other = db.execute(sql, (new, name)).fetchone()
                if other is None and gone:
                    db.execute("UPDATE files SET folder = ? WHERE id = ?", (new, file))
                    continue
                if other is not None:
                    db.execute("UPDATE versions SET file = ? WHERE file = ?", (other[0], file))
                db.execute("DELETE FROM files WHERE id = ?", (file,))
            folders = db.execute("SELECT id, name FROM folders WHERE parent = ?", (old,)).fetchall()
            for folder, name in folders:
                sql = "SELECT id FROM folders WHERE parent = ? AND name = ?"
                other = db.execute(sql, (new, name)).fetchone()
                if other is None:
                    db.execute("UPDATE folders SET parent = ? WHERE id = ?", (new, folder))
                else:
                    work.append((folder, other[0]))
        for old, _ in work:
            db.execute("DELETE FROM folders WHERE id = ?", (old,))

    def _remembers(self, db: sqlite3.Connection, file: int) -> bool:
        """Whether something is known of the file that its bytes do not tell."""
        return bool(
            db.execute(
                "SELECT EXISTS (SELECT 1 FROM tagged WHERE file = ?1)"
                " OR EXISTS (SELECT 1 FROM versions WHERE file = ?1)",
                (file,),
            ).fetchone()[0]
        )

    def _go(self, db: sqlite3.Connection, file: int) -> None:
        """A live file is one that was removed now."""
        db.execute("UPDATE files SET gone = ? WHERE id = ?", (max(1, time.time_ns()), file))

    def _share_tags(self, db: sqlite3.Connection, file: int, other: int, path: bytes) -> None:
        names = db.execute(
            "SELECT tags.name FROM tagged JOIN tags ON tags.id = tagged.tag WHERE tagged.file = ?1"
            " AND NOT EXISTS (SELECT 1 FROM tagged o WHERE o.tag = tagged.tag AND o.file = ?2)",
            (file, other),
        ).fetchall()
        if names:
            db.execute(
                "INSERT OR IGNORE INTO tagged (tag, file) SELECT tag, ?2 FROM tagged WHERE file = ?1",
                (file, other),
            )
            self._note("tag", text(path), [name for (name,) in names], durable=False)

    def _prune_folders(self, db: sqlite3.Connection, number: int) -> None:
        """Drop the rows of folders, from this one down, that hold no file's row any more."""
        below = [row[0] for row in db.execute(f"{BELOW} SELECT id FROM below", (number,))]
        for folder in reversed(below):  # the deepest first
            db.execute(
                "DELETE FROM folders WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM files WHERE folder = ?1)"
                " AND NOT EXISTS (SELECT 1 FROM folders WHERE parent = ?1)",
                (folder,),
            )


def outside(path: bytes, other: bytes) -> None:
    """Raises `InvalidInputError` where `other` lies below `path`: a folder cannot be moved into itself."""
    if other.startswith(path + b"/"):
        raise InvalidInputError(f"{other!r} lies below {path!r}", hint="a folder cannot be moved into itself")
