"""A scene for tests of the views: real files in a real folder, a real store, and a hand that does with nodes
what commands do with a mount."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from nexus.memexfs.describer import StoreDescriber
from nexus.memexfs.node import Node, failure
from nexus.memexfs.operations import Caller
from nexus.memexfs.real import Files
from nexus.memexfs.recording import NoRecord
from nexus.memexfs.root import Root
from nexus.memexfs.scores import Scores
from nexus.memexfs.store import Facts, Passage, Store
from nexus.memexfs.virtual import Scene
from nexus.memexfs.words_finder import WordsFinder

ME = Caller(os.getuid(), os.getgid(), os.getpid())


class AtOnce(NoRecord):
    """Tells the store of names in the same moment, so that tests need not wait for a thread."""

    def __init__(self, store: Store, tree: Path) -> None:
        self._store, self._tree = store, tree

    def written(self, path: bytes) -> None:
        st = (self._tree / os.fsdecode(path)).stat()
        self._store.written(path, st.st_size, st.st_mtime_ns, 0)

    def renamed(self, old: bytes, new: bytes, *, folder: bool, replaced: bool) -> None:
        if replaced and not folder:
            self._store.replaced(old, new)
        else:
            self._store.moved(old, new, folder)

    def linked(self, path: bytes, new: bytes) -> None:
        self._store.linked(path, new)

    def removed(self, path: bytes, *, folder: bool) -> None:
        self._store.removed(path, folder)


class Kept:
    """Older contents by digest."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}

    def open(self, digest: str, form: str) -> int:
        if digest not in self.contents:
            raise failure(errno.EIO, digest)
        descriptor = os.memfd_create(digest)
        os.write(descriptor, self.contents[digest])
        return descriptor


class Views:
    """A root over `home`, and commands on it. Paths are as in a mount, without a leading slash."""

    def __init__(self, home: Path) -> None:
        self.tree = home / "tree"
        self.tree.mkdir(parents=True)
        self.store = Store(home)
        self.objects = Kept()
        self.files = Files(
            self.tree,
            recorder=AtOnce(self.store, self.tree),
            describer=StoreDescriber(self.store, scores := Scores()),
        )
        finder = WordsFinder(self.store)
        self.scene = Scene(self.files, self.store, finder, self.objects, scores=scores)
        self.root = Root(self.scene)

    def close(self) -> None:
        self.store.close()

    def put(self, path: str, text: str = "", facts: Facts | None = None, tags: tuple[str, ...] = ()) -> int:
        """A file with its words known, as the service would have it."""
        real = self.tree / path
        real.parent.mkdir(parents=True, exist_ok=True)
        real.write_text(text)
        st = real.stat()
        name = os.fsencode(path)
        file = self.store.written(name, st.st_size, st.st_mtime_ns, 0)
        known = (facts or Facts("text"))._replace(size=st.st_size, mtime_ns=st.st_mtime_ns)
        self.store.described(name, known, [Passage("", text)] if text else [])
        if tags:
            self.store.tag(file, *tags)
        self.scene.listings.drop()
        return file

    def node(self, path: str) -> Node:
        node: Node = self.root
        for name in path.strip("/").split("/") if path else ():
            node = node.child(os.fsencode(name), ME)
        return node

    def split(self, path: str) -> tuple[Node, bytes]:
        folder, _, name = path.rstrip("/").rpartition("/")
        return self.node(folder), os.fsencode(name)

    def ls(self, path: str = "") -> list[str]:
        """Names in their order; each is looked up, and has the inode number and kind that were listed."""
        folder = self.node(path)
        found = []
        for child in folder.children():
            told = folder.child(child.name, ME).attributes()
            assert (child.ino, child.kind) == (told.ino, told.kind), (path, child)
            found.append(os.fsdecode(child.name))
        assert len(found) == len(set(found))
        return found

    def cat(self, path: str) -> str:
        handle = self.node(path).open(os.O_RDONLY, ME)
        try:
            return bytes(handle.read(0, 10**6)).decode()
        finally:
            handle.release()

    def cp(self, source: str, target: str, pid: int = 0) -> None:
        folder, name = self.split(target)
        held = os.open(self.tree / source.removeprefix("files/"), os.O_RDONLY)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            _, handle = folder.create(name, flags, 0o644, ME._replace(pid=pid))
            handle.write(0, memoryview(os.read(held, 10**6)))
            handle.flush()
            handle.release()
        finally:
            os.close(held)

    def write(self, path: str, text: str) -> None:
        """A new file, written and closed."""
        folder, name = self.split(path)
        _, handle = folder.create(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, ME)
        handle.write(0, memoryview(text.encode()))
        handle.flush()
        handle.release()

    def mv(self, old: str, new: str, flags: int = 0) -> None:
        folder, name = self.split(old)
        to, to_name = self.split(new)
        folder.rename(name, to, to_name, flags, ME)

    def ln(self, path: str, new: str) -> Node:
        folder, name = self.split(new)
        return folder.link(self.node(path), name, ME)

    def rm(self, path: str) -> None:
        folder, name = self.split(path)
        folder.unlink(name, ME)

    def mkdir(self, path: str) -> Node:
        folder, name = self.split(path)
        return folder.mkdir(name, 0o755, ME)

    def rmdir(self, path: str) -> None:
        folder, name = self.split(path)
        folder.rmdir(name, ME)

    def rm_r(self, path: str) -> None:
        """As rm -r: what was listed at first, folder by folder, then the folder."""
        for name in self.ls(path):
            self.scene.listings.drop()
            inner = f"{path}/{name}"
            if stat.S_ISDIR(self.node(inner).attributes().mode):
                self.rm_r(inner)
            else:
                self.rm(inner)
        self.rmdir(path)

    def real(self) -> dict[str, bytes]:
        """All real files and what is in them, as far as they are not just going."""
        found = {}
        for folder, _, names in os.walk(self.tree):
            for name in names:
                path = Path(folder, name)
                with suppress(FileNotFoundError):
                    found[str(path.relative_to(self.tree))] = path.read_bytes()
        return found

    def walk(self, path: str = "") -> Iterator[str]:
        """As find: everything that is listed."""
        for name in self.ls(path):
            inner = f"{path}/{name}" if path else name
            yield inner
            if stat.S_ISDIR(self.node(inner).attributes().mode):
                yield from self.walk(inner)
