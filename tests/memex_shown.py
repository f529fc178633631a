"""A tree over real folders, asked as the kernel asks it, and what it tells to whom."""

from __future__ import annotations

import os

import pytest

from nexus.memexfs.operations import ROOT, Caller
from nexus.memexfs.real import Files
from nexus.memexfs.recording import Cause, NoRecord
from nexus.memexfs.tree import Tree

ME = Caller(os.geteuid(), os.getegid())


class Heard(NoRecord):
    """A recorder that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.open: list[tuple[int, int]] = []

    def written(self, path: bytes) -> None:
        self.told.append(("written", path))

    def renamed(self, old: bytes, new: bytes, *, folder: bool, replaced: bool) -> None:
        self.told.append(("renamed", old, new, folder, replaced))

    def exchanged(self, one: bytes, other: bytes) -> None:
        self.told.append(("exchanged", one, other))

    def linked(self, path: bytes, new: bytes) -> None:
        self.told.append(("linked", path, new))

    def removed(self, path: bytes, *, folder: bool) -> None:
        self.told.append(("removed", path, folder))

    def losing(self, path: bytes, folder: int, name: bytes, cause: Cause) -> None:
        with open(os.open(name, os.O_RDONLY, dir_fd=folder), "rb") as file:
            self.told.append(("losing", path, cause, file.read()))

    def opened(self, inode: tuple[int, int]) -> None:
        self.open.append(inode)

    def closed(self, inode: tuple[int, int]) -> None:
        self.open.remove(inode)


class Told:
    """A kernel that writes down what it is told."""

    def __init__(self) -> None:
        self.names: list[tuple[int, bytes]] = []
        self.thrown_out: list[tuple[int, bytes]] = []
        self.contents: list[int] = []

    def forget_name(self, parent: int, name: bytes, *, wholly: bool = False) -> None:
        self.names.append((parent, name))
        if wholly:
            self.thrown_out.append((parent, name))

    def forget_content(self, node: int) -> None:
        self.contents.append(node)

    def doubt_names(self, seconds: float) -> None:
        raise AssertionError("nobody asked for that")


class Shown:
    """A tree, and short ways to ask it."""

    def __init__(self, files: Files, **options: object) -> None:
        self.files = files
        self.tree = Tree(files.root, **options)  # type: ignore[arg-type]

    def number(self, path: str) -> int:
        node = ROOT
        for name in path.encode().split(b"/") if path else ():
            node = self.tree.lookup(node, name, ME).node
            if not node:
                raise FileNotFoundError(path)
        return node

    def write(self, path: str, data: bytes, flags: int = os.O_CREAT | os.O_WRONLY | os.O_TRUNC) -> None:
        folder, _, name = path.rpartition("/")
        found = self.tree.lookup(self.number(folder), name.encode(), ME)
        if found.node:
            node, opened = found.node, self.tree.open(found.node, flags & ~os.O_CREAT, ME)
        else:
            entry, opened = self.tree.create(self.number(folder), name.encode(), flags, 0o644, ME)
            node = entry.node
        self.tree.write(node, opened.handle, 0, memoryview(data), flags)
        self.tree.flush(node, opened.handle)
        self.tree.release(node, opened.handle)

    def read(self, path: str) -> bytes:
        node = self.number(path)
        handle = self.tree.open(node, os.O_RDONLY, ME).handle
        data = bytes(self.tree.read(node, handle, 0, 1 << 20, os.O_RDONLY))
        self.tree.release(node, handle)
        return data


def refused(number: int) -> pytest.RaisesExc[OSError]:
    return pytest.raises(OSError, check=lambda error: error.errno == number)


# numbers and names
