"""A branch: the files as one agent sees and changes them, without touching the originals.

What is not changed is looked at in files/; what the agent changes is copied to `over/` first, file by file;
what it takes away is noted in `gone`. Knows nothing of the kernel nor of merging
(`nexus.memexfs.branch_changes`). Invariant: nothing of files/ is ever written here, and a death at any moment
leaves each file of the branch as it was before or after the change.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import weakref
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING

from nexus.memexfs.branch_gone import Base, Gone
from nexus.memexfs.known import ourselves
from nexus.memexfs.node import Node, failure
from nexus.memexfs.operations import Attributes, Caller
from nexus.memexfs.real import Files

if TYPE_CHECKING:
    from nexus.memexfs.branch_nodes import BranchNode
    from nexus.memexfs.real_node import RealNode

ORIGIN = "user.memexfs.origin"  # of a copied file: where it lies in files/
BASE = "user.memexfs.base"  # and how it looked when it was copied
_PIECE = 1 << 20
_LONGEST_NAME = 200


def base_of(attributes: Attributes) -> Base:
    """What a later merge compares with."""
    if attributes.kind == stat.S_IFDIR:
        return Base(attributes.kind, 0, 0)
    return Base(attributes.kind, attributes.size, attributes.mtime_ns)


class Branch:
    """The branch `name` in `folder` (made when it is not there) over `files`. Thread-safe.

    `changed(folder, name)` is told which names of files/ a merge changed; `doubt(seconds)` is
    `nexus.memexfs.operations.Kernel.doubt_names`.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        files: Files,
        changed: Callable[[Node, bytes], None] = lambda folder, name: None,
        doubt: Callable[[float], object] = lambda seconds: None,
    ) -> None:
        self.name = name
        self.folder = folder
        self.files = files
        self.changed, self.doubt = changed, doubt
        (folder / "over").mkdir(mode=0o700, parents=True, exist_ok=True)
        self.over = Files(folder / "over", orphans=folder / "orphans")
        self.gone = Gone(folder / "gone")
        self.changing = threading.RLock()
        self._lock = threading.Lock()
        self._nodes: weakref.WeakValueDictionary[Hashable, BranchNode] = weakref.WeakValueDictionary()

    # nodes

    @property
    def root(self) -> BranchNode:
        """The branch's own folder."""
        return self.node(self.files.root, self.over.root, b"")

    def node(self, lower: RealNode | None, upper: RealNode | None, path: bytes) -> BranchNode:
        """The node of what lies at `path`, below and in the branch; the same one for the same file."""
        from nexus.memexfs.branch_nodes import BranchFolder, BranchNode

        key = self._key(lower, upper, path)
        real = upper if upper is not None else lower
        assert real is not None
        kind = BranchFolder if real.kind == stat.S_IFDIR else BranchNode
        with self._lock:
            found = self._nodes.get(key)
            if found is None or type(found) is not kind:
                found = self._nodes[key] = kind(self, key)
            found.place_at(lower, upper, path)
            return found

    def _key(self, lower: RealNode | None, upper: RealNode | None, path: bytes) -> Hashable:
        if upper is None:
            return ("branch", self.name, "from", path)
        if lower is not None and upper.kind == stat.S_IFDIR:
            return ("branch", self.name, "from", path)
        if upper.kind == stat.S_IFREG:
            held = upper.held()
            try:
                return ("branch", self.name, "from", os.getxattr(held.path, ORIGIN))
            except OSError:
                pass
        return ("branch", self.name, "new", upper.inode)

    def lower(self, path: bytes) -> RealNode | None:
        """What lies at `path` in files/, if the branch shows it."""
        if self.gone.hides(path):
            return None
        try:
            return self.files.resolve(path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def upper(self, path: bytes) -> RealNode | None:
        """What the branch itself has at `path`."""
        try:
            return self.over.resolve(path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    # taking a thing into the branch

    def take_folder(self, path: bytes) -> RealNode:
        """The branch's own folder at `path`, made with those above it where they are only below."""
        found = self.upper(path)
        if found is not None:
            return found
        with self.changing:
            above, _, name = path.rpartition(b"/")
            parent = self.take_folder(above)
            lower = self.lower(path)
            if lower is None:
                raise failure(errno.ENOENT, path)
            told = lower.attributes()
            parent.mkdir(name, stat.S_IMODE(told.mode), Caller(told.uid, told.gid))
            return self.over.resolve(path)

    def take(self, lower: RealNode, path: bytes) -> RealNode:
        """A copy of `lower` at `path` in the branch, with its owner, mode, times and attributes.

        It appears at once and whole. Raises OSError; then nothing is there.
        """
        with self.changing:
            found = self.upper(path)
            if found is not None:
                return found
            above, _, name = path.rpartition(b"/")
            parent = self.take_folder(above)
            told = lower.attributes()
            caller = Caller(told.uid, told.gid)
            if told.kind == stat.S_IFLNK:
                parent.symlink(name, lower.readlink(), caller)
            elif told.kind == stat.S_IFREG:
                held = parent.held()
                self._copy(lower, told, held.number, name, path)
            else:
                parent.mknod(name, told.mode, told.rdev, caller)
            return self.over.resolve(path)

    def _copy(self, lower: RealNode, told: Attributes, folder: int, name: bytes, path: bytes) -> None:
        flags = os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC
        fd = os.open(b"/proc/self/fd/%d" % folder, flags, 0o600)
        try:
            handle = lower.open(os.O_RDONLY, ourselves())
            try:
                at = 0
                while piece := handle.read(at, _PIECE):
                    if any(piece):  # what is empty stays a hole
                        written = 0
                        while written < len(piece):
                            written += os.pwrite(fd, piece[written:], at + written)
                    at += len(piece)
                os.ftruncate(fd, at)
            finally:
                handle.release()
            if os.geteuid() == 0:
                os.fchown(fd, told.uid, told.gid)
            for attribute in lower.listxattr():
                if not attribute.startswith(b"user.memex"):
                    os.setxattr(fd, attribute, lower.getxattr(attribute))
            os.setxattr(fd, ORIGIN, path)
            os.setxattr(fd, BASE, b"%d %d %d" % base_of(told))
            os.fchmod(fd, stat.S_IMODE(told.mode))
            os.utime(fd, ns=(told.atime_ns, told.mtime_ns))
            os.link(b"/proc/self/fd/%d" % fd, name, dst_dir_fd=folder, follow_symlinks=True)
        finally:
            os.close(fd)

    def hide(self, path: bytes) -> None:
        """Show no more what lies at `path` in files/."""
        lower = self.lower(path)
        if lower is not None:
            self.gone.add(path, base_of(lower.attributes()))

    def told(self, command: bytes) -> None:
        """Do `merge`, `merge force` or `drop`.

        Raises OSError: EINVAL for anything else, EEXIST where files were changed on both sides.
        """
        from nexus.memexfs.branch_changes import MergeConflictError, drop, merge

        try:
            if command == b"drop":
                drop(self)
            elif command in (b"merge", b"merge force"):
                merge(self, force=command.endswith(b"force"))
            else:
                raise failure(errno.EINVAL, command)
        except MergeConflictError as error:
            raise failure(errno.EEXIST, error) from None

    def close(self) -> None:
        """Let go of the log."""
        self.gone.close()
