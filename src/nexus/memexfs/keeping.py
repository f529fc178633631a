"""Bytes that are about to be lost, kept aside at once and made versions of later.

In the request: a hard link into `kept/` (a copy where the file has other names or is cut in place), and a
line in `kept/list`. Later, on a thread of its own: hashed, packed, stored as an object, told to the store.
Knows nothing of the tree's requests, but must be allowed to write its folder in them.

Invariants: what was kept is a version, or is on the list, whatever is killed; no more than `most` bytes wait,
and nothing is kept while the disk is nearly full; a content that changes while it is stored waits until it
does not.
"""

from __future__ import annotations

import errno
import fcntl
import heapq
import itertools
import logging
import os
import re
import stat
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from nexus.core.errors import NexusError
from nexus.memexfs.content import Open, mark, mark_at
from nexus.memexfs.journal import Journal
from nexus.memexfs.objects import ChangedError, Objects, Sealed
from nexus.memexfs.recording import Cause
from nexus.memexfs.store import Store
from nexus.memexfs.store_rows import text

LARGEST = 2**30  # bytes of a version
COPIED = 64 * 2**20  # bytes of one that has to be copied
RESERVE = 0.05  # of the disk that has to be free, or nothing is kept
BURST = 10.0  # seconds in which a file gets one version
_FICLONE = 0x40049409
_LONGEST_WAIT = 60.0  # seconds
_PIECE = 2**20

_log = logging.getLogger(__name__)


class Kept(NamedTuple):
    """Bytes set aside: a file in `kept/`, or (`name` is "") an object that is there already."""

    name: str
    path: bytes
    size: int
    mtime_ns: int
    taken_ns: int
    cause: Cause
    sealed: Sealed | None = None


