"""A file that is being put into a folder of tags: where it comes to lie, and whether it was there already.

A new file gets a real place under files/, in folders named like those it was made in. When it is closed and
the very same file, name and bytes, lies elsewhere under files/ (`cp files/x/f tags/a/`), that one gets the
tags and the copy goes. Invariant: the name it was made with is the name it keeps, so whoever made it finds it
again; nothing is removed whose bytes are not in another file, compared byte by byte at that moment.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nexus.core.errors import NexusError
from nexus.memexfs.names import base, fitting
from nexus.memexfs.node import Handle, Node, failure
from nexus.memexfs.operations import Caller

if TYPE_CHECKING:
    from nexus.memexfs.virtual import Scene

_PIECE = 2**20  # bytes compared at a time
_NAMESAKES = 20  # files of the same name that are compared
_PLACES = 1000  # folders that are tried: a, a (2), ...
_REMEMBERED = 1000  # names and folders
_LINGER = 2.0  # seconds for which a name may still change its file after it was closed


class Drops:
    """What is being put into folders of tags just now: files that are open, those that are to be renamed over
    another in a moment (they are held by name, and have no tags), and the real folders that were made."""

    def __init__(self) -> None:
        self._open: Counter[Hashable] = Counter()
        self._until: dict[Hashable, float] = {}
        self._held: OrderedDict[tuple[Hashable, bytes], bytes] = OrderedDict()
        self._folders: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()

    def busy(self, folder: Hashable) -> bool:
        """May a name in this folder come to mean another file at any moment?"""
        with self._lock:
            return self._open[folder] > 0 or time.monotonic() < self._until.get(folder, 0.0)

    def begin(self, folder: Hashable) -> None:
        with self._lock:
            self._open[folder] += 1

    def end(self, folder: Hashable) -> None:
        with self._lock:
            self._open[folder] -= 1
            self._open += Counter()  # without those at zero
            now = time.monotonic()
            self._until = {key: until for key, until in self._until.items() if until > now}
            self._until[folder] = now + _LINGER

    def hold(self, folder: Hashable, name: bytes, path: bytes) -> None:
        """`name` in this folder is the real file at `path`, though it has no tag."""
        with self._lock:
            self._held[folder, name] = path
            if len(self._held) > _REMEMBERED:
                self._held.popitem(last=False)

    def held(self, folder: Hashable, name: bytes) -> bytes | None:
        with self._lock:
            return self._held.get((folder, name))

    def let_go(self, folder: Hashable, name: bytes) -> None:
        """The name is free again."""
        with self._lock:
            self._held.pop((folder, name), None)

    def made(self, path: bytes) -> None:
        """The real folder `path` was made for a file."""
        with self._lock:
            self._folders[path] = None
            if len(self._folders) > _REMEMBERED:
                self._folders.popitem(last=False)

    def tidy(self, scene: Scene, path: bytes, caller: Caller) -> None:
        """Remove the real folder `path`, and those above, if they were made for a file and are empty."""
        while path:
            with self._lock:
                if path not in self._folders:
                    return
            parent, name = os.path.split(path)
            try:
                above = scene.files.resolve(parent)
                above.rmdir(name, caller)
            except OSError:
                return  # there is something in it
            with self._lock:
                self._folders.pop(path, None)
            scene.telling.changed(above, name)
            path = parent


class Drop:
    """One file on its way into the folder `key`, to get `tags`."""

    def __init__(self, scene: Scene, key: Hashable, tags: Sequence[str], caller: Caller) -> None:
        self._scene, self._key, self._tags, self._caller = scene, key, tags, caller
        self._hints: list[bytes] = []
        self.path = b""

    def create(self, folders: Sequence[bytes], name: bytes, flags: int, mode: int) -> tuple[Node, Handle]:
        """The file, made below files/ in `folders`, with the tags."""
        self._hints = list(_open_files(self._caller.pid, name))
        folder, path = self._scene.files.root, b""
        for part in folders[:-1]:
            folder, part = self._enter(folder, path, part)
            path += part + b"/"
        for last in _numbered(folders[-1]):
            try:
                inner, shown = self._enter(folder, path, last)
                node, handle = inner.create(name, flags | os.O_EXCL, mode, self._caller)
            except OSError as error:
                if error.errno != errno.EEXIST:
                    raise
                continue
            self.path = path + shown + b"/" + name
            break
        else:
            raise failure(errno.EEXIST, name)
        self._scene.drops.begin(self._key)
        try:
            if self._tags:
                store = self._scene.store
                store.tag(store.ensure(self.path), *self._tags)
        except NexusError as error:
            handle.release()
            inner.unlink(name, self._caller)
            self._scene.drops.end(self._key)
            raise failure(errno.EIO, error) from error
        self._scene.telling.changed(inner, name)
        self._scene.listings.drop()
        return node, handle

    def _enter(self, folder: Node, path: bytes, name: bytes) -> tuple[Node, bytes]:
        """The folder of this name in `folder`, which lies at `path` (a slash behind it); where a file has the
        name, the one with a number. Made if need be."""
        for shown in _numbered(name):
            try:
                found = folder.child(shown, self._caller)
            except OSError as error:
                if error.errno != errno.ENOENT:
                    raise
                found = folder.mkdir(shown, 0o755, self._caller)
                self._scene.telling.changed(folder, shown)
                self._scene.drops.made(path + shown)
            if stat.S_ISDIR(found.attributes().mode):
                return found, shown
        raise failure(errno.EEXIST, name)

    def settle(self) -> None:
        """After the last close: if the same file lies elsewhere, it is that one that was meant."""
        try:
            original = self._original() if self._tags else None
            if original is not None:
                store = self._scene.store
                store.tag(store.ensure(original), *self._tags)
                self._discard()
            if self._tags:
                self._scene.retagged(original or self.path)
        except (OSError, NexusError):
            return  # it stays: a file too many, and no file too few
        finally:
            self._scene.listings.drop()
            self._scene.drops.end(self._key)

    def _original(self) -> bytes | None:
        """Another file of the same name with the same bytes."""
        files = self._scene.files
        mine = files.resolve(self.path)
        size = mine.attributes().size
        if not size:
            return None
        for path in self._namesakes():
            try:
                other = files.resolve(path)
                found = other.attributes()
                if stat.S_ISREG(found.mode) and found.size == size and self._same(mine, other):
                    return path
            except OSError:
                continue  # gone, or not to be read: not the one
        return None

    def _namesakes(self) -> Iterator[bytes]:
        """Paths of files of the same name; first those that whoever made this one had open then."""
        yield from self._hints
        name = base(self.path)
        for match in self._scene.store.matching(os.fsdecode(name), _NAMESAKES):
            if base(match.path) == name and match.path != self.path:
                yield match.path

    def _same(self, one: Node, other: Node) -> bool:
        if one.key == other.key:
            return False  # another name of it, not another file
        handles = [node.open(os.O_RDONLY, self._caller) for node in (one, other)]
        try:
            at = 0
            while True:
                pieces = [bytes(handle.read(at, _PIECE)) for handle in handles]
                if pieces[0] != pieces[1]:
                    return False
                if not pieces[0]:
                    return True
                at += len(pieces[0])
        finally:
            for handle in handles:
                handle.release()

    def _discard(self) -> None:
        """Remove the copy. Under a name that has no history first: its bytes are kept as a file already."""
        parent, name = os.path.split(self.path)
        folder = self._scene.files.resolve(parent)
        row = self._scene.store.file(self.path)
        if row is not None:
            self._scene.store.untag(row.id, *self._scene.store.tags_of(row.id))
        passing = fitting(b".", name, b"~") + b"~"
        folder.rename(name, folder, passing[-255:], 0, self._caller)
        folder.unlink(passing[-255:], self._caller)
        self._scene.telling.changed(folder, name)
        self._scene.drops.tidy(self._scene, parent, self._caller)


class Dropped(Handle):
    """The open file of a `Drop`."""

    writable = True

    def __init__(self, real: Handle, drop: Drop) -> None:
        self._real, self._drop = real, drop

    def read(self, offset: int, size: int) -> bytes | memoryview:
        return self._real.read(offset, size)

    def write(self, offset: int, data: memoryview) -> int:
        return self._real.write(offset, data)

    def flush(self) -> None:
        self._real.flush()

    def release(self) -> None:
        self._real.release()
        self._drop.settle()

    def fsync(self, data_only: bool) -> None:
        self._real.fsync(data_only)

    def allocate(self, offset: int, length: int, mode: int) -> None:
        self._real.allocate(offset, length, mode)

    def seek(self, offset: int, whence: int) -> int:
        return self._real.seek(offset, whence)

    @property
    def fileno(self) -> int | None:
        return self._real.fileno

    @property
    def backing(self) -> int | None:
        return self._real.backing


def _numbered(name: bytes) -> Iterator[bytes]:
    yield name
    for n in range(2, _PLACES):
        yield fitting(b"", name, b" (%d)" % n)


def _open_files(pid: int, name: bytes) -> Iterator[bytes]:
    """Where under files/ a file of this name may lie that the process has open just now. A guess: the path
    of the mount is not known here, and only what has the same bytes is ever taken for the same."""
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            links = [os.fsencode(Path(entry.path).readlink()) for entry in entries]
    except OSError:
        return  # it has ended, or is not ours to look into
    for link in links:
        if base(link) == name:
            at = link.find(b"/files/")
            while at >= 0:
                yield link[at + len(b"/files/") :]
                at = link.find(b"/files/", at + 1)
