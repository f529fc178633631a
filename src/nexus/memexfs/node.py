"""One thing in the tree: what any file, folder or link can be asked. The kinds are subclasses.

Knows nothing of numbers: `nexus.memexfs.tree` gives nodes their numbers, counts lookups and hands requests
on. Invariant: what a kind does not allow fails with the errno that POSIX has for it, so that a subclass says
only what it can do. Two objects are the same node when their `key` is equal.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

from nexus.memexfs.operations import Attributes, Caller, Change, Space


def failure(number: int, what: object = "") -> OSError:
    """The error with this errno."""
    return OSError(number, os.strerror(number), str(what) if what else None)


class Child(NamedTuple):
    """A name in a folder: the node's inode number and its type (as S_IFREG), for readdir."""

    name: bytes
    ino: int
    kind: int


class Handle:
    """An open file. Subclasses override what they can do."""

    __slots__ = ("__weakref__",)  # a busy tree has very many
    writable = False
    direct = False  # the kernel keeps no pages of it: what it holds is made as it is read

    def read(self, offset: int, size: int) -> bytes | memoryview:
        """At most `size` bytes from `offset`; fewer only at the end."""
        raise failure(errno.EBADF)

    def write(self, offset: int, data: memoryview) -> int:
        """How many bytes of `data`, which is valid during the call only, were written at `offset`."""
        raise failure(errno.EBADF)

    def flush(self) -> None:
        """close(2) of one descriptor."""

    def release(self) -> None:
        """The last one is closed."""

    def fsync(self, data_only: bool) -> None:
        """Nothing is held back unless a subclass says so."""

    def allocate(self, offset: int, length: int, mode: int) -> None:
        """fallocate(2)."""
        raise failure(errno.EOPNOTSUPP)

    def seek(self, offset: int, whence: int) -> int:
        """Where the next data or hole is: SEEK_DATA, SEEK_HOLE."""
        raise failure(errno.EOPNOTSUPP)

    @property
    def fileno(self) -> int | None:
        """A real descriptor behind it, for copy_file_range; None if there is none."""
        return None

    @property
    def backing(self) -> int | None:
        """A descriptor that the kernel may read and write in our stead; None where it may not."""
        return None


class Node:
    """Files, folders and links alike. Methods raise `OSError`."""

    __slots__ = ("__weakref__",)

    name_seconds = 1.0  # how long the kernel may believe what a name in this folder means
    attribute_seconds = 1.0
    keep_cache = False
    is_folder = False

    @property
    def key(self) -> Hashable:
        """What makes it this node; the same as long as it exists, in every process."""
        raise NotImplementedError

    @property
    def ino(self) -> int:
        """The inode number that programs see: 64 bits, not 0, the same wherever the node is shown."""
        raise NotImplementedError

    def attributes(self, handle: Handle | None = None) -> Attributes:
        """stat(2), of the open file where a handle is given."""
        raise NotImplementedError

    def change(self, change: Change, handle: Handle | None, caller: Caller) -> None:
        """chmod(2), chown(2), truncate(2), utimensat(2)."""
        raise failure(errno.EPERM)

    def home(self) -> tuple[Node, bytes] | None:
        """The folder and the name where it is at home, should it be shown at others too."""
        return None

    def inherited(self) -> None:
        """A process before this one had handed it out, so that it may be open though nothing here says so."""

    def forgotten(self) -> None:
        """Nobody outside knows it any more: no name is cached, nothing of it is open."""

    # a file

    def open(self, flags: int, caller: Caller) -> Handle:
        """open(2); `flags` without O_CREAT."""
        raise failure(errno.EISDIR)

    def reopen(self, flags: int, caller: Caller) -> Handle:
        """As `open`, for a handle of a process before this one: it was allowed then."""
        return self.open(flags, caller)

    def readlink(self) -> bytes:
        """Where it points."""
        raise failure(errno.EINVAL)

    # a folder

    def child(self, name: bytes, caller: Caller) -> Node:
        """ENOENT where there is none. Called for whatever programs probe: never an effort for nothing."""
        raise failure(errno.ENOTDIR)

    def peek(self, name: bytes, caller: Caller) -> int:
        """The inode number of what the name means, 0 where it means nothing."""
        try:
            return self.child(name, caller).ino
        except FileNotFoundError:
            return 0

    def children(self) -> Iterable[Child]:
        """All names but `.` and `..`, as they are now."""
        raise failure(errno.ENOTDIR)

    def create(self, name: bytes, flags: int, mode: int, caller: Caller) -> tuple[Node, Handle]:
        """Make a file in this folder and open it."""
        raise failure(errno.EPERM)

    def mknod(self, name: bytes, mode: int, rdev: int, caller: Caller) -> Node:
        """Make a file, socket, pipe or device in this folder."""
        raise failure(errno.EPERM)

    def mkdir(self, name: bytes, mode: int, caller: Caller) -> Node:
        """Make a folder in this folder."""
        raise failure(errno.EPERM)

    def symlink(self, name: bytes, target: bytes, caller: Caller) -> Node:
        """Make a symbolic link in this folder."""
        raise failure(errno.EPERM)

    def link(self, node: Node, name: bytes, caller: Caller) -> Node:
        """Give a file another name, in this folder."""
        raise failure(errno.EPERM)

    def unlink(self, name: bytes, caller: Caller) -> None:
        """Take away the name of a file."""
        raise failure(errno.EPERM)

    def rmdir(self, name: bytes, caller: Caller) -> None:
        """Take away an empty folder."""
        raise failure(errno.EPERM)

    def rename(self, name: bytes, to: Node, to_name: bytes, flags: int, caller: Caller) -> None:
        """To the folder `to`, which may be of another kind: then EXDEV, and programs copy."""
        raise failure(errno.EPERM)

    def adopt(self, node: Node, name: bytes, caller: Caller) -> None:
        """A file of another kind of folder was renamed to `name` here. The default makes programs copy."""
        raise failure(errno.EXDEV)

    def fsync_folder(self) -> None:
        """Make its names durable."""

    def space(self) -> Space:
        """statvfs(3) of where it lies."""
        raise NotImplementedError

    # extended attributes

    def getxattr(self, name: bytes) -> bytes:
        """The value of an extended attribute."""
        raise failure(errno.ENODATA)

    def setxattr(self, name: bytes, value: bytes, flags: int, caller: Caller) -> None:
        """Set one; `flags` as setxattr(2)."""
        raise failure(errno.EOPNOTSUPP)

    def listxattr(self) -> Sequence[bytes]:
        """The names of all."""
        return ()

    def removexattr(self, name: bytes, caller: Caller) -> None:
        """Take one away."""
        raise failure(errno.ENODATA)
