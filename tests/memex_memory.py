"""A file system of a dictionary, to test what shows one: every operation, nothing kept, no permissions."""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections.abc import Sequence

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


class Thing:
    """A file, folder, link or special file."""

    def __init__(self, number: int, mode: int, caller: Caller, rdev: int = 0) -> None:
        now = time.time_ns()
        self.number, self.mode, self.rdev = number, mode, rdev
        self.uid, self.gid, self.links = caller.uid, caller.gid, 1
        self.atime, self.mtime, self.ctime = now, now, now
        self.data = bytearray()
        self.names: dict[bytes, Thing] = {}
        self.xattrs: dict[bytes, bytes] = {}
        self.lookups = 0

    def attributes(self) -> Attributes:
        size = len(self.data)
        return Attributes(
            self.number, self.mode, size, (size + 511) // 512, self.atime, self.mtime, self.ctime,
            self.links, self.uid, self.gid, self.rdev,
        )  # fmt: skip


class Memory:
    """A `FileSystem`. `seconds` is how long the kernel may believe what it is told."""

    def __init__(self, seconds: float = 60.0) -> None:
        self.seconds = seconds
        self.root = Thing(ROOT, stat.S_IFDIR | 0o755, Caller(os.geteuid(), os.getegid()))
        self.things: dict[int, Thing] = {ROOT: self.root}
        self.kernel: Kernel | None = None
        self.asked: list[str] = []  # the operations, in order
        self.flush_needed = True
        self.go_on = threading.Event()
        self.open_handles: dict[int, int] = {}
        self._next = ROOT + 1
        self._lock = threading.RLock()
        self._listings: dict[int, list[Listed]] = {}

    def begin(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def end(self) -> None:
        self.asked.append("end")

    # names

    def lookup(self, parent: int, name: bytes, caller: Caller) -> Entry:
        self.asked.append("lookup")
        if name == b"fault":
            raise RuntimeError("a fault of the file system")
        if name == b"slow":
            self.asked.append("slow")
            self.go_on.wait(30)
        with self._lock:
            found = self.things[parent].names.get(name)
            if found is None:
                return Entry(0, Attributes(0, 0), self.seconds, 0)
            return self._entry(found)

    def _entry(self, thing: Thing) -> Entry:
        thing.lookups += 1
        return Entry(thing.number, thing.attributes(), self.seconds, self.seconds)

    def forget(self, node: int, lookups: int) -> None:
        with self._lock:
            if node in self.things:
                self.things[node].lookups -= lookups

    def _make(self, parent: int, name: bytes, mode: int, caller: Caller, rdev: int = 0) -> Thing:
        with self._lock:
            folder = self.things[parent]
            if name in folder.names:
                raise failure(errno.EEXIST, name)
            made = Thing(self._next, mode, caller, rdev)
            self._next += 1
            self.things[made.number] = folder.names[name] = made
            return made

    def mknod(self, parent: int, name: bytes, mode: int, rdev: int, caller: Caller) -> Entry:
        return self._entry(self._make(parent, name, mode, caller, rdev))

    def mkdir(self, parent: int, name: bytes, mode: int, caller: Caller) -> Entry:
        return self._entry(self._make(parent, name, stat.S_IFDIR | mode, caller))

    def symlink(self, parent: int, name: bytes, target: bytes, caller: Caller) -> Entry:
        made = self._make(parent, name, stat.S_IFLNK | 0o777, caller)
        made.data[:] = target
        return self._entry(made)

    def link(self, node: int, parent: int, name: bytes, caller: Caller) -> Entry:
        with self._lock:
            folder = self.things[parent]
            if name in folder.names:
                raise failure(errno.EEXIST, name)
            thing = folder.names[name] = self.things[node]
            thing.links += 1
            return self._entry(thing)

    def unlink(self, parent: int, name: bytes, caller: Caller) -> None:
        with self._lock:
            folder = self.things[parent]
            if name not in folder.names:
                raise failure(errno.ENOENT, name)
            folder.names.pop(name).links -= 1

    def rmdir(self, parent: int, name: bytes, caller: Caller) -> None:
        with self._lock:
            folder = self.things[parent]
            if name not in folder.names:
                raise failure(errno.ENOENT, name)
            if folder.names[name].names:
                raise failure(errno.ENOTEMPTY, name)
            folder.names.pop(name)

    def rename(
        self, parent: int, name: bytes, new_parent: int, new_name: bytes, flags: int, caller: Caller
    ) -> None:
        with self._lock:
            old, new = self.things[parent].names, self.things[new_parent].names
            if name not in old:
                raise failure(errno.ENOENT, name)
            if flags == 1 and new_name in new:
                raise failure(errno.EEXIST, new_name)
            if flags == 2:
                old[name], new[new_name] = new[new_name], old[name]
            else:
                new[new_name] = old.pop(name)

    # attributes

    def getattr(self, node: int, handle: int | None) -> tuple[Attributes, float]:
        self.asked.append("getattr")
        return self.things[node].attributes(), self.seconds

    def setattr(
        self, node: int, change: Change, handle: int | None, caller: Caller
    ) -> tuple[Attributes, float]:
        self.asked.append("kill" if change.kill_privileges and change.size is None else "setattr")
        thing = self.things[node]
        if change.mode is not None:
            thing.mode = stat.S_IFMT(thing.mode) | stat.S_IMODE(change.mode)
        if change.kill_privileges:
            thing.mode &= ~0o6000
        if change.uid is not None:
            thing.uid = change.uid
        if change.gid is not None:
            thing.gid = change.gid
        if change.size is not None:
            del thing.data[change.size :]
            thing.data.extend(bytes(change.size - len(thing.data)))
        if change.atime_ns is not None:
            thing.atime = time.time_ns() if change.atime_ns == NOW else change.atime_ns
        if change.mtime_ns is not None:
            thing.mtime = time.time_ns() if change.mtime_ns == NOW else change.mtime_ns
        return thing.attributes(), self.seconds

    def readlink(self, node: int) -> bytes:
        return bytes(self.things[node].data)

    def statfs(self, node: int) -> Space:
        return Space(1000, 600, 500, 100, 50, 4096)

    def getxattr(self, node: int, name: bytes) -> bytes:
        try:
            return self.things[node].xattrs[name]
        except KeyError:
            raise failure(errno.ENODATA) from None

    def setxattr(self, node: int, name: bytes, value: bytes, flags: int, caller: Caller) -> None:
        held = self.things[node].xattrs
        if flags == os.XATTR_CREATE and name in held:
            raise failure(errno.EEXIST)
        if flags == os.XATTR_REPLACE and name not in held:
            raise failure(errno.ENODATA)
        held[name] = value

    def listxattr(self, node: int) -> Sequence[bytes]:
        return list(self.things[node].xattrs)

    def removexattr(self, node: int, name: bytes, caller: Caller) -> None:
        if self.things[node].xattrs.pop(name, None) is None:
            raise failure(errno.ENODATA)

    # open files

    def create(self, parent: int, name: bytes, flags: int, mode: int, caller: Caller) -> tuple[Entry, Opened]:
        made = self._make(parent, name, stat.S_IFREG | mode, caller)
        return self._entry(made), self.open(made.number, flags, caller)

    def open(self, node: int, flags: int, caller: Caller) -> Opened:
        self.asked.append("open")
        if flags & os.O_TRUNC:
            self.things[node].data.clear()
        with self._lock:
            self._next += 1
            self.open_handles[self._next] = node
            return Opened(self._next, keep_cache=True, flush=self.flush_needed)

    def read(self, node: int, handle: int, offset: int, size: int, flags: int) -> bytes | memoryview:
        self.asked.append("read")
        return bytes(self.things[node].data[offset : offset + size])

    def write(self, node: int, handle: int, offset: int, data: memoryview, flags: int) -> int:
        self.asked.append("write")
        thing = self.things[node]
        thing.data.extend(bytes(max(0, offset - len(thing.data))))
        thing.data[offset : offset + len(data)] = data
        thing.mtime = time.time_ns()
        return len(data)

    def flush(self, node: int, handle: int) -> None:
        self.asked.append("flush")

    def release(self, node: int, handle: int) -> None:
        self.asked.append("release")
        self.open_handles.pop(handle, None)

    def fsync(self, node: int, handle: int, data_only: bool) -> None:
        self.asked.append("fdatasync" if data_only else "fsync")

    def allocate(self, node: int, handle: int, offset: int, length: int, mode: int, flags: int) -> None:
        if mode:
            raise failure(errno.EOPNOTSUPP)
        data = self.things[node].data
        data.extend(bytes(max(0, offset + length - len(data))))

    def seek(self, node: int, handle: int, offset: int, whence: int, flags: int) -> int:
        size = len(self.things[node].data)
        if offset >= size:
            raise failure(errno.ENXIO)
        return offset if whence == os.SEEK_DATA else size

    def copy(
        self, node: int, handle: int, offset: int, to_node: int, to_handle: int, to_offset: int, length: int
    ) -> int:
        self.asked.append("copy")
        piece = memoryview(bytes(self.things[node].data[offset : offset + length]))
        return self.write(to_node, to_handle, to_offset, piece, 0)

    def opendir(self, node: int, caller: Caller) -> Opened:
        with self._lock:
            self._next += 1
            self._listings[self._next] = []
            return Opened(self._next)

    def readdir(self, node: int, handle: int, offset: int) -> Sequence[Listed]:
        with self._lock:
            if offset == 0:
                names = [(b".", node, stat.S_IFDIR), (b"..", node, stat.S_IFDIR)]
                names += [(n, t.number, stat.S_IFMT(t.mode)) for n, t in self.things[node].names.items()]
                self._listings[handle] = [Listed(*it, place + 1) for place, it in enumerate(names)]
            return self._listings[handle][offset : offset + 200]

    def entry(self, parent: int, listed: Listed, caller: Caller) -> Entry | None:
        with self._lock:
            found = self.things[parent].names.get(listed.name)
            return None if found is None else self._entry(found)

    def releasedir(self, node: int, handle: int) -> None:
        self._listings.pop(handle, None)

    def fsyncdir(self, node: int, handle: int, data_only: bool) -> None:
        self.asked.append("fsyncdir")
