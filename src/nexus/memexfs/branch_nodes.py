"""Files and folders of a branch: what is shown is the branch's own where it has one, else the original.

A file is copied when it is first opened for writing or otherwise changed; who had it open for reading before
reads the copy from then on. Folders of files/ cannot be renamed in a branch (EXDEV:
programs copy then), its own can. Invariant: no call here changes a node of files/.
"""

from __future__ import annotations

import errno
import os
import stat
import weakref
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING

from nexus.memexfs.known import ourselves
from nexus.memexfs.node import Child, Handle, Node, failure
from nexus.memexfs.operations import Attributes, Caller, Change, Space
from nexus.memexfs.system_calls import RENAME_NOREPLACE
from nexus.memexfs.virtual import number

if TYPE_CHECKING:
    from nexus.memexfs.branch import Branch
    from nexus.memexfs.real_node import RealNode

_STATE = b"user.memex.branch"


class BranchHandle(Handle):
    """A handle of the real file behind. Without passthrough: the file behind changes when it is copied."""

    __slots__ = ("real",)

    def __init__(self, real: Handle) -> None:
        self.real = real

    def moved(self, real: Handle) -> None:
        """The file is another one now."""
        before, self.real = self.real, real
        before.release()

    @property
    def writable(self) -> bool:  # type: ignore[override]
        """As the file below was opened."""
        return self.real.writable

    def read(self, offset: int, size: int) -> bytes | memoryview:
        return self.real.read(offset, size)

    def write(self, offset: int, data: memoryview) -> int:
        return self.real.write(offset, data)

    def flush(self) -> None:
        self.real.flush()

    def release(self) -> None:
        self.real.release()

    def fsync(self, data_only: bool) -> None:
        self.real.fsync(data_only)

    def allocate(self, offset: int, length: int, mode: int) -> None:
        self.real.allocate(offset, length, mode)

    def seek(self, offset: int, whence: int) -> int:
        return self.real.seek(offset, whence)

    @property
    def fileno(self) -> int | None:
        return self.real.fileno


class BranchNode(Node):
    """A file, link or other thing that is no folder. At least one of `lower` and `upper` is there."""

    __slots__ = ("_key", "branch", "lower", "path", "readers", "upper")

    def __init__(self, branch: Branch, key: Hashable) -> None:
        self.branch = branch
        self._key = key
        self.lower: RealNode | None = None
        self.upper: RealNode | None = None
        self.path = b""
        self.readers: weakref.WeakSet[BranchHandle] = weakref.WeakSet()  # who has the original open

    def place_at(self, lower: RealNode | None, upper: RealNode | None, path: bytes) -> None:
        """It was found there."""
        self.lower, self.path = lower, path
        if upper is not None or self.upper is None or self.upper.gone:
            self.upper = upper

    @property
    def key(self) -> Hashable:
        return self._key

    @property
    def ino(self) -> int:
        return number(repr(self._key).encode())

    @property
    def real(self) -> RealNode:
        """What is shown."""
        self._look()
        real = self.upper if self.upper is not None else self.lower
        assert real is not None
        return real

    def _look(self) -> None:
        """What the branch had goes when it is dropped; then it is the original again."""
        if self.upper is not None and self.upper.gone and self.lower is not None and not self.lower.gone:
            self.upper = None

    def place(self) -> tuple[Node, bytes] | None:
        """The folder that has it and its name there; None for the root, or where the folder is gone."""
        above, _, name = self.path.rpartition(b"/")
        if not name:
            return None
        branch = self.branch
        lower, upper = branch.lower(above), branch.upper(above)
        return (branch.node(lower, upper, above), name) if lower or upper else None

    def taken(self) -> RealNode:
        """The branch's own copy, made now if there is none."""
        with self.branch.changing:
            self._look()
            if self.upper is None:
                assert self.lower is not None
                self.upper = self.branch.take(self.lower, self.path)
                readers, self.readers = self.readers, weakref.WeakSet()
                for reader in readers:
                    reader.moved(self.upper.reopen(os.O_RDONLY, ourselves()))
            return self.upper

    def _open(self, opened: Callable[[RealNode], Handle], *, writes: bool) -> Handle:
        with self.branch.changing:
            handle = BranchHandle(opened(self.taken() if writes else self.real))
            if self.upper is None:
                self.readers.add(handle)
            return handle

    def attributes(self, handle: Handle | None = None) -> Attributes:
        real = handle.real if isinstance(handle, BranchHandle) else None
        return self.real.attributes(real)._replace(ino=self.ino)

    def change(self, change: Change, handle: Handle | None, caller: Caller) -> None:
        real = handle.real if isinstance(handle, BranchHandle) and handle.writable else None
        self.taken().change(change, real, caller)

    def open(self, flags: int, caller: Caller) -> Handle:
        writes = bool(flags & os.O_ACCMODE != os.O_RDONLY or flags & os.O_TRUNC)
        return self._open(lambda real: real.open(flags, caller), writes=writes)

    def reopen(self, flags: int, caller: Caller) -> Handle:
        writes = flags & os.O_ACCMODE != os.O_RDONLY
        return self._open(lambda real: real.reopen(flags, caller), writes=writes)

    def readlink(self) -> bytes:
        return self.real.readlink()

    def space(self) -> Space:
        return self.branch.over.root.space()

    # extended attributes

    def state(self) -> bytes:
        """How it differs from files/."""
        self._look()
        if self.upper is None:
            return b"unchanged"
        return b"added" if self.lower is None else b"changed"

    def getxattr(self, name: bytes) -> bytes:
        if name == _STATE:
            return self.state()
        return self.real.getxattr(name)

    def setxattr(self, name: bytes, value: bytes, flags: int, caller: Caller) -> None:
        if name.startswith(b"user.memex."):
            raise failure(errno.EPERM)  # tags belong to the original
        self.taken().setxattr(name, value, flags, caller)

    def listxattr(self) -> Sequence[bytes]:
        return [*self.real.listxattr(), _STATE]

    def removexattr(self, name: bytes, caller: Caller) -> None:
        if name.startswith(b"user.memex."):
            raise failure(errno.EPERM)
        self.taken().removexattr(name, caller)


