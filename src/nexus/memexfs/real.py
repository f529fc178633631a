"""The files: one real folder tree as ours, and folders in place beside it, as nodes.

`Files` finds the node of an inode, holds the descriptors of the folders that were used lately, and is where
the nodes ask whom to tell. Knows nothing of the kernel. Invariant: an inode has one node object at a time,
under however many names it is found.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import weakref
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from nexus.memexfs.descriptors import Descriptor, searched
from nexus.memexfs.node import Child, Node, failure
from nexus.memexfs.operations import Attributes, Caller
from nexus.memexfs.orphans import Orphans
from nexus.memexfs.real_file import Content, File
from nexus.memexfs.real_folder import Folder
from nexus.memexfs.real_node import Realm, RealNode
from nexus.memexfs.recording import NoRecord, Recorder

_FOLDERS = 1024  # descriptors of folders that are kept; a deep `find` needs some dozens


class Describer(Protocol):
    """Who answers extended attributes user.memex.* of the file at `path`."""

    def get(self, path: bytes) -> Mapping[bytes, bytes]: ...
    def set(self, path: bytes, name: bytes, value: bytes) -> None:
        """What a program wrote into an attribute of ours of a file."""

    def remove(self, path: bytes, name: bytes) -> None:
        """It took one away."""


class Files:
    """What is shown as files/. `tree` must exist; `orphans` is made (default: beside it).

    `sources` are further folders by the name they have in files/. Paths are bytes under files/, without a
    slash at the beginning. `passthrough`: the kernel may read and write open files itself. Thread-safe.
    """

    def __init__(
        self,
        tree: Path,
        *,
        recorder: Recorder | None = None,
        describer: Describer | None = None,
        sources: Mapping[bytes, Path] | None = None,
        content: Content | None = None,
        orphans: Path | None = None,
        passthrough: bool = False,
    ) -> None:
        self.recorder: Recorder = recorder or NoRecord()
        self.describer = describer
        self.content = content
        self.passthrough = passthrough
        self.orphans = Orphans(orphans or tree.parent / "orphans")
        self.changing = threading.RLock()  # names are changed by one thread at a time
        self._lock = threading.Lock()
        self._nodes: weakref.WeakValueDictionary[tuple[int, int], RealNode] = weakref.WeakValueDictionary()
        self._open: OrderedDict[Folder, None] = OrderedDict()
        self.sources: dict[bytes, Folder] = {}
        top = searched(os.fsencode(tree), flags=os.O_DIRECTORY)
        st = os.fstat(top.number)
        self._device = st.st_dev
        self.root = Top(Realm(self, own=True), st, None, b"")
        self.root.anchor = top
        self._nodes[self.root.key] = self.root
        for name, path in (sources or {}).items():
            self.add_source(name, path)

    # nodes

    def known(self, st: os.stat_result, folder: Folder, name: bytes) -> RealNode:
        """The node of the inode that was found as `name` in `folder`."""
        key = (st.st_dev, st.st_ino)
        kind = stat.S_IFMT(st.st_mode)
        with self._lock:
            node = self._nodes.get(key)
            if node is not None and node.kind == kind:
                if node.parent is not folder or node.name != name or st.st_nlink == 1:
                    node.seen(folder, name, st.st_nlink)
                return node
            made = Folder if kind == stat.S_IFDIR else File if kind == stat.S_IFREG else RealNode
            node = self._nodes[key] = made(folder.realm, st, folder, name)
            return node

    def known_already(self, st: os.stat_result) -> RealNode | None:
        """The node of this inode, if anybody has it."""
        with self._lock:
            return self._nodes.get((st.st_dev, st.st_ino))

    def dropped(self, node: RealNode) -> None:
        """Its last name is gone: another inode may get its number once it is closed."""
        with self._lock:
            if self._nodes.get(node.key) is node:
                del self._nodes[node.key]

    def orphan(self, inode: int) -> RealNode | None:
        """A file without a name that a worker before this one left open, by its inode number."""
        found = self.orphans.find(inode)
        if found is None:
            return None
        st = os.fstat(found.number)
        with self._lock:
            node = self._nodes.get((st.st_dev, st.st_ino))
            if node is None:
                file = node = self._nodes[st.st_dev, st.st_ino] = File(self.root.realm, st, None, b"")
                file.anchor, file.gone, file.orphaned = found, True, True
            return node

    def shown_inode(self, device: int, inode: int) -> int:
        """The inode's own number; on another disk than ours with that disk's in the upper bits, because
        programs take two files of one number for two names of one file."""
        if device == self._device:
            return inode
        return inode ^ ((zlib.crc32(b"%d" % device) & 0x3FFF or 1) << 48)

    # paths

    def resolve(self, path: bytes) -> RealNode:
        """The node at `path`; links are not followed. Raises OSError: ENOENT, ENOTDIR."""
        caller = Caller(os.geteuid(), os.getegid(), os.getpid())
        node: Node = self.root
        for name in path.split(b"/") if path else ():
            if not name or name in (b".", b".."):
                raise failure(errno.ENOENT, path)
            node = node.child(name, caller)
        assert isinstance(node, RealNode)
        return node

    def path_of(self, node: Node) -> bytes | None:
        """The path of a node of ours, of one of its names; None when it has none."""
        if not isinstance(node, RealNode) or node.realm.files is not self:
            return None
        names: list[bytes] = []
        while node is not self.root:
            if node.parent is None:
                return None
            names.append(node.name)
            node = node.parent
        return b"/".join(reversed(names))

    # folders' descriptors

    def open_folder(self, folder: Folder) -> Descriptor:
        """The folder's descriptor, opened from the nearest of its parents that has one."""
        chain: list[Folder] = []
        at: Descriptor | None = None
        step: Folder | None = folder
        while step is not None:
            at = step.opened or step.anchor
            if at is not None:
                break
            chain.append(step)
            step = step.parent
        if at is None:
            raise failure(errno.ESTALE)
        for step in reversed(chain):
            try:
                at = searched(step.name, at.number, flags=os.O_DIRECTORY)
            except (FileNotFoundError, NotADirectoryError):
                raise failure(errno.ESTALE) from None
            if not step.same(os.fstat(at.number)):
                raise failure(errno.ESTALE)
            self._keep_open(step, at)
        return at

    def _keep_open(self, folder: Folder, descriptor: Descriptor) -> None:
        folder.opened = descriptor
        with self._lock:
            self._open[folder] = None
            self._open.move_to_end(folder)
            # The eldest goes, used or not: one that is needed is open again for three system calls.
            eldest = self._open.popitem(last=False)[0] if len(self._open) > _FOLDERS else None
        if eldest is not None:
            eldest.opened = None

    # folders in place

    def add_source(self, name: bytes, path: Path) -> None:
        """Show the folder `path` as files/NAME. Raises OSError: EEXIST, ENOENT, ENOTDIR; EINVAL where it is
        inside the tree or another source, or holds one."""
        with self.changing:
            if name in self.sources or self.root.peek(name, Caller(0, 0)):
                raise failure(errno.EEXIST, path)
            if not name or b"/" in name or b"\0" in name or name in (b".", b"..") or len(name) > 255:
                raise failure(errno.EINVAL, path)
            found = searched(os.fsencode(path), flags=os.O_DIRECTORY)
            real = found.real_path
            for other in (self.root, *self.sources.values()):
                taken = other.held().real_path
                if os.path.commonpath((real, taken)) in (real, taken):
                    raise failure(errno.EINVAL, path)
            top = Folder(Realm(self, own=False), os.fstat(found.number), self.root, name)
            top.anchor = found
            with self._lock:
                self._nodes[top.key] = top
            self.sources[name] = top

    def drop_source(self, name: bytes) -> None:
        """Show it no more; what is in it stays as it is. Raises OSError (ENOENT)."""
        with self.changing:
            if name not in self.sources:
                raise failure(errno.ENOENT, name)
            top = self.sources.pop(name)
            top.parent = None


class Top(Folder):
    """files/ itself: our tree, and the folders in place among its names."""

    __slots__ = ()

    def child(self, name: bytes, caller: Caller) -> RealNode:
        source = self.realm.files.sources.get(name)
        return source if source is not None else super().child(name, caller)

    def peek(self, name: bytes, caller: Caller) -> int:
        source = self.realm.files.sources.get(name)
        return source.ino if source is not None else super().peek(name, caller)

    def attributes(self, handle: object = None) -> Attributes:
        told = super().attributes()
        return told._replace(nlink=told.nlink + len(self.realm.files.sources))

    def _children(self, readable: Descriptor) -> Iterator[Child]:
        for name, top in tuple(self.realm.files.sources.items()):
            yield Child(name, top.ino, stat.S_IFDIR)
        yield from super()._children(readable)

    def vet(self, name: bytes, *, held: bool = False) -> None:
        if name in self.realm.files.sources:
            raise failure(errno.EBUSY if held else errno.EEXIST)
