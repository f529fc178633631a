"""The tree: requests by number in, the operations of nodes out.

Implements `nexus.memexfs.operations.FileSystem` over any nodes, real or made. Knows neither the kernel's
protocol nor what a folder means. Invariant: a number stands for one node as long as anybody outside may know
it, also across the death of this process where there is a log (`nexus.memexfs.numbers`).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence

from nexus.memexfs.handles import Handles, Listing
from nexus.memexfs.known import KnownNodes, ourselves
from nexus.memexfs.node import Child, Handle, Node, failure
from nexus.memexfs.numbers import Numbers
from nexus.memexfs.operations import (
    Attributes,
    Caller,
    Change,
    Entry,
    Kernel,
    Listed,
    Opened,
    Space,
)
from nexus.memexfs.system_calls import RENAME_EXCHANGE

_NOTHING = Attributes(0, 0)


class Tree:
    """`FileSystem` over the node `root`.

    `log_fd` is where the numbers survive this process (`nexus.memexfs.numbers`), `orphans` finds a file that
    has no name any more by its inode number, `most` is how many nodes the kernel is to know at once: above it
    is asked to forget the eldest.
    """

    def __init__(
        self,
        root: Node,
        *,
        log_fd: int | None = None,
        orphans: Callable[[int], Node | None] | None = None,
        most: int = 131_072,
    ) -> None:
        self._known = KnownNodes(root, Numbers(log_fd), orphans, most)
        self.node = self._known.node
        self._handles = Handles(self._known.generation)
        self._kernel: Kernel | None = None

    def _entry(self, parent: int, folder: Node, name: bytes, node: Node) -> Entry:
        attributes = node.attributes()
        number = self._known.handed_out(parent, name, node)
        return Entry(number, attributes, folder.name_seconds, node.attribute_seconds)

    def lookup(self, parent: int, name: bytes, caller: Caller) -> Entry:
        folder = self.node(parent)
        _checked(name)
        try:
            node = folder.child(name, caller)
        except FileNotFoundError:
            return Entry(0, _NOTHING, folder.name_seconds, 0.0)
        return self._entry(parent, folder, name, node)

    def forget(self, node: int, lookups: int) -> None:
        self._known.forget(node, lookups)

    def inodes(self) -> frozenset[int]:
        """Of the nodes that a process before this one knew: what of the orphans is not to be swept away."""
        return self._known.inodes

    # what the tree tells the kernel

    def begin(self, kernel: Kernel) -> None:
        self._kernel = self._known.kernel = kernel

    def end(self) -> None:
        self._kernel = self._known.kernel = None

    def forget_name(self, folder: Node, name: bytes) -> None:
        """The kernel is to ask anew what `name` means: it changed, but not by a request."""
        number, kernel = self._known.number(folder), self._kernel
        if number is not None and kernel is not None:
            kernel.forget_name(number, name)

    def forget_content(self, node: Node) -> None:
        """The kernel is to ask anew what the node holds: it changed, but not by a request."""
        number, kernel = self._known.number(node), self._kernel
        if number is not None and kernel is not None:
            kernel.forget_content(number)

    def doubt_names(self, seconds: float) -> None:
        """See `Kernel.doubt_names`."""
        if self._kernel is not None:
            self._kernel.doubt_names(seconds)

    # attributes

    def getattr(self, node: int, handle: int | None) -> tuple[Attributes, float]:
        found = self.node(node)
        opened = self._handles.get(handle) if handle is not None else None
        return found.attributes(opened), found.attribute_seconds

    def setattr(
        self, node: int, change: Change, handle: int | None, caller: Caller
    ) -> tuple[Attributes, float]:
        found = self.node(node)
        opened = self._handles.get(handle) if handle is not None else None
        found.change(change, opened, caller)
        return found.attributes(opened), found.attribute_seconds

    def readlink(self, node: int) -> bytes:
        return self.node(node).readlink()

    def statfs(self, node: int) -> Space:
        return self.node(node).space()

    def getxattr(self, node: int, name: bytes) -> bytes:
        return self.node(node).getxattr(name)

    def setxattr(self, node: int, name: bytes, value: bytes, flags: int, caller: Caller) -> None:
        self.node(node).setxattr(name, value, flags, caller)

    def listxattr(self, node: int) -> Sequence[bytes]:
        return self.node(node).listxattr()

    def removexattr(self, node: int, name: bytes, caller: Caller) -> None:
        self.node(node).removexattr(name, caller)

    # names

    def mknod(self, parent: int, name: bytes, mode: int, rdev: int, caller: Caller) -> Entry:
        folder = self.node(parent)
        _checked(name)
        return self._entry(parent, folder, name, folder.mknod(name, mode, rdev, caller))

    def mkdir(self, parent: int, name: bytes, mode: int, caller: Caller) -> Entry:
        folder = self.node(parent)
        _checked(name)
        return self._entry(parent, folder, name, folder.mkdir(name, mode, caller))

    def symlink(self, parent: int, name: bytes, target: bytes, caller: Caller) -> Entry:
        folder = self.node(parent)
        _checked(name)
        return self._entry(parent, folder, name, folder.symlink(name, target, caller))

    def link(self, node: int, parent: int, name: bytes, caller: Caller) -> Entry:
        folder = self.node(parent)
        _checked(name)
        return self._entry(parent, folder, name, folder.link(self.node(node), name, caller))

    def unlink(self, parent: int, name: bytes, caller: Caller) -> None:
        folder = self.node(parent)
        _checked(name)
        with self._known.leaving(parent, folder, name, caller):
            folder.unlink(name, caller)

    def rmdir(self, parent: int, name: bytes, caller: Caller) -> None:
        _checked(name)
        self.node(parent).rmdir(name, caller)

    def rename(
        self, parent: int, name: bytes, new_parent: int, new_name: bytes, flags: int, caller: Caller
    ) -> None:
        folder, to = self.node(parent), self.node(new_parent)
        _checked(name)
        _checked(new_name)
        with self._known.leaving(new_parent, to, new_name, caller):
            folder.rename(name, to, new_name, flags, caller)
        self._known.moved(new_parent, to, new_name, caller)
        if flags & RENAME_EXCHANGE:
            self._known.moved(parent, folder, name, caller)

    # files

    def create(self, parent: int, name: bytes, flags: int, mode: int, caller: Caller) -> tuple[Entry, Opened]:
        folder = self.node(parent)
        _checked(name)
        node, handle = folder.create(name, flags, mode, caller)
        try:
            entry = self._entry(parent, folder, name, node)
        except BaseException:
            handle.release()
            raise
        return entry, self._opened(node, handle)

    def open(self, node: int, flags: int, caller: Caller) -> Opened:
        found = self.node(node)
        return self._opened(found, found.open(flags, caller))

    def _opened(self, node: Node, handle: Handle) -> Opened:
        number = self._handles.add(handle)
        keep = node.keep_cache and not handle.direct
        return Opened(number, keep, handle.direct, handle.backing, flush=handle.writable)

    def _file(self, node: int, handle: int, flags: int = os.O_RDONLY) -> Handle:
        def again() -> Handle:
            kept = flags & ~(os.O_CREAT | os.O_EXCL | os.O_TRUNC)
            return self.node(node).reopen(kept, ourselves())

        return self._handles.file(handle, again)

    def read(self, node: int, handle: int, offset: int, size: int, flags: int) -> bytes | memoryview:
        return self._file(node, handle, flags).read(offset, size)

    def write(self, node: int, handle: int, offset: int, data: memoryview, flags: int) -> int:
        return self._file(node, handle, flags).write(offset, data)

    def flush(self, node: int, handle: int) -> None:
        opened = self._handles.get(handle)
        if opened is not None:
            opened.flush()

    def release(self, node: int, handle: int) -> None:
        opened = self._handles.take(handle)
        if opened is not None:
            opened.release()

    def fsync(self, node: int, handle: int, data_only: bool) -> None:
        self._file(node, handle).fsync(data_only)

    def allocate(self, node: int, handle: int, offset: int, length: int, mode: int, flags: int) -> None:
        self._file(node, handle, flags).allocate(offset, length, mode)

    def seek(self, node: int, handle: int, offset: int, whence: int, flags: int) -> int:
        return self._file(node, handle, flags).seek(offset, whence)

    def copy(
        self, node: int, handle: int, offset: int, to_node: int, to_handle: int, to_offset: int, length: int
    ) -> int:
        source = self._file(node, handle)
        target = self._file(to_node, to_handle, os.O_RDWR)
        if source.fileno is None or target.fileno is None:
            raise failure(errno.EOPNOTSUPP)
        return os.copy_file_range(source.fileno, target.fileno, length, offset, to_offset)

    # folders

    def opendir(self, node: int, caller: Caller) -> Opened:
        return Opened(self._handles.add_folder(self._listing(node)))

    def _listing(self, number: int) -> Listing:
        node = self.node(number)
        above = self._known.above(number)
        dots = (Child(b".", node.ino, stat.S_IFDIR), Child(b"..", above.ino, stat.S_IFDIR))
        return Listing(node.children, dots)

    def readdir(self, node: int, handle: int, offset: int) -> Sequence[Listed]:
        return self._handles.folder(handle, lambda: self._listing(node)).read(offset)

    def entry(self, parent: int, listed: Listed, caller: Caller) -> Entry | None:
        if listed.name in (b".", b".."):
            return None
        folder = self.node(parent)
        try:
            node = folder.child(listed.name, caller)
            return self._entry(parent, folder, listed.name, node)
        except OSError:
            return None  # gone meanwhile, or not for us to say: whoever needs it asks by name

    def releasedir(self, node: int, handle: int) -> None:
        self._handles.take_folder(handle)

    def fsyncdir(self, node: int, handle: int, data_only: bool) -> None:
        self.node(node).fsync_folder()


def _checked(name: bytes) -> None:
    if len(name) > 255:
        raise failure(errno.ENAMETOOLONG)
