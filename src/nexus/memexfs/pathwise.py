"""A file system asked by path, for those who show the tree without the kernel's inodes: mfusepy and WebDAV.

Knows neither of them. Invariant: every lookup that a call needs is taken back before it returns, or, for what
it opens, when that is closed; so nothing stays known that nobody can ask for.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from nexus.memexfs.node import failure
from nexus.memexfs.operations import ROOT, Attributes, Caller, Entry, FileSystem, Listed

Path = tuple[bytes, ...]
"""The names from the root on; empty for the root."""

_LINKS = 40  # so many symbolic links in one path are followed, as on Linux


class Open(NamedTuple):
    """A file or folder that somebody holds open: its node, kept known until `Pathwise.release`."""

    node: int
    handle: int


class NoKernel:
    """Nobody keeps what the tree told for longer than it said, so there is nothing to take back."""

    def forget_name(self, parent: int, name: bytes, *, wholly: bool = False) -> None: ...
    def forget_content(self, node: int) -> None: ...
    def doubt_names(self, seconds: float) -> None: ...


class Pathwise:
    """Operations by path over `filesystem`, in the name of whom `caller` gives. Raises `OSError`.

    `follow`: paths go through symbolic links; those that lead out of the tree lead nowhere (ENOENT).
    """

    def __init__(self, filesystem: FileSystem, caller: Callable[[], Caller], *, follow: bool = False) -> None:
        self._follow = follow
        self.filesystem = filesystem
        self.caller = caller

    @contextmanager
    def at(self, path: Path) -> Iterator[Entry]:
        """What is at `path`, known as long as the context lasts."""
        found = self._found(path)
        try:
            yield found
        finally:
            self._drop(found.node)

    @contextmanager
    def above(self, path: Path) -> Iterator[tuple[int, bytes]]:
        """The folder that holds the last name of `path`, and that name. EBUSY for the root, which no folder
        holds."""
        if not path:
            raise failure(errno.EBUSY)
        with self.at(path[:-1]) as folder:
            yield folder.node, path[-1]

    def attributes(self, path: Path) -> Attributes:
        """lstat(2), or stat(2) where links are followed."""
        with self.at(path) as found:
            return found.attributes

    def open(self, path: Path, flags: int) -> Open:
        found = self._found(path)
        try:
            opened = self.filesystem.open(found.node, flags, self.caller())
        except BaseException:
            self._drop(found.node)
            raise
        return Open(found.node, opened.handle)

    def create(self, path: Path, flags: int, mode: int) -> Open:
        with self.above(path) as (folder, name):
            entry, opened = self.filesystem.create(folder, name, flags | os.O_CREAT, mode, self.caller())
        return Open(entry.node, opened.handle)

    def release(self, opened: Open) -> None:
        """The last descriptor is closed."""
        try:
            self.filesystem.release(opened.node, opened.handle)
        finally:
            self._drop(opened.node)

    def open_folder(self, path: Path) -> Open:
        """Begin to list a folder; give it back with `release_folder`."""
        found = self._found(path)
        try:
            opened = self.filesystem.opendir(found.node, self.caller())
        except BaseException:
            self._drop(found.node)
            raise
        return Open(found.node, opened.handle)

    def release_folder(self, opened: Open) -> None:
        """It has been listed."""
        try:
            self.filesystem.releasedir(opened.node, opened.handle)
        finally:
            self._drop(opened.node)

    def listed(self, path: Path) -> Iterator[Listed]:
        """The names in the folder, without `.` and `..`."""
        with self.at(path) as folder:
            handle = self.filesystem.opendir(folder.node, self.caller()).handle
            try:
                offset = 0
                while part := self.filesystem.readdir(folder.node, handle, offset):
                    yield from (found for found in part if found.name not in (b".", b".."))
                    offset = part[-1].offset
            finally:
                self.filesystem.releasedir(folder.node, handle)

    def mkdir(self, path: Path, mode: int) -> None:
        with self.above(path) as (folder, name):
            self._drop(self.filesystem.mkdir(folder, name, mode, self.caller()).node)

    def mknod(self, path: Path, mode: int, rdev: int) -> None:
        with self.above(path) as (folder, name):
            self._drop(self.filesystem.mknod(folder, name, mode, rdev, self.caller()).node)

    def symlink(self, path: Path, target: bytes) -> None:
        with self.above(path) as (folder, name):
            self._drop(self.filesystem.symlink(folder, name, target, self.caller()).node)

    def link(self, path: Path, new: Path) -> None:
        with self.at(path) as found, self.above(new) as (folder, name):
            self._drop(self.filesystem.link(found.node, folder, name, self.caller()).node)

    def remove(self, path: Path, *, folder: bool) -> None:
        """unlink(2), with `folder` rmdir(2)."""
        with self.above(path) as (parent, name):
            remove = self.filesystem.rmdir if folder else self.filesystem.unlink
            remove(parent, name, self.caller())

    def rename(self, path: Path, new: Path, flags: int = 0) -> None:
        with self.above(path) as (old, name), self.above(new) as (to, to_name):
            self.filesystem.rename(old, name, to, to_name, flags, self.caller())

    # walking

    def _found(self, path: Path) -> Entry:
        """What is at `path`, counted as one lookup unless it is the root."""
        walked: list[bytes] = []
        left = list(reversed(path))
        entry = self._root()
        links = 0
        while left:
            name = left.pop()
            entry = self._step(entry.node, name)
            if self._follow and stat.S_ISLNK(entry.attributes.mode):
                try:
                    links += 1
                    if links > _LINKS:
                        raise failure(errno.ELOOP)
                    left += reversed(_resolved(walked, self.filesystem.readlink(entry.node)))
                finally:
                    self._drop(entry.node)
                walked = []
                entry = self._root()
            else:
                walked.append(name)
        return entry

    def _root(self) -> Entry:
        attributes, seconds = self.filesystem.getattr(ROOT, None)
        return Entry(ROOT, attributes, 0.0, seconds)

    def _step(self, folder: int, name: bytes) -> Entry:
        try:
            entry = self.filesystem.lookup(folder, name, self.caller())
        finally:
            self._drop(folder)
        if not entry.node:
            raise failure(errno.ENOENT)
        return entry

    def _drop(self, node: int) -> None:
        if node != ROOT:
            self.filesystem.forget(node, 1)


def _resolved(folder: Sequence[bytes], target: bytes) -> list[bytes]:
    """The path that a link in `folder` means, without dots; `folder` is free of links. ENOENT outside."""
    if target.startswith(b"/"):
        raise failure(errno.ENOENT)
    parts = list(folder)
    for part in target.split(b"/"):
        if part == b"..":
            if not parts:
                raise failure(errno.ENOENT)
            parts.pop()
        elif part not in (b"", b"."):
            parts.append(part)
    return parts
