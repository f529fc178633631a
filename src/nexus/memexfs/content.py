"""Files whose bytes lie in an object: a hole of the same size with a mark that names it.

The mark is the extended attribute `user.memexfs.sealed`, which names the object and says whether the hole is
finished (docs/formats/memex.md). Knows nothing of paths, and not when a file is worth it
(`nexus.memexfs.sealing`).

Invariants: at every moment, whatever is killed, either the file has no mark and its own bytes are the
content, or it has one and the object is; the object is on the disk before the mark, the mark before the
hole, and all bytes are back on the disk before the mark goes. Nobody has the file open while it is made a
hole.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
import stat
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from nexus.core.errors import NexusError
from nexus.memexfs.objects import Objects, Sealed

MARK = "user.memexfs.sealed"
LEAST = 4096  # bytes; a smaller file takes a block in either form
_PIECE = 2**20
_BLOCK = 2**16  # the largest block of a file system that holes are made of
_LAYOUT = struct.Struct("<BBqq32s")  # version, bits, size, mtime in ns, digest
_ZSTD, _FINISHED = 1, 2
_PUNCH = 0x01 | 0x02  # FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE
_libc = ctypes.CDLL(None, use_errno=True)

Inode = tuple[int, int]  # device, number


class Mark(NamedTuple):
    """What the attribute says."""

    sealed: Sealed
    mtime_ns: int
    finished: bool


class Open:
    """Which files are open through the mount, by inode, and which are just being sealed or brought back."""

    def __init__(self) -> None:
        self._counts: Counter[Inode] = Counter()
        self._shut: set[Inode] = set()
        self._change = threading.Condition()
        self._locks = [threading.RLock() for _ in range(1024)]

    def still(self, inode: Inode) -> threading.RLock:
        """While it is held the file is not sealed or brought back: amid that its times are wrong."""
        return self._locks[hash(inode) % len(self._locks)]

    def add(self, inode: Inode) -> None:
        """It is about to be opened. Waits while it is shut, which is for a moment."""
        with self._change:
            while inode in self._shut:
                self._change.wait()
            self._counts[inode] += 1

    def remove(self, inode: Inode) -> None:
        """One of those who opened it has closed it."""
        with self._change:
            self._counts[inode] -= 1
            if self._counts[inode] <= 0:
                del self._counts[inode]

    def __contains__(self, inode: Inode) -> bool:
        with self._change:
            return inode in self._counts

    @contextmanager
    def shut(self, inode: Inode) -> Iterator[bool]:
        """Whether nobody has it open; then nobody opens it during the block either."""
        with self._change:
            free = inode not in self._counts and inode not in self._shut
            if free:
                self._shut.add(inode)
        try:
            yield free
        finally:
            if free:
                with self._change:
                    self._shut.discard(inode)
                    self._change.notify_all()


class Content:
    """Answers, at each open, where the bytes of a file are.

    `Recorder.opened` of the file comes before, so that nothing is sealed between; a handle that reads from
    the object must look again once the file was opened for writing.
    """

    def __init__(self, objects: Objects, opened: Open | None = None) -> None:
        self._objects = objects
        self.opened = Open() if opened is None else opened

    def reading(self, fd: int) -> int | None:
        """A descriptor of the object to read from, by offset; None where the file itself is to be read.
        `fd` may be of any kind, O_PATH too. Raises `OSError`: EIO where the object is lost."""
        if mark(fd) is None:  # the usual case takes no lock; it is looked at again below
            status = os.fstat(fd)
            with self._lock((status.st_dev, status.st_ino)):
                found = mark(fd)
        else:
            found = mark(fd)
        if found is None:
            return None
        try:
            return self._objects.open(found.sealed.digest, found.sealed.form)
        except FileNotFoundError as error:
            raise OSError(errno.EIO, f"object {found.sealed.digest} is lost") from error

    def writing(self, fd: int, *, emptied: bool = False) -> None:
        """Bring the bytes back into the file, before it is opened for writing or its size is changed. With
        `emptied` it is made empty instead, for an open with O_TRUNC. Raises `OSError`; the file is then still
        whole."""
        if mark(fd) is None:
            status = os.fstat(fd)
            with self._lock((status.st_dev, status.st_ino)):
                if mark(fd) is None:
                    return
        status = os.fstat(fd)
        with self._lock((status.st_dev, status.st_ino)):
            found = mark(fd)
            if found is None:
                return
            target = os.open(f"/proc/self/fd/{fd}", os.O_RDWR | os.O_CLOEXEC)
            try:
                if emptied:
                    os.ftruncate(target, 0)
                else:
                    self._fill(target, found.sealed, os.fstat(target))
                os.removexattr(target, MARK)
            finally:
                os.close(target)

    def seal(self, fd: int) -> Sealed | None:
        """Put the bytes of the file into an object and a hole in their place; `fd` is open for reading and
        writing. None where that is not possible now: it is open, changes, is no plain file, is small or
        sparse, or the file system has no holes or attributes. Raises `StorageError` when the disk is full."""
        status = os.fstat(fd)
        inode = (status.st_dev, status.st_ino)
        if not stat.S_ISREG(status.st_mode) or status.st_size < LEAST or inode in self.opened:
            return None
        if mark(fd) is not None or status.st_blocks * 512 < status.st_size // 2:
            return None
        try:
            sealed = self._objects.put(fd)
        except NexusError as error:
            if error.code == "changed":
                return None
            raise
        if sealed.size != status.st_size:
            return None
        with self._lock(inode):  # who opens it for writing from here on waits in `writing`
            with self._unused(fd, status) as unused:
                if not unused or mark(fd) is not None:
                    return None
            try:
                _write(fd, Mark(sealed, status.st_mtime_ns, finished=False))
            except OSError:  # this file system has no such attributes
                return None
            os.fsync(fd)
            with self._unused(fd, status) as unused:
                if unused and self._punch(fd, sealed, status):
                    return sealed
                os.removexattr(fd, MARK)
                return None

    def mend(self, fd: int) -> str:
        """Finish or take back what a kill left half done; `fd` is open for reading and writing. Says what was
        wrong, "" where nothing was, or the file is in use."""
        status = os.fstat(fd)
        inode = (status.st_dev, status.st_ino)
        with self._lock(inode), self.opened.shut(inode) as free:
            if not free or mark(fd) is None:
                return ""
            os.fsync(fd)
            with _Alone(fd) as alone:
                found, status = mark(fd), os.fstat(fd)
                return self._mended(fd, found, status) if alone and found is not None else ""

    def _mended(self, fd: int, found: Mark, status: os.stat_result) -> str:
        if status.st_size != found.sealed.size:
            os.ftruncate(fd, found.sealed.size)
            _times(fd, status, found.mtime_ns)
            return "it had lost its size while it was emptied"
        if found.finished:
            return ""
        if not self._objects.form(found.sealed.digest):  # then its bytes are still there
            os.removexattr(fd, MARK)
            return "it was marked for an object that is not there"
        if not self._punch(fd, found.sealed, status, found.mtime_ns):
            os.removexattr(fd, MARK)
        return "its sealing had been cut off"

    # ---- the parts of it

    @contextmanager
    def _unused(self, fd: int, status: os.stat_result) -> Iterator[bool]:
        """Whether nobody has the file open, nor opens it during the block, and it is as it was."""
        with self.opened.shut((status.st_dev, status.st_ino)) as free:
            if not free:  # no lease then: it would refuse the one who is about to open it
                yield False
                return
            with _Alone(fd) as alone:
                now = os.fstat(fd)
                same = (now.st_size, now.st_mtime_ns) == (status.st_size, status.st_mtime_ns)
                yield alone and same

    def _lock(self, inode: Inode) -> threading.RLock:
        return self.opened.still(inode)

    def _punch(self, fd: int, sealed: Sealed, status: os.stat_result, mtime_ns: int | None = None) -> bool:
        """The hole; the mark is on the disk. False where there can be none."""
        mtime_ns = status.st_mtime_ns if mtime_ns is None else mtime_ns
        length = -(-status.st_size // _BLOCK) * _BLOCK  # the last block as a whole
        if _libc.fallocate(fd, _PUNCH, ctypes.c_int64(0), ctypes.c_int64(length)) != 0:
            return False
        _times(fd, status, mtime_ns)
        _write(fd, Mark(sealed, mtime_ns, finished=True))
        return True

    def _fill(self, target: int, sealed: Sealed, status: os.stat_result) -> None:
        """The bytes of the object into the file, on the disk; its times stay."""
        try:
            source = self._objects.open(sealed.digest, sealed.form)
        except FileNotFoundError as error:
            raise OSError(errno.EIO, f"object {sealed.digest} is lost") from error
        try:
            at = 0
            while at < sealed.size:
                piece = memoryview(os.pread(source, _PIECE, at))
                if not piece:
                    raise OSError(errno.EIO, f"object {sealed.digest} is too short")
                while piece:
                    done = os.pwrite(target, piece, at)
                    at += done
                    piece = piece[done:]
            os.ftruncate(target, sealed.size)
            os.fsync(target)
        finally:
            os.close(source)
        _times(target, status, status.st_mtime_ns)


class _Alone:
    """Whether nobody else, in any process, has the file open, for as long as the block lasts: a write lease,
    where the file system and the kernel give one. Who opens it meanwhile waits for the end of the block, or
    with O_NONBLOCK gets EAGAIN; so it is short, and who comes by the mount waits before (`Open.shut`)."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __enter__(self) -> bool:
        try:
            # SIGURG, which nobody minds: the usual SIGIO would end the process.
            fcntl.fcntl(self._fd, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(self._fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError as error:
            return error.errno != errno.EAGAIN
        return True

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            fcntl.fcntl(self._fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def mark(fd: int) -> Mark | None:
    """The mark of an open file (O_PATH too); None where it has none."""
    return _mark(os.fsencode(f"/proc/self/fd/{fd}"), follow=True)


def mark_at(folder: int, name: bytes) -> Mark | None:
    """The same of the file `name` in an open folder; a link is not followed."""
    return _mark(b"/proc/self/fd/%d/%b" % (folder, name), follow=False)


def _mark(path: bytes, *, follow: bool) -> Mark | None:
    try:
        value = os.getxattr(path, MARK, follow_symlinks=follow)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.EOPNOTSUPP, errno.ENOENT, errno.ELOOP, errno.EPERM):
            return None
        raise
    return parsed(value)


def parsed(value: bytes) -> Mark | None:
    """The mark as it is written; None where it is none of ours."""
    if len(value) != _LAYOUT.size:
        return None
    version, bits, size, mtime_ns, digest = _LAYOUT.unpack(value)
    if version != 1 or bits & ~(_ZSTD | _FINISHED) or size < 0:
        return None
    sealed = Sealed(digest.hex(), "zstd" if bits & _ZSTD else "raw", size)
    return Mark(sealed, mtime_ns, bool(bits & _FINISHED))


def written(found: Mark) -> bytes:
    """The attribute's value: short enough to lie in an inode of ext4, so that it takes no block."""
    digest, form, size = found.sealed
    bits = (_ZSTD if form == "zstd" else 0) | (_FINISHED if found.finished else 0)
    return _LAYOUT.pack(1, bits, size, found.mtime_ns, bytes.fromhex(digest))


def _write(fd: int, found: Mark) -> None:
    os.setxattr(fd, MARK, written(found))


def _times(fd: int, status: os.stat_result, mtime_ns: int) -> None:
    os.utime(fd, ns=(status.st_atime_ns, mtime_ns))
