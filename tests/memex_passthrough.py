"""A file system that shows a real folder: the least that one can be, to test and to measure what shows it.

With a log, from which the next process learns what nodes are called, a node's number is never given to
another file, also where the disk uses the inode again.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from nexus.memexfs.node import failure
from nexus.memexfs.operations import (
    NOW,
    ROOT,
    Attributes,
    Caller,
    Change,
    Entry,
    Kernel,
    Listed,
    Opened,
    Space,
)

_HANDLE = struct.Struct("<Ii")


class Passthrough:
    """A `FileSystem`. `log` is a descriptor to append to; `backing`: the kernel may do reads and writes."""

    def __init__(
        self, folder: Path, log: int | None = None, *, seconds: float = 1.0, backing: bool = False
    ) -> None:
        self.folder = os.fsencode(folder)
        self._seconds = seconds
        self._backing = backing
        self._log = log
        self._places: dict[int, tuple[int, bytes]] = {}
        self._numbers: dict[bytes, int] = {}  # what makes a file itself: its node
        self._last = ROOT
        self._listings: dict[int, list[Listed]] = {}
        self._files: dict[int, int] = {}  # node: a descriptor of it that is open
        self._known: dict[int, int] = {}  # handles of this process, and their descriptors
        self._reopened: dict[int, int] = {}
        self._mark = os.getpid() << 32  # makes handles nobody else's
        self._next = time.time_ns()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._lock = threading.Lock()
        if log is not None:
            content = os.pread(log, os.fstat(log).st_size, 0)
            for line in content.split(b"\0")[:-1]:
                node, parent, key, name = line.split(b"/", 3)
                self._places[int(node)] = (int(parent), name)
                self._numbers[bytes.fromhex(key.decode())] = int(node)
                self._last = max(self._last, int(node))

    def begin(self, kernel: Kernel) -> None: ...

    def end(self) -> None: ...

    def path(self, node: int) -> bytes:
        parts = []
        while node != ROOT:
            if node not in self._places:
                raise failure(errno.ESTALE)
            node, name = self._places[node]
            parts.append(name)
        return b"/".join([self.folder, *reversed(parts)])

    def _at(self, parent: int, name: bytes) -> bytes:
        return self.path(parent) + b"/" + name

    def _key(self, path: bytes) -> bytes:
        """The inode and its generation."""
        handle, mount = ctypes.create_string_buffer(_HANDLE.pack(128, 0), 136), ctypes.c_int()
        if self._libc.name_to_handle_at(-100, path, handle, ctypes.byref(mount), 0):
            raise failure(ctypes.get_errno())
        return handle.raw[: 8 + _HANDLE.unpack_from(handle.raw)[0]]

    def _node(self, parent: int, name: bytes, ino: int) -> int:
        """The number of what is there, which is remembered under this name from now on."""
        key = self._key(self._at(parent, name)) if self._log is not None else b"%d" % ino
        with self._lock:
            node = self._numbers.get(key)
            if node is None:
                self._last = node = self._numbers[key] = self._last + 1
            if self._places.get(node) != (parent, name):
                self._places[node] = (parent, name)
                if self._log is not None:
                    os.write(self._log, b"%d/%d/%s/%s\0" % (node, parent, key.hex().encode(), name))
        return node

    def _entry(self, parent: int, name: bytes) -> Entry:
        found = Attributes.of(os.lstat(self._at(parent, name)))
        return Entry(self._node(parent, name, found.ino), found, self._seconds, self._seconds)

    def _stat(self, node: int) -> os.stat_result:
        try:
            return os.lstat(self.path(node))
        except FileNotFoundError:
            if node not in self._files:
                raise
            return os.fstat(self._files[node])

    def lookup(self, parent: int, name: bytes, caller: Caller) -> Entry:
        try:
            return self._entry(parent, name)
        except FileNotFoundError:
            return Entry(0, Attributes(0, 0), self._seconds)

    def forget(self, node: int, lookups: int) -> None: ...

    def getattr(self, node: int, handle: int | None) -> tuple[Attributes, float]:
        if node == ROOT:
            return Attributes.of(os.lstat(self.folder), ino=ROOT), self._seconds
        return Attributes.of(self._stat(node)), self._seconds

    def setattr(
        self, node: int, change: Change, handle: int | None, caller: Caller
    ) -> tuple[Attributes, float]:
        path = self.path(node)
        if change.size is not None:
            os.truncate(path, change.size)
        if change.uid is not None or change.gid is not None:
            uid = -1 if change.uid is None else change.uid
            os.chown(path, uid, -1 if change.gid is None else change.gid, follow_symlinks=False)
        if change.mode is not None:
            os.chmod(path, stat.S_IMODE(change.mode))
        if change.atime_ns is not None or change.mtime_ns is not None:
            found, now = os.lstat(path), time.time_ns()
            times = [
                old if new is None else now if new == NOW else new
                for old, new in ((found.st_atime_ns, change.atime_ns), (found.st_mtime_ns, change.mtime_ns))
            ]
            os.utime(path, ns=(times[0], times[1]), follow_symlinks=False)
        return self.getattr(node, handle)

    def readlink(self, node: int) -> bytes:
        return os.readlink(self.path(node))

    def _mine(self, parent: int, name: bytes, caller: Caller) -> Entry:
        os.chown(self._at(parent, name), caller.uid, caller.gid, follow_symlinks=False)
        return self._entry(parent, name)

    def mknod(self, parent: int, name: bytes, mode: int, rdev: int, caller: Caller) -> Entry:
        os.mknod(self._at(parent, name), mode, rdev)
        return self._mine(parent, name, caller)

    def mkdir(self, parent: int, name: bytes, mode: int, caller: Caller) -> Entry:
        os.mkdir(self._at(parent, name), mode)
        return self._mine(parent, name, caller)

    def symlink(self, parent: int, name: bytes, target: bytes, caller: Caller) -> Entry:
        os.symlink(target, self._at(parent, name))
        return self._mine(parent, name, caller)

    def link(self, node: int, parent: int, name: bytes, caller: Caller) -> Entry:
        os.link(self.path(node), self._at(parent, name), follow_symlinks=False)
        return self._entry(parent, name)

    def unlink(self, parent: int, name: bytes, caller: Caller) -> None:
        os.unlink(self._at(parent, name))

    def rmdir(self, parent: int, name: bytes, caller: Caller) -> None:
        os.rmdir(self._at(parent, name))

    def rename(
        self, parent: int, name: bytes, new_parent: int, new_name: bytes, flags: int, caller: Caller
    ) -> None:
        old, new = self._at(parent, name), self._at(new_parent, new_name)
        if self._libc.renameat2(-100, old, -100, new, flags):
            raise failure(ctypes.get_errno())
        for folder, called in ((new_parent, new_name), *(((parent, name),) if flags == 2 else ())):
            self._node(folder, called, os.lstat(self._at(folder, called)).st_ino)

    def _opened(self, node: int, file: int) -> Opened:
        with self._lock:
            handle = self._mark | file
            self._files[node] = self._known[handle] = file
        return Opened(handle, keep_cache=True, backing=file if self._backing else None, flush=False)

    def create(self, parent: int, name: bytes, flags: int, mode: int, caller: Caller) -> tuple[Entry, Opened]:
        handle = os.open(self._at(parent, name), flags | os.O_CREAT | os.O_CLOEXEC, mode)
        found = self._mine(parent, name, caller)
        return found, self._opened(found.node, handle)

    def open(self, node: int, flags: int, caller: Caller) -> Opened:
        return self._opened(node, os.open(self.path(node), flags | os.O_CLOEXEC))

    def _file(self, node: int, handle: int) -> int:
        """The descriptor; one of a process before this one is opened anew."""
        if handle in self._known:
            return self._known[handle]
        with self._lock:
            if handle not in self._reopened:
                self._reopened[handle] = os.open(self.path(node), os.O_RDWR | os.O_CLOEXEC)
            return self._reopened[handle]

    def read(self, node: int, handle: int, offset: int, size: int, flags: int) -> bytes | memoryview:
        return os.pread(self._file(node, handle), size, offset)

    def write(self, node: int, handle: int, offset: int, data: memoryview, flags: int) -> int:
        return os.pwrite(self._file(node, handle), data, offset)

    def flush(self, node: int, handle: int) -> None: ...

    def release(self, node: int, handle: int) -> None:
        with self._lock:
            reopened = self._reopened.pop(handle, None)
            if reopened is not None:
                os.close(reopened)
            file = self._known.pop(handle, None)
            if file is not None:
                if self._files.get(node) == file:
                    del self._files[node]
                os.close(file)

    def fsync(self, node: int, handle: int, data_only: bool) -> None:
        (os.fdatasync if data_only else os.fsync)(self._file(node, handle))

    def allocate(self, node: int, handle: int, offset: int, length: int, mode: int, flags: int) -> None:
        if mode:
            raise failure(errno.EOPNOTSUPP)
        os.posix_fallocate(self._file(node, handle), offset, length)

    def seek(self, node: int, handle: int, offset: int, whence: int, flags: int) -> int:
        return os.lseek(self._file(node, handle), offset, whence)

    def copy(
        self, node: int, handle: int, offset: int, to_node: int, to_handle: int, to_offset: int, length: int
    ) -> int:
        source, target = self._file(node, handle), self._file(to_node, to_handle)
        return os.copy_file_range(source, target, length, offset, to_offset)

    def opendir(self, node: int, caller: Caller) -> Opened:
        with self._lock:
            self._next += 1
            return Opened(self._next)

    def readdir(self, node: int, handle: int, offset: int) -> Sequence[Listed]:
        if offset == 0 or handle not in self._listings:
            with os.scandir(self.path(node)) as found:
                self._listings[handle] = [
                    Listed(entry.name, entry.inode(), self._kind(entry), place + 1)
                    for place, entry in enumerate(sorted(found, key=lambda entry: entry.name))
                ]
        return self._listings[handle][offset : offset + 128]

    @staticmethod
    def _kind(entry: os.DirEntry[bytes]) -> int:
        if entry.is_symlink():
            return stat.S_IFLNK
        return stat.S_IFDIR if entry.is_dir() else stat.S_IFREG

    def entry(self, parent: int, listed: Listed, caller: Caller) -> Entry | None:
        try:
            return self._entry(parent, listed.name)
        except FileNotFoundError:
            return None

    def releasedir(self, node: int, handle: int) -> None:
        self._listings.pop(handle, None)

    def fsyncdir(self, node: int, handle: int, data_only: bool) -> None: ...

    def statfs(self, node: int) -> Space:
        s = os.statvfs(self.folder)
        return Space(s.f_blocks, s.f_bfree, s.f_bavail, s.f_files, s.f_ffree, s.f_frsize)

    def getxattr(self, node: int, name: bytes) -> bytes:
        return os.getxattr(self.path(node), name, follow_symlinks=False)

    def setxattr(self, node: int, name: bytes, value: bytes, flags: int, caller: Caller) -> None:
        os.setxattr(self.path(node), name, value, flags, follow_symlinks=False)

    def listxattr(self, node: int) -> Sequence[bytes]:
        return [os.fsencode(name) for name in os.listxattr(self.path(node), follow_symlinks=False)]

    def removexattr(self, node: int, name: bytes, caller: Caller) -> None:
        os.removexattr(self.path(node), name, follow_symlinks=False)


def main() -> None:
    """`python -m tests.memex_passthrough FOLDER POINT SECONDS [--passthrough]`: until it is unmounted."""
    from nexus.memexfs.fuse import serve
    from nexus.memexfs.mount import mount

    passed = "--passthrough" in sys.argv
    shown = Passthrough(Path(sys.argv[1]), seconds=float(sys.argv[3]), backing=passed)
    serve(mount(Path(sys.argv[2])), shown, passthrough=passed)


if __name__ == "__main__":
    main()