class BranchFolder(BranchNode):
    """A folder: what the branch has in it, and of the one below what is neither replaced nor gone."""

    __slots__ = ()

    is_folder = True

    def below(self, name: bytes) -> bytes:
        """The path in the branch of a name in it."""
        return self.path + b"/" + name if self.path else name

    def own(self) -> RealNode:
        """The branch's own folder, made now if there is none."""
        self._look()
        if self.upper is None:
            self.upper = self.branch.take_folder(self.path)
        return self.upper

    def change(self, change: Change, handle: Handle | None, caller: Caller) -> None:
        self.own().change(change, None, caller)

    def open(self, flags: int, caller: Caller) -> Handle:
        raise failure(errno.EISDIR)

    def setxattr(self, name: bytes, value: bytes, flags: int, caller: Caller) -> None:
        """On the branch's own folder `user.memex.branch` takes `merge`, `merge force` and `drop`."""
        if name == _STATE and not self.path:
            self.branch.told(value)
            return
        self.own()
        super().setxattr(name, value, flags, caller)

    # names

    def child(self, name: bytes, caller: Caller) -> Node:
        found = self._find(name, caller)
        if found is None:
            raise failure(errno.ENOENT)
        return found

    def _find(self, name: bytes, caller: Caller) -> BranchNode | None:
        path = self.below(name)
        upper = _child(self.upper, name, caller)
        lower = None if self.branch.gone.hides(path) else _child(self.lower, name, caller)
        if upper is not None and lower is not None and upper.kind != lower.kind:
            lower = None
        if upper is None and lower is None:
            return None
        return self.branch.node(lower, upper, path)

    def children(self) -> Iterable[Child]:
        caller = ourselves()
        names = {child.name: child.kind for child in self.lower.children()} if self.lower else {}
        shown = [name for name in names if not self.branch.gone.hides(self.below(name))]
        above = {child.name: child.kind for child in self.upper.children()} if self.upper else {}
        for name in dict.fromkeys([*shown, *above]):
            found = self._find(name, caller)
            if found is not None:
                yield Child(name, found.ino, found.real.kind)

    def _absent(self, name: bytes, caller: Caller) -> None:
        if self._find(name, caller) is not None:
            raise failure(errno.EEXIST)

    def _there(self, name: bytes, caller: Caller) -> BranchNode:
        found = self._find(name, caller)
        if found is None:
            raise failure(errno.ENOENT)
        return found

    def create(self, name: bytes, flags: int, mode: int, caller: Caller) -> tuple[Node, Handle]:
        with self.branch.changing:
            there = self._find(name, caller)
            if there is not None:
                if flags & os.O_EXCL:
                    raise failure(errno.EEXIST)
                return there, there.open(flags & ~os.O_CREAT, caller)
            _, handle = self.own().create(name, flags, mode, caller)
            return self._there(name, caller), BranchHandle(handle)

    def mknod(self, name: bytes, mode: int, rdev: int, caller: Caller) -> Node:
        with self.branch.changing:
            self._absent(name, caller)
            self.own().mknod(name, mode, rdev, caller)
            return self._there(name, caller)

    def mkdir(self, name: bytes, mode: int, caller: Caller) -> Node:
        with self.branch.changing:
            self._absent(name, caller)
            self.own().mkdir(name, mode, caller)
            return self._there(name, caller)

    def symlink(self, name: bytes, target: bytes, caller: Caller) -> Node:
        with self.branch.changing:
            self._absent(name, caller)
            self.own().symlink(name, target, caller)
            return self._there(name, caller)

    def link(self, node: Node, name: bytes, caller: Caller) -> Node:
        if not isinstance(node, BranchNode) or node.branch is not self.branch:
            raise failure(errno.EXDEV)
        with self.branch.changing:
            self._absent(name, caller)
            self.own().link(node.taken(), name, caller)
            return self._there(name, caller)

    def unlink(self, name: bytes, caller: Caller) -> None:
        with self.branch.changing:
            node = self.child(name, caller)
            assert isinstance(node, BranchNode)
            if isinstance(node, BranchFolder):
                raise failure(errno.EISDIR)
            self._take_away(node, name, caller)

    def rmdir(self, name: bytes, caller: Caller) -> None:
        with self.branch.changing:
            node = self.child(name, caller)
            if not isinstance(node, BranchFolder):
                raise failure(errno.ENOTDIR)
            if any(True for _ in node.children()):
                raise failure(errno.ENOTEMPTY)
            self._take_away(node, name, caller)

    def _take_away(self, node: BranchNode, name: bytes, caller: Caller) -> None:
        # First the one below: a death between the two leaves the branch's own, which nobody misses.
        self.branch.hide(self.below(name))
        if node.upper is not None and self.upper is not None:
            if isinstance(node, BranchFolder):
                self.upper.rmdir(name, caller)
            else:
                self.upper.unlink(name, caller)

    def rename(self, name: bytes, to: Node, to_name: bytes, flags: int, caller: Caller) -> None:
        if flags not in (0, RENAME_NOREPLACE):
            raise failure(errno.EINVAL)
        if not isinstance(to, BranchFolder) or to.branch is not self.branch:
            raise failure(errno.EXDEV)
        with self.branch.changing:
            node = self.child(name, caller)
            there = to._find(to_name, caller)
            assert isinstance(node, BranchNode)
            if there is node:
                return
            if there is not None:
                if flags & RENAME_NOREPLACE:
                    raise failure(errno.EEXIST)
                _replaceable(node, there)
            if not isinstance(node, BranchFolder):
                node.taken()
            elif node.lower is not None:
                raise failure(errno.EXDEV)  # what is below it would have to be copied: programs do
            own, target = self.own(), to.own()
            self.branch.hide(to.below(to_name))
            self.branch.hide(self.below(name))
            own.rename(name, target, to_name, 0, caller)
            moved = to._find(to_name, caller)
            if moved is not None:
                moved.upper = node.upper


def _child(folder: RealNode | None, name: bytes, caller: Caller) -> RealNode | None:
    if folder is None or folder.kind != stat.S_IFDIR:
        return None
    try:
        found = folder.child(name, caller)
    except FileNotFoundError:
        return None
    return found  # type: ignore[return-value]  # real folders have real children


def _replaceable(node: BranchNode, there: BranchNode) -> None:
    folder, other = isinstance(node, BranchFolder), isinstance(there, BranchFolder)
    if folder and not other:
        raise failure(errno.ENOTDIR)
    if other and not folder:
        raise failure(errno.EISDIR)
    if isinstance(there, BranchFolder) and any(True for _ in there.children()):
        raise failure(errno.ENOTEMPTY)
