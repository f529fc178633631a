"""Tags of files, and the lists that files are shown in: by tag, kind, author, project, month, latest first.

Knows nothing of folders that show them. Invariants: a tag exists from when it is made until it is dropped,
with or without files; its count is of files that are there; files whose tags change are queued, for whoever
has the tags in an index; nothing here costs more than what it gives, save the count of a whole column.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Literal

from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.memexfs.store_queue import Queue
from nexus.memexfs.store_rows import COLUMNS, FileRow, marks, text

Field = Literal["kind", "author", "project", "month"]
_FIELDS = ("kind", "author", "project", "month")
_OF = "SELECT file FROM tagged WHERE tag = (SELECT id FROM tags WHERE name = ?)"
_LONGEST = 200  # bytes of UTF-8
PROJECT = "project:"  # a tag of this beginning makes a project


class Tags(Queue):
    """Tags, and what else files are found by without words."""

    def make_tag(self, name: str) -> bool:
        """Make a tag. False where it was there. Raises `InvalidInputError`."""
        with self.batch() as db:
            made = db.execute("INSERT OR IGNORE INTO tags (name) VALUES (?)", (checked(name),)).rowcount > 0
            if made:
                self._note("make", name)
            return made

    def drop_tag(self, name: str) -> bool:
        """Forget a tag, on all its files. False where there was none."""
        with self.batch() as db:
            self._retagged(db, _OF, name)
            gone = db.execute("DELETE FROM tags WHERE name = ?", (name,)).rowcount > 0
            if gone:
                self._note("drop", name)
            return gone

    def rename_tag(self, name: str, new: str) -> None:
        """Another name for a tag; one that there is already takes its files. Raises `NotFoundError`."""
        with self.batch() as db:
            self._retagged(db, _OF, name)
            if not self._rename_tag(db, name, checked(new)):
                raise NotFoundError(f"there is no tag {name!r}", hint="nexus memex tag lists them")
            self._note("rename", name, new)

    def tag(self, file: int, *names: str) -> None:
        """Tag a file; makes the tags that are not there. Raises `NotFoundError` and `InvalidInputError`."""
        with self.batch() as db:
            path = self._path_of(db, file)
            self._tag(db, file, [checked(name) for name in names])
            self._retagged(db, "?", file)
            self._note("tag", text(path), list(names))

    def untag(self, file: int, *names: str) -> None:
        """Take tags off a file; those that it has not are no error. Raises `NotFoundError`."""
        with self.batch() as db:
            path = self._path_of(db, file)
            self._untag(db, file, names)
            self._retagged(db, "?", file)
            self._note("untag", text(path), list(names))

    def set_tags(self, file: int, names: Iterable[str]) -> None:
        """Exactly these tags. Raises `NotFoundError` and `InvalidInputError`."""
        with self.batch():
            wanted, now = set(names), set(self.tags_of(file))
            for name in wanted:
                checked(name)
            if now - wanted:
                self.untag(file, *sorted(now - wanted))
            if wanted - now:
                self.tag(file, *sorted(wanted - now))

    def tags_of(self, file: int) -> list[str]:
        """The tags of a file, in the order of their names."""
        with self._database.reading() as db:
            sql = "SELECT name FROM tags WHERE id IN (SELECT tag FROM tagged WHERE file = ?) ORDER BY name"
            return [name for (name,) in db.execute(sql, (file,))]

    def has_tag(self, name: str) -> bool:
        """Whether there is such a tag."""
        with self._database.reading() as db:
            return db.execute("SELECT 1 FROM tags WHERE name = ?", (name,)).fetchone() is not None

    def tags(self, beside: Sequence[str] = ()) -> list[tuple[str, int]]:
        """All tags and how many files have them; with `beside` the other tags of the files that have all of
        those. In the order of their names."""
        with self._database.reading() as db:
            if not beside:
                return list(db.execute("SELECT name, files FROM tags ORDER BY name"))
            wanted = self._tag_ids(db, beside)
            if wanted is None:
                return []
            sql, values = _having_all(wanted)
            return list(
                db.execute(
                    "SELECT tags.name, count(*) FROM tagged JOIN tags ON tags.id = tagged.tag"
                    f" WHERE tagged.file IN ({sql}) AND tagged.tag NOT IN ({marks(wanted)})"
                    " GROUP BY tags.id ORDER BY tags.name",
                    (*values, *wanted),
                )
            )

    def tagged(self, names: Sequence[str], limit: int) -> list[FileRow]:
        """Files that have all these tags, those known longest first. No name: none."""
        with self._database.reading() as db:
            wanted = self._tag_ids(db, names)
            if not wanted:
                return []
            sql, values = _having_all(wanted)
            rows = db.execute(
                f"SELECT {COLUMNS} FROM files f WHERE id IN ({sql}) ORDER BY id LIMIT ?", (*values, limit)
            )
            return self._files(db, rows.fetchall())

    def tagged_paths(self, names: Sequence[str], limit: int) -> list[tuple[int, bytes]]:
        """The same, (id, path) alone: a third of the time where there are thousands."""
        with self._database.reading() as db:
            wanted = self._tag_ids(db, names)
            if not wanted:
                return []
            sql, values = _having_all(wanted)
            sql = f"SELECT id, folder, name FROM files WHERE id IN ({sql}) ORDER BY id LIMIT ?"
            known: dict[int, bytes] = {}
            rows = db.execute(sql, (*values, limit)).fetchall()
            return [(file, self._path(db, folder, known) + name) for file, folder, name in rows]

    def recent(self, since_ns: int, limit: int) -> list[FileRow]:
        """Files changed since then, the latest first."""
        with self._database.reading() as db:
            sql = f"SELECT {COLUMNS} FROM files f WHERE gone = 0 AND mtime_ns >= ?"
            return self._files(
                db, db.execute(f"{sql} ORDER BY mtime_ns DESC LIMIT ?", (since_ns, limit)).fetchall()
            )

    def values(self, field: Field, beside: Sequence[str] = ()) -> list[tuple[str, int]]:
        """What stands in `field` and in how many files, among those that have all the tags of `beside`; files
        where nothing stands are left out. A project may also come from a tag `project:NAME`."""
        with self._database.reading() as db:
            where = ""
            given: tuple[int, ...] = ()
            if beside:
                wanted = self._tag_ids(db, beside)
                if wanted is None:
                    return []
                sql, given = _having_all(wanted)
                where = f" AND id IN ({sql})"
            named = column(field)
            own = f"SELECT {named} AS value, id FROM files WHERE gone = 0 AND {named} <> ''{where}"
            if field != "project":
                sql = f"SELECT value, count(*) FROM ({own}) GROUP BY value ORDER BY value"
                return list(db.execute(sql, given))
            tagged = (
                f"SELECT substr(tags.name, {len(PROJECT) + 1}), file FROM tags JOIN tagged ON tag = tags.id"
                f" WHERE tags.name >= '{PROJECT}' AND tags.name < 'project;' AND file IN"
                f" (SELECT id FROM files WHERE gone = 0{where})"
            )
            found = dict(
                db.execute(
                    f"SELECT value, count(*) FROM ({own} UNION {tagged}) GROUP BY value", (*given, *given)
                )
            )
            for name, files in self.tags() if not beside else ():
                if name.startswith(PROJECT) and not files:
                    found.setdefault(name[len(PROJECT) :], 0)
            return sorted(found.items())

    def having(self, field: Field, value: str, limit: int) -> list[FileRow]:
        """Files with this in `field`, the latest changed first."""
        with self._database.reading() as db:
            named = column(field)
            sql = f"SELECT {COLUMNS} FROM files f WHERE gone = 0 AND {named} = ? AND {named} <> ''"
            if field != "project":
                rows = db.execute(f"{sql} ORDER BY mtime_ns DESC LIMIT ?", (value, limit))
                return self._files(db, rows.fetchall())
            tag = "SELECT file FROM tagged WHERE tag = (SELECT id FROM tags WHERE name = ?)"
            also = f"SELECT {COLUMNS} FROM files f WHERE gone = 0 AND id IN ({tag})"
            rows = db.execute(
                f"SELECT * FROM (SELECT * FROM ({sql} ORDER BY mtime_ns DESC LIMIT ?) UNION {also})"
                " ORDER BY mtime_ns DESC LIMIT ?",
                (value, limit, PROJECT + value, limit),
            )
            return self._files(db, rows.fetchall())

    # ---- the parts of it

    def _path_of(self, db: sqlite3.Connection, file: int) -> bytes:
        row = db.execute("SELECT folder, name FROM files WHERE id = ?", (file,)).fetchone()
        if row is None:
            raise NotFoundError(f"there is no file {file}", hint="it was removed; look for it again")
        return self._path(db, row[0]) + bytes(row[1])

    def _tag(self, db: sqlite3.Connection, file: int, names: Iterable[str]) -> None:
        for name in names:
            db.execute("INSERT OR IGNORE INTO tags (name) VALUES (?)", (name,))
            db.execute(
                "INSERT OR IGNORE INTO tagged (tag, file) SELECT id, ? FROM tags WHERE name = ?", (file, name)
            )

    def _untag(self, db: sqlite3.Connection, file: int, names: Iterable[str]) -> None:
        for name in names:
            db.execute(
                "DELETE FROM tagged WHERE file = ? AND tag = (SELECT id FROM tags WHERE name = ?)",
                (file, name),
            )

    def _rename_tag(self, db: sqlite3.Connection, name: str, new: str) -> bool:
        ids = dict(db.execute("SELECT name, id FROM tags WHERE name IN (?, ?)", (name, new)))
        if name not in ids:
            return False
        if new not in ids:
            db.execute("UPDATE tags SET name = ? WHERE id = ?", (new, ids[name]))
        elif name != new:
            sql = "INSERT OR IGNORE INTO tagged (tag, file) SELECT ?, file FROM tagged WHERE tag = ?"
            db.execute(sql, (ids[new], ids[name]))
            db.execute("DELETE FROM tags WHERE id = ?", (ids[name],))
        return True

    def _tag_ids(self, db: sqlite3.Connection, names: Sequence[str]) -> list[int] | None:
        """The tags' ids, the rarest first; None where one does not exist."""
        wanted = list(dict.fromkeys(names))
        sql = f"SELECT id FROM tags WHERE name IN ({marks(wanted)}) ORDER BY files"
        ids = [number for (number,) in db.execute(sql, wanted)]
        return ids if len(ids) == len(wanted) else None


def checked(name: str) -> str:
    """The name. Raises `InvalidInputError` where no tag can be called so: a tag is a folder's name."""
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        size = 0
    if not 0 < size <= _LONGEST or "/" in name or "\0" in name or name.startswith("."):
        raise InvalidInputError(
            f"{name[:80]!r} cannot be a tag",
            hint=f"1 to {_LONGEST} bytes of UTF-8 without /, not beginning with a dot",
        )
    return name


def column(field: str) -> str:
    """The column of a field. Raises `InvalidInputError`."""
    if field not in _FIELDS:
        raise InvalidInputError(f"files are not listed by {field!r}", hint=f"one of {', '.join(_FIELDS)}")
    return field


def _having_all(tags: Sequence[int]) -> tuple[str, tuple[int, ...]]:
    """SQL for the ids of the live files that have all these tags; it walks through the first of them."""
    others = "".join(
        " AND EXISTS (SELECT 1 FROM tagged o WHERE o.tag = ? AND o.file = t.file)" for _ in tags[1:]
    )
    live = " AND EXISTS (SELECT 1 FROM files l WHERE l.id = t.file AND l.gone = 0)"
    return f"SELECT t.file FROM tagged t WHERE t.tag = ?{others}{live}", tuple(tags)
