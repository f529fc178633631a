"""`versions/`: what files held before, by when they ceased to: `versions/docs/a.txt/@2026-11-20T12-31-07.412`

    cp versions/docs/a.txt/@... files/docs/a.txt     brings it back (what is there now becomes a version)

The folders are those of files/, also of files that were removed since. Times are of this machine's zone.
Knows neither how contents are kept nor which are let go. Invariant: all of it is read-only.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from nexus.memexfs import names
from nexus.memexfs.node import Child, Handle, Node, failure
from nexus.memexfs.operations import Attributes, Caller
from nexus.memexfs.tag_names import answering
from nexus.memexfs.virtual import Made, MadeFolder, Scene

if TYPE_CHECKING:
    from nexus.memexfs.store import Version


class OldHandle(Handle):
    """An older content that is being read."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, offset: int, size: int) -> bytes:
        return os.pread(self._descriptor, size, offset)

    def release(self) -> None:
        os.close(self._descriptor)


class Old(Made):
    """One older content of one file."""

    attribute_seconds = 60.0
    keep_cache = True

    def __init__(self, scene: Scene, path: bytes, version: Version) -> None:
        super().__init__(scene, path)
        self.version = version

    def attributes(self, handle: Handle | None = None) -> Attributes:
        version = self.version
        told = self.described(stat.S_IFREG | 0o444, version.size, time_ns=version.mtime_ns)
        return told._replace(ctime_ns=version.taken_ns)

    def open(self, flags: int, caller: Caller) -> Handle:
        if flags & os.O_ACCMODE != os.O_RDONLY or flags & os.O_TRUNC:
            raise failure(errno.EROFS)
        return OldHandle(self.scene.objects.open(self.version.digest, self.version.form))


class Versions(MadeFolder):
    """`versions/` itself, a folder that files lie or lay in, or a file whose versions it lists."""

    def __init__(self, scene: Scene, path: bytes, of: bytes = b"") -> None:
        super().__init__(scene, path)
        self.of = of  # the path under files/

    def child(self, name: bytes, caller: Caller) -> Node:
        if name.startswith(b"@"):
            version = self._versions().get(name)
            if version is not None:
                return Old(self.scene, self.below(name), version)
        path = self.of + b"/" + name if self.of else name
        with answering():
            if not (self.scene.store.in_folder(path) or self.scene.store.versions(path)):
                raise failure(errno.ENOENT)
        return Versions(self.scene, self.below(name), path)

    def children(self) -> Iterable[Child]:
        for name, version in self._versions().items():
            yield Child(name, Old(self.scene, self.below(name), version).ino, stat.S_IFREG)
        with answering():
            paths = self.scene.store.versioned(self.of)
        for name in dict.fromkeys(names.base(path.rstrip(b"/")) for path in paths):
            yield Child(name, Versions(self.scene, self.below(name)).ino, stat.S_IFDIR)

    def _versions(self) -> dict[bytes, Version]:
        """Names to versions, the oldest first."""
        if not self.of:
            return {}
        with answering():
            found = sorted(self.scene.store.versions(self.of))
        return dict(zip(names.distinct(stamp(version.taken_ns) for version in found), found, strict=True))


def stamp(taken_ns: int) -> bytes:
    """`@2026-11-20T12-31-07.412`, in this machine's zone."""
    moment = time.localtime(taken_ns // 10**9)
    milliseconds = taken_ns // 10**6 % 1000
    return f"{time.strftime('@%Y-%m-%dT%H-%M-%S', moment)}.{milliseconds:03d}".encode()
