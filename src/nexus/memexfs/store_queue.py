"""What is still to be read and indexed, and what an index has to hear of names that moved or went.

Knows nothing of who does it. Invariants: a file is in the queue once, under its newest generation, and an
answer for an older one ends nothing; what was queued stays until it is said to be done, whatever is killed;
saving again and again puts a file off for five minutes at most.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from typing import Literal, NamedTuple

from nexus.memexfs.store_rows import Facts, Passage, Rows, fact, month, remember

Task = Literal["index", "move", "drop"]
_LONGEST_NS = 300 * 10**9
# The folders below and with one, however deep; UNION, so that a damaged circle ends.
BELOW = """WITH RECURSIVE below (id) AS (
    VALUES (?) UNION SELECT folders.id FROM folders JOIN below ON folders.parent = below.id
) """


class Pending(NamedTuple):
    """Something to do. "index": read `path` and say what is in it. "move": what was known under `old` is at
    `path` now (with `folder`: everything below). "drop": forget `path` (with `folder`: everything below).
    `file` is the id, 0 for folders. Moves and ends come before anything is to be read, in their order."""

    path: bytes
    generation: int
    tries: int
    task: Task = "index"
    file: int = 0
    old: bytes = b""
    folder: bool = False


class Queue(Rows):
    """Work, and its results."""

    def enqueue(self, paths: Iterable[bytes], not_before: int) -> None:
        """Have these files read, not before then (ns); makes them known where they are not."""
        with self.batch() as db:
            for path in paths:
                self._queue(db, self._ensured(db, path), not_before)

    def take(self, limit: int, now: int) -> list[Pending]:
        """What is due at `now` (ns), the longest waiting first. It stays in the queue until `done`."""
        with self._database.reading() as db:
            chores = [
                Pending(row[3], -row[0], row[6], row[1], row[2], row[4], bool(row[5]))
                for row in db.execute(
                    "SELECT n, task, file, path, old, folder, tries FROM chores WHERE not_before <= ?"
                    " ORDER BY n LIMIT ?",
                    (now, limit),
                )
            ]
            if chores:
                return chores
            rows = db.execute(
                "SELECT f.folder, f.name, p.generation, p.tries, f.id FROM pending p"
                " JOIN files f ON f.id = p.file WHERE p.not_before <= ? ORDER BY p.not_before LIMIT ?",
                (now, limit),
            ).fetchall()
            known: dict[int, bytes] = {}
            return [
                Pending(self._path(db, folder, known) + name, generation, tries, "index", file)
                for folder, name, generation, tries, file in rows
            ]

    def done(self, pending: Pending) -> bool:
        """It needs nothing more. False where the file changed meanwhile, so that it is still in the queue."""
        with self.batch() as db:
            if pending.task != "index":
                db.execute("DELETE FROM chores WHERE n = ?", (-pending.generation,))
                return True
            sql = "DELETE FROM pending WHERE file = ? AND generation = ?"
            if db.execute(sql, (pending.file, pending.generation)).rowcount:
                return True
            sql = "UPDATE files SET state = 'waiting' WHERE id IN (SELECT file FROM pending WHERE file = ?)"
            return not db.execute(sql, (pending.file,)).rowcount

    def retry(self, pending: Pending, not_before: int, problem: str) -> None:
        """It failed: again, not before then (ns). A file that changed meanwhile is tried as the new one."""
        with self.batch() as db:
            change = "SET not_before = ?, tries = tries + 1, problem = ?"
            if pending.task == "index":
                which = "WHERE generation = ? AND file = ?"
                values = (not_before, problem, pending.generation, pending.file)
                db.execute(f"UPDATE pending {change} {which}", values)
            else:
                db.execute(f"UPDATE chores {change} WHERE n = ?", (not_before, problem, -pending.generation))

    def put_off(self, pending: Pending, not_before: int) -> None:
        """Part of it is done, the rest not before then (ns). A file that changed meanwhile stays in place."""
        with self.batch() as db:
            sql = "UPDATE pending SET not_before = ? WHERE file = ? AND generation = ?"
            db.execute(sql, (not_before, pending.file, pending.generation))

    def waiting(self) -> int:
        """How much there is to do, due or not."""
        with self._database.reading() as db:
            sql = "SELECT (SELECT count(*) FROM pending) + (SELECT count(*) FROM chores)"
            return int(db.execute(sql).fetchone()[0])

    def problem_of(self, path: bytes) -> str:
        """Why reading the file failed the last time it was tried; "" where it did not."""
        with self._database.reading() as db:
            file = self._live(db, path)
            row = db.execute("SELECT problem FROM pending WHERE file = ?", (file,)).fetchone()
            return "" if row is None else str(row[0])

    def described(self, path: bytes, facts: Facts, passages: Iterable[Passage] = ()) -> bool:
        """What was found in the file, all of it at once, in place of what was known before.

        False where there is no such file any more: nothing is stored then. A `mtime_ns` of 0 says that size
        and time were not looked at; they stay.
        """
        with self.batch() as db:
            file = self._live(db, path)
            if file is None:
                return False
            if not facts.mtime_ns:
                sql = "SELECT size, mtime_ns FROM files WHERE id = ?"
                size, mtime_ns = db.execute(sql, (file,)).fetchone()
                facts = facts._replace(size=size, mtime_ns=mtime_ns)
            db.execute(
                "UPDATE files SET (kind, mime, title, summary, author, project, language, size, mtime_ns,"
                " digest, state, problem, month, indexed_ns) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " WHERE id = ?",
                (*facts, month(facts.mtime_ns), time.time_ns(), file),
            )
            db.execute("DELETE FROM passages WHERE file = ?", (file,))
            db.executemany(
                'INSERT INTO passages (file, ordinal, heading, text, start, "end") VALUES (?, ?, ?, ?, ?, ?)',
                ((file, number, *passage) for number, passage in enumerate(passages)),
            )
            return True

    def passages_of(self, path: bytes) -> list[Passage]:
        """The passages of a file, in their order."""
        with self._database.reading() as db:
            sql = 'SELECT heading, text, start, "end" FROM passages WHERE file = ? ORDER BY ordinal'
            return [Passage(*row) for row in db.execute(sql, (self._live(db, path),))]

    # ---- the parts of it

    def _queue(self, db: sqlite3.Connection, file: int, not_before: int) -> None:
        generation = int(fact(db, "generation")) + 1
        remember(db, "generation", generation)
        now = time.time_ns()
        db.execute(
            "INSERT INTO pending (file, generation, not_before, since) VALUES (?1, ?2, ?3, ?4)"
            " ON CONFLICT (file) DO UPDATE SET generation = ?2, tries = 0, problem = '',"
            " not_before = min(?3, since + ?5)",
            (file, generation, not_before, now, _LONGEST_NS),
        )
        db.execute("UPDATE files SET state = 'waiting' WHERE id = ? AND state <> 'waiting'", (file,))

    def _retagged(self, db: sqlite3.Connection, which: str, *values: object) -> None:
        """Files whose tags have changed, chosen by SQL for their ids: an index may hold the tags, too. Their
        texts are as they were, so their state stays."""
        generation = int(fact(db, "generation")) + 1
        remember(db, "generation", generation)
        now = time.time_ns()
        db.execute(
            "INSERT INTO pending (file, generation, not_before, since) SELECT id, ?, ?, ? FROM files"
            f" WHERE id IN ({which}) AND gone = 0 AND state = 'indexed'"
            " ON CONFLICT (file) DO UPDATE SET generation = excluded.generation",
            (generation, now, now, *values),
        )

    def _chore(
        self,
        db: sqlite3.Connection,
        task: Task,
        file: int,
        path: bytes,
        old: bytes = b"",
        *,
        folder: int | None = None,
    ) -> None:
        """Have the index hear of a file, or of the folder with the id `folder`. What was never read is in no
        index, and not told of: the queue does not grow with what comes and goes while nobody reads."""
        known = "SELECT EXISTS (SELECT 1 FROM files WHERE id = ? AND indexed_ns)"
        if folder is not None:
            live = "SELECT 1 FROM files WHERE folder IN below AND gone = 0 AND indexed_ns"
            known = f"{BELOW} SELECT EXISTS ({live})"
        if db.execute(known, (file if folder is None else folder,)).fetchone()[0]:
            db.execute(
                "INSERT INTO chores (task, file, path, old, folder) VALUES (?, ?, ?, ?, ?)",
                (task, file, path, old, folder is not None),
            )
