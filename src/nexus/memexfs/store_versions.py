"""Older contents of files: what is known of each, and which are let go.

The bytes are in objects (`nexus.memexfs.objects`), named by their digest. Invariant: which versions stay is a
function of when they were taken alone (`kept`), so that letting go twice is once.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nexus.core.errors import NotFoundError
from nexus.memexfs.recording import Cause
from nexus.memexfs.store_rows import Rows, parts, text

_DAY_NS = 86400 * 10**9
_DAYS, _MOST = 30, 50


class Version(NamedTuple):
    """What a file held before. `n` names it for good; `digest` and `form` name its object; `taken_ns` is when
    it ceased to be the file's content, `mtime_ns` when it was written."""

    n: int
    digest: str
    form: str
    size: int
    mtime_ns: int
    taken_ns: int
    cause: Cause


class Versions(Rows):
    """Versions by path."""

    def add_version(
        self, path: bytes, digest: str, form: str, size: int, mtime_ns: int, taken_ns: int, cause: Cause
    ) -> bool:
        """Remember an older content of the file at `path`, which need not exist any more. False, and nothing
        is stored, where its latest version is the same."""
        with self.batch():
            file = self.identify(path)
            return self.add_version_of(file, path, digest, form, size, mtime_ns, taken_ns, cause)

    def identify(self, path: bytes) -> int:
        """The id of the file at `path`, also of one that was removed, or is not known yet but was there."""
        with self.batch() as db:
            row = self._row(db, path)
            if row is not None:
                return row[0]
            file = self._ensured(db, path)
            db.execute("UPDATE files SET gone = ? WHERE id = ?", (max(1, time.time_ns()), file))
            return file

    def add_version_of(
        self,
        file: int,
        path: bytes,
        digest: str,
        form: str,
        size: int,
        mtime_ns: int,
        taken_ns: int,
        cause: Cause,
    ) -> bool:
        """The same for the file with this id, wherever it is by now; for the one at `path` where there is no
        such id any more."""
        with self.batch() as db:
            row = db.execute("SELECT folder, name FROM files WHERE id = ?", (file,)).fetchone()
            if row is None:
                file = self.identify(path)
            else:
                path = self._path(db, row[0]) + row[1]
            sql = "SELECT digest FROM versions WHERE file = ? ORDER BY taken_ns DESC, n DESC LIMIT 1"
            again = "SELECT 1 FROM versions WHERE file = ? AND taken_ns = ?"  # told twice after a kill
            if db.execute(sql, (file,)).fetchone() == (digest,):
                return False
            if db.execute(again, (file, taken_ns)).fetchone():
                return False
            values = (digest, form, size, mtime_ns, taken_ns, cause)
            db.execute(
                "INSERT INTO versions (file, digest, form, size, mtime_ns, taken_ns, cause)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (file, *values),
            )
            self._note("version", text(path), *values, durable=False)
            return True

    def versions(self, path: bytes) -> list[Version]:
        """What was kept of the file, also of a removed one; the latest first."""
        with self._database.reading() as db:
            row = self._row(db, path)
            sql = (
                "SELECT n, digest, form, size, mtime_ns, taken_ns, cause FROM versions WHERE file = ?"
                " ORDER BY taken_ns DESC, n DESC"
            )
            return [Version(*found) for found in db.execute(sql, (row[0],))] if row else []

    def version(self, n: int) -> tuple[bytes, Version]:
        """The path and the version of this number. Raises `NotFoundError`."""
        with self._database.reading() as db:
            sql = "SELECT n, digest, form, size, mtime_ns, taken_ns, cause, file FROM versions WHERE n = ?"
            row = db.execute(sql, (n,)).fetchone()
            if row is None:
                raise NotFoundError(f"there is no version {n}", hint="nexus memex versions PATH lists them")
            folder, name = db.execute("SELECT folder, name FROM files WHERE id = ?", (row[7],)).fetchone()
            return self._path(db, folder) + name, Version(*row[:7])

    def versioned(self, under: bytes = b"") -> list[bytes]:
        """Paths of files directly in the folder `under` that have versions, also of removed ones, and the
        folders in it that any file is or was known in; folders end with `/`."""
        with self._database.reading() as db:
            folder = self._folder(db, under)
            if folder is None:
                return []
            above = under + b"/" if under else b""
            files = db.execute(
                "SELECT name FROM files WHERE folder = ? AND EXISTS"
                " (SELECT 1 FROM versions WHERE file = files.id) ORDER BY name",
                (folder,),
            ).fetchall()
            folders = db.execute("SELECT name FROM folders WHERE parent = ? ORDER BY name", (folder,))
            return [above + name for (name,) in files] + [above + name + b"/" for (name,) in folders]

    def in_folder(self, path: bytes) -> bool:
        """Whether `path` is a folder that any file is or was known in."""
        with self._database.reading() as db:
            return not parts(path) or self._folder(db, path) is not None

    def prune(self, now_ns: int, most_bytes: int) -> int:
        """Let go of versions: see `kept`; then the oldest, until the objects named by versions hold at most
        `most_bytes`. Returns how many went. Their objects go when they are collected."""
        gone = 0
        last = 0
        while True:
            with self.batch() as db:
                files = db.execute(
                    "SELECT DISTINCT file FROM versions WHERE file > ? ORDER BY file LIMIT 200", (last,)
                ).fetchall()
                for (last,) in files:
                    sql = "SELECT n, taken_ns FROM versions WHERE file = ? ORDER BY taken_ns DESC, n DESC"
                    rows = db.execute(sql, (last,)).fetchall()
                    stay = kept([taken for _, taken in rows], now_ns)
                    stale = [(n,) for (n, _), keep in zip(rows, stay, strict=True) if not keep]
                    db.executemany("DELETE FROM versions WHERE n = ?", stale)
                    gone += len(stale)
            if not files:
                break
        while True:
            with self.batch() as db:
                sql = "SELECT max(size) AS size FROM versions GROUP BY digest"
                sql = f"SELECT coalesce(sum(size), 0) FROM ({sql})"
                over = int(db.execute(sql).fetchone()[0]) - most_bytes
                if over <= 0:
                    return gone
                stale = []
                for n, size in db.execute("SELECT n, size FROM versions ORDER BY taken_ns, n LIMIT 500"):
                    stale.append((n,))
                    over -= size
                    if over <= 0:
                        break
                db.executemany("DELETE FROM versions WHERE n = ?", stale)
                gone += len(stale)

    def drop_versions(self, digest: str) -> int:
        """Forget the versions with this content. Returns how many."""
        with self.batch() as db:
            return db.execute("DELETE FROM versions WHERE digest = ?", (digest,)).rowcount

    def digests(self) -> Iterable[str]:
        """The digests that versions name, each once, in order."""
        last = ""
        while True:
            with self._database.reading() as db:
                sql = "SELECT DISTINCT digest FROM versions WHERE digest > ? ORDER BY digest LIMIT 1000"
                page = [digest for (digest,) in db.execute(sql, (last,))]
            yield from page
            if not page:
                return
            last = page[-1]


def kept(taken: Sequence[int], now_ns: int) -> list[bool]:
    """Which of the versions taken then (the latest first) stay: all of the last day, then the latest of each
    day for 30 days, at most 50, and the latest of all in any case."""
    stay: list[bool] = []
    days: set[int] = set()
    for number, when in enumerate(taken):
        age, day = now_ns - when, when // _DAY_NS
        keep = age < _DAY_NS or (age < _DAYS * _DAY_NS and day not in days)
        days.add(day)
        stay.append(number == 0 or (keep and sum(stay) < _MOST))
    return stay