class Keeper:
    """The folder `kept/`, and the thread that empties it."""

    def __init__(
        self, folder: Path, store: Store, objects: Objects, opened: Open, *, most: int = 8 * 2**30
    ) -> None:
        self._folder, self._store, self._objects, self._most = folder, store, objects, most
        self._opened = opened
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._list = Journal(folder / "list")
        self._lock = threading.Lock()
        self._last: OrderedDict[bytes, float] = OrderedDict()
        # When it is due (monotonic), its turn, the file's id, what, how often it was tried: a heap.
        self._work: list[tuple[float, int, int, Kept, int]] = []
        self._turns = itertools.count()
        self._some = threading.Condition(self._lock)
        self._busy = self._stopping = False
        self._number = 0
        self._listed = 0  # how many on the list are no version yet
        self._looked, self._roomy = -1.0, True
        self.reserve = RESERVE
        self.bytes = 0  # that wait
        self.left_out = 0  # contents that were not kept although they were worth it
        self._thread: threading.Thread | None = None

    # ---- in the request

    def keep(self, path: bytes, folder: int, name: bytes, cause: Cause) -> Kept | None:
        """Set the bytes of a file aside, before they are lost; None where they are not worth it, or cannot be
        kept. Never raises."""
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode) or not status.st_size or not self._turn(path):
                return None
            return self._keep(path, folder, name, cause, status)
        except FileNotFoundError:
            return None
        except (OSError, NexusError) as error:
            _log.warning("an older content of %r was not kept: %s", path, error)
            return None

    def _keep(
        self, path: bytes, folder: int, name: bytes, cause: Cause, status: os.stat_result
    ) -> Kept | None:
        taken = time.time_ns()
        facts = (path, status.st_size, status.st_mtime_ns, taken, cause)
        found = mark_at(folder, name)
        if found is not None:
            kept = Kept("", *facts, found.sealed)
            self._note(kept)
            return kept
        with self._lock:
            much = status.st_size > LARGEST or self.bytes + status.st_size > self._most
            if much or not self._room():
                self.left_out += 1
                return None
            self._number += 1
            own = f"{taken:x}-{self._number:x}"
        kept = Kept(own, *facts)
        self._note(kept)
        # Who has it open would see another name in st_nlink, or go on writing to what was kept.
        alone = status.st_nlink == 1 and (status.st_dev, status.st_ino) not in self._opened
        there = False
        try:
            there = cause != "truncated" and alone and self._link(folder, name, own)
            there = there or self._copy(folder, name, own, status.st_size)
        finally:
            with self._lock:
                self._listed -= not there
                self.left_out += not there
                self.bytes += status.st_size if there else 0
        return kept if there else None

    def _room(self) -> bool:
        """Whether the disk has room enough: where it has not, what is removed has to be gone. Called with
        the lock."""
        now = time.monotonic()
        if now > self._looked + 1.0:
            disk = os.statvfs(self._folder)
            self._looked, self._roomy = now, disk.f_bavail >= self.reserve * disk.f_blocks
        return self._roomy

    def _turn(self, path: bytes) -> bool:
        """Whether this file may have a version now: one in ten seconds."""
        now = time.monotonic()
        with self._lock:
            if now - self._last.get(path, -BURST) < BURST:
                return False
            self._last[path] = now
            self._last.move_to_end(path)
            while len(self._last) > 10_000:
                self._last.popitem(last=False)
            return True

    def _link(self, folder: int, name: bytes, own: str) -> bool:
        try:
            os.link(name, self._folder / own, src_dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENOENT):
                raise
            return False  # another disk, or not our file: copied
        return True

    def _copy(self, folder: int, name: bytes, own: str, size: int) -> bool:
        if size > COPIED:
            return False
        source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            whole = self._folder / own
            part = whole.with_suffix(".part")  # under its name when it is whole: a kill may come between
            target = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                _copy(source, target, size)
                os.replace(part, whole)
            except OSError:
                part.unlink(missing_ok=True)
                raise
            finally:
                os.close(target)
        finally:
            os.close(source)
        return True

    def _note(self, kept: Kept) -> None:
        name, path, size, mtime_ns, taken_ns, cause, sealed = kept
        digest, form = (sealed.digest, sealed.form) if sealed else ("", "")
        line: list[object] = [name, text(path), size, mtime_ns, taken_ns, cause, digest, form]
        with self._lock:
            self._list.append([line], durable=False)
            self._listed += 1

    # ---- later

    def start(self) -> None:
        """Take up what a life before left, and begin to empty the folder."""
        self._recover()
        self._thread = threading.Thread(target=self._run, name="memex-keeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after what is under way; the rest stays on the list."""
        with self._some:
            self._stopping = True
            self._some.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def add(self, file: int, kept: Kept) -> None:
        """Make a version of it: of the file with this id."""
        with self._some:
            heapq.heappush(self._work, (0.0, next(self._turns), file, kept, 0))
            self._some.notify_all()

    def idle(self) -> bool:
        """Whether nothing waits."""
        with self._lock:
            return not self._work and not self._busy

    def waiting(self) -> int:
        """How many contents wait to be made versions of."""
        with self._lock:
            return len(self._work) + self._busy

    def _recover(self) -> None:
        there = {path.name for path in self._folder.iterdir()} - {"list"}
        for line in self._list.lines():
            kept = parsed(line)
            if kept is not None and (kept.name in there or kept.sealed):
                there.discard(kept.name)
                self.bytes += kept.size if kept.name else 0
                self._listed += 1
                file = self._store.identify(kept.path)
                heapq.heappush(self._work, (0.0, next(self._turns), file, kept, 0))
        for name in there:  # a copy that was cut off, or one whose line was
            (self._folder / name).unlink(missing_ok=True)

    def _run(self) -> None:
        while True:
            with self._some:
                while not self._stopping:
                    wait = self._work[0][0] - time.monotonic() if self._work else None
                    if wait is not None and wait <= 0:
                        break
                    self._some.wait(wait)
                if self._stopping:
                    return
                _, _, file, kept, tries = heapq.heappop(self._work)
                self._busy = True
            again = False
            try:
                again = not self._store_away(file, kept)
            except (OSError, NexusError) as error:
                again = True
                _log.warning("an older content of %r is not stored yet: %s", kept.path, error)
            with self._some:
                self._busy = False
                if again:  # for as long as it takes: it is on the list, and its bytes are bounded
                    due = time.monotonic() + min(_LONGEST_WAIT, 0.1 * 2**tries)
                    heapq.heappush(self._work, (due, next(self._turns), file, kept, min(tries + 1, 20)))
                else:
                    self._listed -= 1
                    if not self._listed:
                        with suppress(NexusError):
                            self._list.clear()
                self._some.notify_all()

    def _store_away(self, file: int, kept: Kept) -> bool:
        """Whether it needs nothing more."""
        path = self._folder / kept.name
        sealed = kept.sealed
        if sealed is None:
            try:
                source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return True
            try:
                found = mark(source)
                sealed = found.sealed if found else self._objects.put(source)
            except ChangedError:  # somebody still writes to it
                return False
            finally:
                os.close(source)
        if sealed.size:
            facts = (sealed.digest, sealed.form, sealed.size, kept.mtime_ns, kept.taken_ns, kept.cause)
            self._store.add_version_of(file, kept.path, *facts)
        if kept.name:
            path.unlink(missing_ok=True)
            with self._lock:
                self.bytes -= kept.size
        return True


def _copy(source: int, target: int, size: int) -> None:
    """The bytes of a file into another: shared where the file system can, else copied by the kernel, or here
    where they are on different ones."""
    with suppress(OSError):
        fcntl.ioctl(target, _FICLONE, source)
        return
    at = 0
    while at < size:
        try:
            done = os.copy_file_range(source, target, size - at, at, at)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
            done = os.pwrite(target, os.pread(source, _PIECE, at), at)
        if not done:  # it became shorter meanwhile
            return
        at += done


def parsed(line: list[object]) -> Kept | None:
    """A line of the list; None where nobody here wrote it."""
    try:
        name, path, size, mtime_ns, taken_ns, cause, digest, form = line
    except ValueError:
        return None
    numbers = [one for one in (size, mtime_ns, taken_ns) if isinstance(one, int) and abs(one) < 2**63]
    if not isinstance(name, str) or not isinstance(path, str) or len(numbers) != 3:
        return None
    if not set(name) <= set("0123456789abcdef-") or cause not in ("replaced", "truncated", "removed"):
        return None
    sealed = None
    if not name:
        if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
            return None
        sealed = Sealed(digest, "zstd" if form == "zstd" else "raw", numbers[0])
    try:
        raw = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return None
    return Kept(name, raw, numbers[0], numbers[1], numbers[2], cause, sealed)
