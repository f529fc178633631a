"""History: what the tree tells, kept in memory for a moment and written by a thread.

Calls of the tree cost a few microseconds, those before a loss a hard link more (`nexus.memexfs.keeping`).
Knows neither requests nor who reads the queue.

Invariants: what happened is told to the store in its order; a version belongs to the file that had the name
when it was taken, wherever that file is by then; when more happens than is held, nothing of it is guessed at:
`reconcile` is asked to compare the whole tree, and the status says so.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from nexus.core.errors import AlreadyRunningError, NexusError
from nexus.memexfs.content import Inode, Open
from nexus.memexfs.ignored import ignored, kept
from nexus.memexfs.keeping import Keeper, Kept
from nexus.memexfs.objects import Objects
from nexus.memexfs.recording import Cause
from nexus.memexfs.store import Store
from nexus.memexfs.walking import folder_of, opened

QUIET_NS = 2 * 10**9  # after the last write, before a file is read
_HELD = 100_000  # events
_BATCH = 500
_MOVES = 10_000
_GATHER = 0.05  # seconds that a batch may grow
_HOUR = 3600.0
_log = logging.getLogger(__name__)

Event = Callable[[], None]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else keeps or mends the history of `folder`, a NEXUS_HOME/memex, during the block.

    Raises `AlreadyRunningError`.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder / "history.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise AlreadyRunningError(
            f"{folder} is in use: it is mounted, or being checked", hint="nexus umount, then again"
        ) from error
    try:
        yield
    finally:
        os.close(lock)


class History:
    """A `nexus.memexfs.recording.Recorder`. `sources` are folders shown in place: the name under files/ and
    where they are; it may change meanwhile. `reconcile` is called, on a thread of its own, with a path below
    which the store has to be compared with the tree."""

    def __init__(
        self,
        folder: Path,
        store: Store,
        objects: Objects,
        *,
        files: Open | None = None,
        sources: Mapping[bytes, Path] | None = None,
        reconcile: Callable[[bytes], object] = lambda under: None,
        version_bytes: int = 8 * 2**30,
        held: int = _HELD,
    ) -> None:
        self._tree, self._store, self._held = folder / "tree", store, held
        self._sources = {} if sources is None else sources
        self.files = Open() if files is None else files
        self.keeper = Keeper(folder / "kept", store, objects, self.files, most=version_bytes)
        self._reconcile, self._version_bytes = reconcile, version_bytes
        self._events: deque[tuple[str, tuple[object, ...]]] = deque()
        self._wake = threading.Event()
        self._aside: list[tuple[int, Kept]] = []  # of the batch under way
        self._compare: set[bytes] = set()
        self._settled = threading.Condition()
        self._stopping = False
        self._threads: list[threading.Thread] = []
        self._alone = alone(folder)
        self._moves: list[bytes] | None = None
        self.overflows = 0  # how often more happened than was held
        self.problem = ""  # why the last batch was not written

    # ---- told by the tree

    def written(self, path: bytes) -> None:
        self._tell("written", path)

    def renamed(self, old: bytes, new: bytes, *, folder: bool, replaced: bool) -> None:
        self._note_move(new)
        self._tell("renamed", old, new, folder, replaced)

    def exchanged(self, one: bytes, other: bytes) -> None:
        self._note_move(one)
        self._note_move(other)
        self._tell("exchanged", one, other)

    def linked(self, path: bytes, new: bytes) -> None:
        self._note_move(new)
        self._tell("linked", path, new)

    def removed(self, path: bytes, *, folder: bool) -> None:
        self._tell("removed", path, folder)

    def losing(self, path: bytes, folder: int, name: bytes, cause: Cause) -> None:
        if kept(path):
            aside = self.keeper.keep(path, folder, name, cause)
            if aside is not None:
                self._tell("aside", aside)

    def opened(self, inode: Inode) -> None:
        self.files.add(inode)

    def closed(self, inode: Inode) -> None:
        """The last handle for writing is closed."""
        self.files.remove(inode)

    def moved(self) -> list[bytes]:
        """Where something was renamed or linked to since this was asked last; for `collecting.collect`."""
        found, self._moves = self._moves or [], []
        return list(dict.fromkeys(found))

    def _note_move(self, path: bytes) -> None:
        moves = self._moves
        if moves is not None:  # nobody ever asked: not remembered
            if len(moves) < _MOVES:
                moves.append(path)
            else:
                moves[:] = [b""]  # too many to name: all

    def _tell(self, word: str, *values: object) -> None:
        # A write that is not told of is found by comparing; a rename is not, so there is more room for it.
        room = self._held if word == "written" else 4 * self._held
        if len(self._events) >= room and word != "aside":
            self._overflow()
            return
        self._events.append((word, values))
        if not self._wake.is_set():
            self._wake.set()

    def _overflow(self) -> None:
        """Nothing more is held; what is compared later makes up for it."""
        self.overflows += 1
        self._ask(b"")
        self._wake.set()

    # ---- a life

    def start(self) -> None:
        """Take up what a life before left, and begin to write. Raises `AlreadyRunningError` while another
        process keeps the history of this tree."""
        self._alone.__enter__()
        self.keeper.start()
        for name, work in (("memex-history", self._write_all), ("memex-compare", self._compare_all)):
            thread = threading.Thread(target=work, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Write what was told, and end."""
        self._stopping = True
        self._wake.set()
        with self._settled:
            self._settled.notify_all()
        for thread in self._threads:
            thread.join()
        if self._threads:
            self._threads.clear()
            self.keeper.stop()
            self._alone.__exit__(None, None, None)

    def settle(self, timeout: float = 60.0) -> bool:
        """Wait until all that was told is in the database, versions too. False after `timeout` seconds."""
        end = time.monotonic() + timeout
        with self._settled:
            while self._events or self._compare or not self.keeper.idle():
                if time.monotonic() > end:
                    return False
                self._settled.wait(0.02)
        return True

    def status(self) -> dict[str, object]:
        """What waits and what went wrong, for `.memex/status`."""
        return {
            "events": len(self._events),
            "versions_waiting": self.keeper.waiting(),
            "versions_waiting_bytes": self.keeper.bytes,
            "contents_not_kept": self.keeper.left_out,
            "overflows": self.overflows,
            "to_compare": sorted(map(os.fsdecode, self._to_compare())),
            "problem": self.problem,
        }

    # ---- the thread that writes

    def _write_all(self) -> None:
        next_tidy = time.monotonic() + 60.0
        while True:
            self._wake.wait(timeout=60.0)
            if not self._stopping:
                time.sleep(_GATHER)
            self._wake.clear()
            while self._events:
                if not self._write_some():
                    break
            if self._stopping:
                return
            if time.monotonic() > next_tidy:
                next_tidy = time.monotonic() + _HOUR
                self._tidy()

    def _write_some(self) -> bool:
        """One batch, as one transaction. False where it has to wait."""
        batch = [self._events[n] for n in range(min(_BATCH, len(self._events)))]
        self._aside.clear()
        try:
            with self._store.batch():
                for number, (word, values) in enumerate(batch):
                    if word == "written" and (word, values) in batch[number + 1 : number + 50]:
                        continue  # it comes again, and is looked at then
                    self._apply(word, values)
        except Exception as error:
            waits = isinstance(error, NexusError | OSError)
            if waits and not isinstance(error.__cause__, sqlite3.IntegrityError):
                return self._put_off(str(error))
            # A fault of ours: the tree is compared instead, so that this holds up nothing else.
            _log.exception("history: %d things were not written", len(batch))
            self._ask(b"")
        self.problem = ""
        for file, aside in self._aside:  # their ids hold now
            self.keeper.add(file, aside)
        for _ in batch:
            self._events.popleft()
        with self._settled:
            self._settled.notify_all()
        return True

    def _put_off(self, problem: str) -> bool:
        """Nothing can be written now: what was told is held, as long as there is room."""
        if self.problem != problem:
            self.problem = problem
            _log.warning("history is not written: %s", problem)
        if self._stopping:  # the next start compares; what was set aside is on its list
            self._events.clear()
            return False
        if len(self._events) >= self._held:
            self._overflow()
            aside = [event for event in self._events if event[0] == "aside"]
            self._events.clear()
            self._events.extend(aside)
        time.sleep(0.5)
        self._wake.set()
        return False

    def _apply(self, word: str, values: tuple[object, ...]) -> None:
        try:
            getattr(self, f"_on_{word}")(*values)
        except NexusError as error:
            if error.code != "invalid_input":
                raise
            _log.warning("%s of %r is not recorded: %s", word, values, error)

    def _on_written(self, path: bytes) -> None:
        if ignored(path):
            return
        with suppress(OSError):
            status = self._stat(path)
            if status is not None:
                self._store.written(path, status.st_size, status.st_mtime_ns, time.time_ns() + QUIET_NS)

    def _on_renamed(self, old: bytes, new: bytes, folder: bool, replaced: bool) -> None:
        if ignored(new):
            if not ignored(old):  # an editor's backup: what is known stays with the name
                self._store.removed(old, folder=folder)
        elif ignored(old):
            if folder:
                self._ask(new)
            else:
                self._on_written(new)
        elif replaced and not folder:
            self._store.replaced(old, new)
        else:
            self._store.moved(old, new, folder=folder)

    def _on_exchanged(self, one: bytes, other: bytes) -> None:
        if ignored(one) or ignored(other):
            self._ask(one)
            self._ask(other)
        else:
            self._store.exchanged(one, other)

    def _on_linked(self, path: bytes, new: bytes) -> None:
        if ignored(path):
            self._on_written(new)
        elif not ignored(new):
            self._store.linked(path, new)

    def _on_removed(self, path: bytes, folder: bool) -> None:
        if not ignored(path):
            self._store.removed(path, folder=folder)

    def _on_aside(self, aside: Kept) -> None:
        self._aside.append((self._store.identify(aside.path), aside))

    def _stat(self, path: bytes) -> os.stat_result | None:
        """That of a plain file under files/; None for anything else. Raises `OSError`."""
        first, _, rest = path.partition(b"/")
        source = self._sources.get(first)
        top, inside = (self._tree, path) if source is None else (source, rest)
        with opened(top) as descriptor, folder_of(descriptor, inside) as (folder, name):
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode):
                return None
            with self.files.still((status.st_dev, status.st_ino)):
                return os.stat(name, dir_fd=folder, follow_symlinks=False)

    def _tidy(self) -> None:
        """Once an hour: what is too old goes."""
        try:
            now = time.time_ns()
            self._store.prune(now, self._version_bytes)
            self._store.forget(now - int(_HOUR * 1e9), now - 30 * 86400 * 10**9)
        except NexusError as error:
            _log.warning("versions are not pruned: %s", error)

    # ---- the thread that compares

    def compare(self, under: bytes = b"") -> None:
        """Have the tree below `under` compared with the store, soon and on another thread."""
        self._ask(under)

    def _ask(self, under: bytes) -> None:
        with self._settled:
            self._compare.add(under)
            self._settled.notify_all()

    def _to_compare(self) -> list[bytes]:
        with self._settled:
            return list(self._compare)

    def _compare_all(self) -> None:
        while True:
            with self._settled:
                while (not self._compare or self._events) and not self._stopping:
                    self._settled.wait(1.0)
            if self._stopping:
                return
            under = min(self._to_compare())
            try:
                self._reconcile(under)
            except (NexusError, OSError) as error:
                _log.warning("%r is not compared yet: %s", under, error)
                time.sleep(1.0)
                continue
            with self._settled:
                self._compare.discard(under)
                self._settled.notify_all()
