"""Folders and files that are made up as they are asked for: the base of all views.

Knows neither tags nor questions, only how something that lies nowhere looks like a folder or a file.
Invariant: a made thing is known by its path in the mount alone, so it has the same key and the same inode
number in every process; these numbers have bit 62 set, which those of real files do not.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from nexus.memexfs.drop import Drops
from nexus.memexfs.listings import Listings
from nexus.memexfs.node import Child, Handle, Node, failure
from nexus.memexfs.operations import Attributes, Caller, Space
from nexus.memexfs.scores import Scores

if TYPE_CHECKING:
    from nexus.memexfs.finding import Finder
    from nexus.memexfs.store import Store

MADE = 1 << 62  # inode numbers from here up are made up
READ_ONLY = 0o555
OWNER_WRITES = 0o755


class RealFiles(Protocol):
    """The tree of real files, as far as views look at it (`nexus.memexfs.real.Files`). Paths are bytes."""

    @property
    def root(self) -> Node:
        """The folder that is shown as files/."""

    def resolve(self, path: bytes) -> Node:
        """The file or folder at this path; ENOENT where there is none."""

    def path_of(self, node: Node) -> bytes | None:
        """Where it lies under files/; None where it is no real file, or has no name any more."""


class Forgetful(Protocol):
    """Whoever remembers names of folders."""

    def forget_name(self, folder: Node, name: bytes) -> None: ...
    def doubt_names(self, seconds: float) -> None: ...


class OldContents(Protocol):
    """Where older contents of files are kept (`nexus.memexfs.objects.Objects`)."""

    def open(self, digest: str, form: str) -> int:
        """A descriptor to read them from; the caller closes it. Raises `OSError`."""


class Telling:
    """Tells whoever shows the tree of names that a view changed elsewhere than where it was asked to: the
    kernel believes the names of real folders for long. `tree` (`nexus.memexfs.tree.Tree`) is set once there
    is one."""

    tree: Forgetful | None = None

    def changed(self, folder: Node, name: bytes) -> None:
        """`name` in `folder` means something else now, or nothing."""
        if self.tree is not None:
            self.tree.forget_name(folder, name)

    def doubt_names(self, seconds: float) -> None:
        """See `nexus.memexfs.operations.Kernel.doubt_names`."""
        if self.tree is not None:
            self.tree.doubt_names(seconds)


@dataclass(frozen=True)
class Scene:
    """What every view is given: the real files, what is known of them, and who answers questions."""

    files: RealFiles
    store: Store
    finder: Finder
    objects: OldContents
    listings: Listings = field(default_factory=Listings)
    retagged: Callable[[bytes], object] = lambda path: None
    """Told of each file whose tags were changed here."""
    settle: Callable[[], object] = lambda: None
    """Waits a moment until the store has heard of the names that were changed before."""
    telling: Telling = field(default_factory=Telling)
    drops: Drops = field(default_factory=Drops)
    scores: Scores = field(default_factory=Scores)
    since_ns: int = field(default_factory=time.time_ns)
    uid: int = field(default_factory=os.getuid)
    gid: int = field(default_factory=os.getgid)


def number(path: bytes) -> int:
    """The inode number of what is made up at this path."""
    return MADE | int.from_bytes(hashlib.blake2b(path, digest_size=8).digest(), "little") >> 2


class Made(Node):
    """A made thing at `path` in the mount, without a leading slash."""

    def __init__(self, scene: Scene, path: bytes) -> None:
        self.scene = scene
        self.path = path

    @property
    def key(self) -> Hashable:
        return ("made", self.path)

    @property
    def ino(self) -> int:
        return number(self.path)

    def space(self) -> Space:
        return self.scene.files.root.space()

    def described(self, mode: int, size: int = 0, nlink: int = 1, time_ns: int | None = None) -> Attributes:
        """Attributes of a thing that belongs to whoever runs the mount."""
        scene, when = self.scene, self.scene.since_ns if time_ns is None else time_ns
        blocks = (size + 511) // 512
        return Attributes(
            self.ino, mode, size, blocks, when, when, when, nlink=nlink, uid=scene.uid, gid=scene.gid
        )

    def below(self, name: bytes) -> bytes:
        """The path of a name in it."""
        return self.path + b"/" + name if self.path else name


class MadeFolder(Made):
    """A folder that lies nowhere. By itself it is empty and nothing can be put into it."""

    mode = READ_ONLY
    is_folder = True

    def attributes(self, handle: Handle | None = None) -> Attributes:
        return self.described(stat.S_IFDIR | self.mode)  # one link: it says nothing of how many are in it

    def child(self, name: bytes, caller: Caller) -> Node:
        raise failure(errno.ENOENT)

    def children(self) -> Iterable[Child]:
        return ()

    def adopt(self, node: Node, name: bytes, caller: Caller) -> None:
        # Not EXDEV: programs would copy, fail at that, and have begun to take the source apart.
        raise failure(errno.EPERM)

    def fsync_folder(self) -> None:
        """What is put into a made folder is durable when the call that did it returns."""


class Fixed(MadeFolder):
    """A folder whose names never change while the mount lives."""

    name_seconds = 60.0
    attribute_seconds = 60.0

    def __init__(self, scene: Scene, path: bytes, nodes: Sequence[tuple[bytes, Node]]) -> None:
        super().__init__(scene, path)
        self._nodes = dict(nodes)

    def child(self, name: bytes, caller: Caller) -> Node:
        try:
            return self._nodes[name]
        except KeyError:
            raise failure(errno.ENOENT) from None

    def children(self) -> Iterable[Child]:
        return [Child(name, node.ino, node.attributes().kind) for name, node in self._nodes.items()]


class MadeHandle(Handle):
    """What a made file said when it was opened."""

    direct = True

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, offset: int, size: int) -> bytes:
        return self.data[offset : offset + size]


class MadeFile(Made):
    """A file whose text is made when it is opened; who has it open goes on reading that text."""

    attribute_seconds = 0.0

    def __init__(self, scene: Scene, path: bytes, text: Callable[[], str]) -> None:
        super().__init__(scene, path)
        self._text = text
        self._said = b""
        self._at = 0.0
        self._lock = threading.Lock()

    def attributes(self, handle: Handle | None = None) -> Attributes:
        data = handle.data if isinstance(handle, MadeHandle) else self._data()
        return self.described(stat.S_IFREG | 0o444, len(data), time_ns=time.time_ns())

    def open(self, flags: int, caller: Caller) -> Handle:
        if flags & os.O_ACCMODE != os.O_RDONLY or flags & os.O_TRUNC:
            raise failure(errno.EPERM)
        return MadeHandle(self._data(now=True))

    def _data(self, *, now: bool = False) -> bytes:
        """The text; for its size alone one of a second ago will do."""
        with self._lock:
            at = time.monotonic()
            if now or not self._at or at - self._at > 1.0:
                self._said, self._at = self._text().encode("utf-8", "surrogateescape"), at
            return self._said
