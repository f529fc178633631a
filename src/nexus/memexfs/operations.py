"""What a file system answers, inode by inode: the boundary between the tree and whatever shows it.

`nexus.memexfs.fuse` puts it under a mount, `nexus.memexfs.mfuse` and `nexus.memexfs.webdav` show the same
tree where there is no /dev/fuse. Knows neither the kernel's protocol nor what is in the tree.

Names are bytes as they come from the kernel: 1 to 255 of them, no `/`, no NUL, any encoding. Every method
may be called from several threads at once. Failures are `OSError` with the errno that the caller is to
see; anything else that escapes is a fault of ours and reaches the caller as EIO.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import NamedTuple, Protocol

ROOT = 1  # the node of the mount's own folder


class Caller(NamedTuple):
    """Who asks: file system ids and the process.

    `again`: the request was given to a process before this one, which died before it answered (FUSE's
    RESEND): what it asks for may have been done already, and then it has succeeded."""

    uid: int
    gid: int
    pid: int = 0
    again: bool = False


class Attributes(NamedTuple):
    """What stat(2) tells. Times are in nanoseconds since 1970; `blocks` are of 512 bytes."""

    ino: int
    mode: int
    size: int = 0
    blocks: int = 0
    atime_ns: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    nlink: int = 1
    uid: int = 0
    gid: int = 0
    rdev: int = 0
    blksize: int = 4096

    @classmethod
    def of(cls, st: os.stat_result, *, ino: int | None = None) -> Attributes:
        """Those of a real file, under another inode number where one is given."""
        return cls(
            st.st_ino if ino is None else ino,
            st.st_mode,
            st.st_size,
            st.st_blocks,
            st.st_atime_ns,
            st.st_mtime_ns,
            st.st_ctime_ns,
            st.st_nlink,
            st.st_uid,
            st.st_gid,
            st.st_rdev,
            st.st_blksize,
        )

    @property
    def kind(self) -> int:
        """The type alone, as S_IFREG."""
        return stat.S_IFMT(self.mode)


class Entry(NamedTuple):
    """A name that was looked up. The kernel may believe the name for `name_seconds` and the attributes for
    `attribute_seconds`. Node 0 says that there is no such name, to be believed for `name_seconds`."""

    node: int
    attributes: Attributes
    name_seconds: float = 1.0
    attribute_seconds: float = 1.0


class Change(NamedTuple):
    """What setattr is to change; None leaves a thing as it is. A time of `NOW` is the present."""

    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size: int | None = None
    atime_ns: int | None = None
    mtime_ns: int | None = None
    kill_privileges: bool = False  # clear set-user-id and set-group-id as a write does


NOW = -(1 << 80)  # of no time that a kernel can say


class Opened(NamedTuple):
    """An open file or folder. `handle` comes back with each call on it.

    `keep_cache`: the kernel may keep the pages it has of this file. `direct`: it keeps none. `backing`: a
    descriptor, opened for reading and writing where possible, that the kernel may read and write in our stead
    (FUSE passthrough); the file system keeps it open until `release`. `flush`: close(2) waits for `flush`;
    without it a close costs no request and the file system learns of the last one only, by `release`.
    """

    handle: int
    keep_cache: bool = False
    direct: bool = False
    backing: int | None = None
    flush: bool = True


class Listed(NamedTuple):
    """One name of a folder. `offset` is what a later call continues after; never 0. `kind` as S_IFREG."""

    name: bytes
    ino: int
    kind: int
    offset: int


class Space(NamedTuple):
    """What statvfs(3) tells."""

    blocks: int
    free: int
    available: int
    files: int
    files_free: int
    block_size: int
    name_length: int = 255


class Kernel(Protocol):
    """What the file system may tell the kernel, at any time and from any thread. Never blocks on a request
    that is being answered: calls are queued. Nodes and names it does not know are no error."""

    def forget_name(self, parent: int, name: bytes, *, wholly: bool = False) -> None:
        """The name below `parent` may mean something else, or nothing, from now on. `wholly`: it is thrown
        out, so that what it stood for can be forgotten; not for a folder, in which somebody may work."""

    def forget_content(self, node: int) -> None:
        """Attributes and cached pages of `node` are no longer true."""

    def doubt_names(self, seconds: float) -> None:
        """What any name means is to be asked again: from now on where the kernel can; else what was told is
        waited for, at most so long. May be called while a request is answered."""


class FileSystem(Protocol):
    """The operations. `node` numbers come from `lookup` and its like; each time one is handed out in an
    `Entry` counts as one lookup, which `forget` takes back. 1 is the root and is always known.

    A handle that is not known is one of a process before this one: it is opened anew from `node` and `flags`.
    """

    def begin(self, kernel: Kernel) -> None:
        """Answer from now on; `kernel` is who may be told of changes."""

    def end(self) -> None:
        """No request comes any more: let go of what is open."""

    def lookup(self, parent: int, name: bytes, caller: Caller) -> Entry:
        """The node that a name means, counted as one lookup; `Entry` of node 0 where there is none."""

    def forget(self, node: int, lookups: int) -> None:
        """So many lookups of a node are taken back; with the last one its number may mean another."""

    def getattr(self, node: int, handle: int | None) -> tuple[Attributes, float]:
        """stat(2), and for how many seconds it may be believed."""

    def setattr(
        self, node: int, change: Change, handle: int | None, caller: Caller
    ) -> tuple[Attributes, float]:
        """chmod(2), chown(2), truncate(2) and utimensat(2); what getattr would say afterwards."""

    def readlink(self, node: int) -> bytes:
        """Where a symbolic link points, as it was written."""

    def mknod(self, parent: int, name: bytes, mode: int, rdev: int, caller: Caller) -> Entry:
        """A file, socket, pipe or device without opening it. EEXIST where the name is taken, as below."""

    def mkdir(self, parent: int, name: bytes, mode: int, caller: Caller) -> Entry:
        """A folder."""

    def symlink(self, parent: int, name: bytes, target: bytes, caller: Caller) -> Entry:
        """A symbolic link; `target` is kept as it is."""

    def link(self, node: int, parent: int, name: bytes, caller: Caller) -> Entry:
        """Another name of a file."""

    def unlink(self, parent: int, name: bytes, caller: Caller) -> None:
        """Take away a name; the file stays while it is open."""

    def rmdir(self, parent: int, name: bytes, caller: Caller) -> None:
        """Take away an empty folder: ENOTEMPTY otherwise."""

    def rename(
        self, parent: int, name: bytes, new_parent: int, new_name: bytes, flags: int, caller: Caller
    ) -> None:
        """`flags` as renameat2: RENAME_NOREPLACE 1, RENAME_EXCHANGE 2; others are EINVAL."""

    def create(self, parent: int, name: bytes, flags: int, mode: int, caller: Caller) -> tuple[Entry, Opened]:
        """Make a file and open it, in one step."""

    def open(self, node: int, flags: int, caller: Caller) -> Opened:
        """open(2) of a file that is there."""

    def read(self, node: int, handle: int, offset: int, size: int, flags: int) -> bytes | memoryview:
        """At most `size` bytes from `offset`; fewer only at the end of the file."""

    def write(self, node: int, handle: int, offset: int, data: memoryview, flags: int) -> int:
        """`data` is valid during the call only."""

    def flush(self, node: int, handle: int) -> None:
        """close(2) of one descriptor; there may be others."""

    def release(self, node: int, handle: int) -> None:
        """The last descriptor is closed."""

    def fsync(self, node: int, handle: int, data_only: bool) -> None:
        """What was written is on the disk on return; `data_only` as fdatasync(2)."""

    def allocate(self, node: int, handle: int, offset: int, length: int, mode: int, flags: int) -> None:
        """fallocate(2)."""

    def seek(self, node: int, handle: int, offset: int, whence: int, flags: int) -> int:
        """SEEK_DATA and SEEK_HOLE."""

    def copy(
        self, node: int, handle: int, offset: int, to_node: int, to_handle: int, to_offset: int, length: int
    ) -> int:
        """copy_file_range; EXDEV or EOPNOTSUPP let the caller copy by itself."""

    def opendir(self, node: int, caller: Caller) -> Opened:
        """A folder is going to be listed."""

    def readdir(self, node: int, handle: int, offset: int) -> Sequence[Listed]:
        """What comes after `offset`, as far as is convenient; empty at the end. What an open folder lists
        does not change with what happens meanwhile, so offsets keep their meaning; rewinding looks anew."""

    def entry(self, parent: int, listed: Listed, caller: Caller) -> Entry | None:
        """A listed name with its attributes, counted as a lookup; None where that is not worth the effort."""

    def releasedir(self, node: int, handle: int) -> None:
        """It has been."""

    def fsyncdir(self, node: int, handle: int, data_only: bool) -> None:
        """The names of a folder are on the disk on return."""

    def statfs(self, node: int) -> Space:
        """statvfs(3) of the disk that a node lies on."""

    def getxattr(self, node: int, name: bytes) -> bytes:
        """The value of an extended attribute; ENODATA where there is none."""

    def setxattr(self, node: int, name: bytes, value: bytes, flags: int, caller: Caller) -> None:
        """Set one; `flags` as setxattr(2)."""

    def listxattr(self, node: int) -> Sequence[bytes]:
        """The names of all."""

    def removexattr(self, node: int, name: bytes, caller: Caller) -> None:
        """Take one away; ENODATA where there is none."""
