"""The SQLite file behind the store: connections, transactions, and what happens when it is damaged.

`meta.db` is a link to the file in use (`meta-1.db`). A damaged or deleted file is never mended in place:
a new one with the next number is filled (by `rebuild`) and the link is turned, so that a process that still
has the old one open, its log included, harms nothing and notices at its next use.

Knows nothing of what the rows mean. Invariants: a transaction is whole or nothing whatever is killed; no two
processes write during a rebuild; a file written by a newer NexusOS is never touched.
"""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nexus.core.atomic import sync_folder
from nexus.core.errors import BusyError, StorageError

_SMALL = 32 * 2**20  # so large a file is read whole at each start, to see whether it is sound
_WAIT = 30.0  # seconds for another process's transaction
_KEPT = 8  # idle connections
_DAMAGE = {"SQLITE_CORRUPT", "SQLITE_NOTADB"}
_NUMBERED = re.compile(r"meta-(\d+)\.db(?:-wal|-shm)?")


class Database:
    """Connections that threads share. Several processes may have the same file open."""

    def __init__(
        self, folder: Path, schema: str, version: int, rebuild: Callable[[sqlite3.Connection, int], None]
    ) -> None:
        """Open or make `folder/meta.db`. `rebuild` fills an empty one, the how manieth of this folder
        it is told; it may use no other connection.

        Raises `StorageError`.
        """
        self._folder, self._schema, self._version, self._rebuild = folder, schema, version, rebuild
        self._link, self._mark = folder / "meta.db", folder / "meta.damaged"
        self._name = ""  # of the file that the idle connections are to
        self._idle: list[sqlite3.Connection] = []
        self._names: dict[int, str] = {}  # the file of each open connection, by its id
        self._guard = threading.Lock()
        self._writer = threading.RLock()
        self._mine = threading.local()
        self._closed = False
        self.rebuilt = ""  # why this process made the file anew, "" when it did not
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(folder / "meta.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StorageError.from_os(error, folder) from error
        try:
            with self._writing():
                pass
            self._look()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Calling it twice is harmless."""
        with self._guard:
            idle, self._idle = self._idle, []
            closed, self._closed = self._closed, True
        for connection in idle:
            self._end(connection)
        if not closed:
            os.close(self._lock)

    @property
    def path(self) -> Path:
        """The file in use."""
        return self._folder / self._name

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One state of the database for the whole block; inside a transaction of this thread, that.

        Raises `StorageError`.
        """
        mine = getattr(self._mine, "connection", None)
        if mine is not None:
            yield mine
            return
        if self._mark.exists() or not self._link.is_symlink():
            with self._writing():
                pass
        connection = self._take()
        self._mine.connection = connection
        try:
            connection.execute("BEGIN")
            yield connection
        except sqlite3.Error as error:
            raise self._failure(error) from error
        finally:
            self._mine.connection = None
            self._give(connection)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the block or nothing, safe from kill -9 when it returns; inside another one of this thread a
        part of that. Raises `StorageError`."""
        mine = getattr(self._mine, "connection", None)
        if mine is not None and getattr(self._mine, "writes", False):
            yield mine
            return
        if mine is not None:
            raise RuntimeError("a transaction inside of reading() would wait for itself")
        with self._writing():
            connection = self._take()
            self._mine.connection, self._mine.writes = connection, True
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise self._failure(error) from error
            finally:
                self._mine.connection, self._mine.writes = None, False
                self._give(connection)

    def check(self) -> list[str]:
        """What SQLite finds wrong with the whole file; empty when it is sound."""
        with self.reading() as db:
            try:
                return [str(row[0]) for row in db.execute("PRAGMA quick_check(20)") if row[0] != "ok"]
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                return [str(error)]

    def condemn(self, why: str) -> None:
        """Have the file made anew at the next use, here or elsewhere."""
        with suppress(OSError):
            self._mark.write_text(f"{self._name}\n{why}\n", "utf-8", "surrogateescape")

    # ---- connections

    def _take(self) -> sqlite3.Connection:
        name = os.fspath(self._link.readlink())
        with self._guard:
            if self._closed:
                raise StorageError(f"{self._link} is closed", hint="open the store again")
            old = []
            if name != self._name:
                old, self._idle, self._name = self._idle, [], name
            connection = self._idle.pop() if self._idle else None
        for idle in old:
            self._end(idle)
        if connection is None:
            connection = self._open(self._folder / name)
            with self._guard:
                self._names[id(connection)] = name
        return connection

    def _give(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._end(connection)
            return
        with self._guard:
            current = self._names.get(id(connection)) == self._name
            keep = current and not self._closed and len(self._idle) < _KEPT
            if keep:
                self._idle.append(connection)
        if not keep:
            self._end(connection)

    def _end(self, connection: sqlite3.Connection) -> None:
        with self._guard:
            self._names.pop(id(connection), None)
        connection.close()

    def _open(self, path: Path) -> sqlite3.Connection:
        try:
            db = sqlite3.connect(
                f"file:{_quoted(path)}?mode=rw",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=_WAIT,
                cached_statements=256,
            )
            try:
                db.execute("PRAGMA synchronous = NORMAL")
                db.execute("PRAGMA foreign_keys = ON")
                db.execute("PRAGMA cache_size = -8000")
                db.execute("PRAGMA journal_size_limit = 67108864")
                version = db.execute("PRAGMA user_version").fetchone()[0]
            except BaseException:
                db.close()
                raise
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise self._failure(error) from error
        if version > self._version:
            db.close()
            raise StorageError(
                f"{path} was written by a newer NexusOS (format {version})",
                hint="update NexusOS, or use another NEXUS_HOME",
            )
        return db

    def _failure(self, error: sqlite3.Error | UnicodeDecodeError) -> StorageError | BusyError:
        """The error in plain words; a damaged file is marked, so that the next use makes it anew."""
        name = re.sub(r"^(SQLITE_[A-Z]+)_.*", r"\1", getattr(error, "sqlite_errorname", None) or "")
        if name in _DAMAGE or isinstance(error, UnicodeDecodeError):  # it quotes a damaged schema
            self.condemn(str(error))
            return StorageError(f"{self.path} is damaged: {error}", hint="it is made anew at the next use")
        if name in ("SQLITE_BUSY", "SQLITE_LOCKED"):
            return BusyError(
                f"{self.path} is held by another process", hint="try again, or stop the other one"
            )
        hint = {
            "SQLITE_FULL": "free some space and try again",
            "SQLITE_READONLY": "set NEXUS_HOME to a folder you may write to",
            "SQLITE_CANTOPEN": "set NEXUS_HOME to a folder you may write to",
        }.get(name, "")
        return StorageError(f"{self.path}: {error}", hint=hint)

    # ---- making it anew

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """No rebuild, here or in another process, during the block."""
        with self._writer:
            if self._closed:
                raise StorageError(f"{self._link} is closed", hint="open the store again")
            while True:
                fcntl.flock(self._lock, fcntl.LOCK_SH)
                if self._link.is_symlink() and not self._mark.exists():
                    break
                fcntl.flock(self._lock, fcntl.LOCK_UN)
                fcntl.flock(self._lock, fcntl.LOCK_EX)
                self._anew()
            try:
                yield
            finally:
                fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _anew(self) -> None:
        """A new file where the one in use is marked or missing. Alone with the lock."""
        current = os.fspath(self._link.readlink()) if self._link.is_symlink() else ""
        marked, _, why = _text(self._mark).partition("\n")
        if current and marked and marked != current:  # about one that is not in use any more
            self._mark.unlink(missing_ok=True)
            return
        if current and not self._mark.exists():
            return
        try:
            there = {p.name: int(m[1]) for p in self._folder.iterdir() if (m := _NUMBERED.fullmatch(p.name))}
            number = max(there.values(), default=0) + 1
            path = self._folder / f"meta-{number}.db"
            self._fill(path, number)
            turned = self._folder / ".meta.db.new"
            turned.unlink(missing_ok=True)
            turned.symlink_to(path.name)
            os.replace(turned, self._link)
            sync_folder(self._folder)
            self._mark.unlink(missing_ok=True)
            for name in there:  # one damaged file stays, for whoever wants to look at it
                if not name.startswith(current or "/"):
                    (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise StorageError.from_os(error, self._link) from error
        self.rebuilt = why.strip() or ("it was missing" if there else "")

    def _fill(self, path: Path, number: int) -> None:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        db = self._open(path)
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(f"BEGIN; {self._schema}")
            self._rebuild(db, number)
            db.execute(f"PRAGMA user_version = {self._version}")
            db.execute("COMMIT")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, sqlite3.Error):
                raise self._failure(error) from error
            raise
        finally:
            db.close()

    def _look(self) -> None:
        """Make a small damaged file anew now, rather than when a damaged page is met."""
        try:
            with self.reading():
                wrong = self.check() if self.path.stat().st_size <= _SMALL else []
        except StorageError as error:
            if not self._mark.exists():
                raise
            wrong = [error.message]
        if wrong:
            self.condemn(wrong[0])
            with self.reading():
                pass


def _quoted(path: Path) -> str:
    return os.fspath(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except FileNotFoundError:
        return ""
