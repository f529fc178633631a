"""`tags/`: a folder for each tag, and in it the files that have it; `tags/a/b/` has those with both.

Folders in `tags/a/` are there by name and not listed: who walks through, copies or removes `tags/a` meets
each file once, and a tree of all combinations has no end.

What commands mean here:
    mkdir tags/a            makes the tag a; mkdir tags/a/b makes b
    ln FILE tags/a/         FILE gets the tag (also: mv, and also for a RESULT of search/)
    cp FILE tags/a/         the same: where FILE lies under files/ already, no copy of it is kept
    cp, mv from elsewhere   stored as files/a/NAME, with the tag
    mv tags/a/f tags/b/     takes a away and gives b
    mv tags/a/f tags/a/g    renames the real file
    mv tags/a/f files/x/    moves the real file
    mv tags/a tags/c        renames the tag
    rm tags/a/f             takes a away; the file stays. rm tags/a/b/f takes b away
    rmdir tags/a            drops a tag that no file has; rm -r tags/a takes it off all files first
    ls tags/a/+             the other tags of the files in tags/a

Knows neither how tags are kept nor where files lie. Invariant: nothing here removes a file.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING

from nexus.memexfs import names
from nexus.memexfs.drop import Drop, Dropped
from nexus.memexfs.node import Child, Handle, Node, failure
from nexus.memexfs.operations import Caller
from nexus.memexfs.results import LISTED, RENAME_EXCHANGE, RENAME_NOREPLACE, Choice, Results
from nexus.memexfs.store_tags import PROJECT
from nexus.memexfs.tag_names import (
    all_tags,
    answering,
    drop_tag,
    known_tag,
    make_tag,
    rename_tag,
    tag_name,
)
from nexus.memexfs.virtual import OWNER_WRITES, Made, MadeFolder, Scene

if TYPE_CHECKING:
    from nexus.memexfs.store import FileRow

BESIDE = b"+"


class Tagged(Results):
    """Files that have all of these tags; whatever is put here gets them, what is removed loses the last."""

    mode = OWNER_WRITES

    def __init__(self, scene: Scene, path: bytes, tags: tuple[str, ...]) -> None:
        super().__init__(scene, path)
        self.tags = tags

    @property
    def name_seconds(self) -> float:  # type: ignore[override]
        # A file that was just put here may turn out to be one that lies under files/ already.
        """How long the kernel may believe a name in it."""
        return 0.0 if self.scene.drops.busy(self.key) else 1.0

    def ask(self) -> Sequence[bytes]:
        # The longest known first: a name keeps its number when others come.
        return [path for _, path in self.scene.store.tagged_paths(self.tags, LISTED + 1)]

    def real_folder(self) -> Sequence[bytes]:
        """Names of the folders, below files/ and one in the other, for files that are made here."""
        return [tag.encode() for tag in self.tags]

    def known(self, name: bytes) -> bytes | None:
        return self.scene.drops.held(self.key, name) or super().known(name)

    # putting in

    def adopt(self, node: Node, name: bytes, caller: Caller) -> None:
        self.scene.settle()
        path = self.scene.files.path_of(node)
        if path is None or isinstance(node, Made):
            raise failure(errno.EPERM)
        if stat.S_ISDIR(node.attributes().mode):
            raise failure(errno.EPERM)  # not EXDEV: it would be copied file by file, flat, and removed
        self.give(path)
        # The kernel takes the name for moved here, and for as true as it was where it came from.
        self.scene.telling.changed(self, name)

    def give(self, path: bytes) -> None:
        """The file has all the tags from now on."""
        store = self.scene.store
        with answering():
            store.tag(store.ensure(path), *self.tags)
        self.changed(path)

    def changed(self, path: bytes) -> None:
        """The tags of the file are others."""
        self.scene.listings.drop()
        self.scene.retagged(path)

    def link(self, node: Node, name: bytes, caller: Caller) -> Node:
        self.adopt(node, name, caller)
        return node

    def create(self, name: bytes, flags: int, mode: int, caller: Caller) -> tuple[Node, Handle]:
        if names.backup(name):
            raise failure(errno.EPERM)
        if self.known(name) is not None:
            raise failure(errno.EEXIST)
        passing = names.temporary(name)
        drop = Drop(self.scene, self.key, () if passing else self.tags, caller)
        node, handle = drop.create(self.real_folder(), name, flags, mode)
        if passing:
            self.scene.drops.hold(self.key, name, drop.path)
        return node, Dropped(handle, drop)

    # taking out

    def unlink(self, name: bytes, caller: Caller) -> None:
        self.scene.settle()
        path = self.known(name)
        if path is None:
            raise failure(errno.ENOENT)
        if self.scene.drops.held(self.key, name):
            folder, own = self.real_place(path, caller)
            folder.unlink(own, caller)
            self.scene.telling.changed(folder, own)
            self._left(self.key, name, path, caller)
            return
        with answering():
            row = self.scene.store.file(path)
            if row is not None:
                self.may_take(row)
                self.scene.store.untag(row.id, self.tags[-1])
        self.changed(path)

    def may_take(self, row: FileRow) -> None:
        """Raises `OSError` where the file is here for more than its tags."""

    def empty(self) -> None:
        """ENOTEMPTY where there is a file in here."""
        if self.make().names:
            raise failure(errno.ENOTEMPTY)

    # moving

    def rename(self, name: bytes, to: Node, to_name: bytes, flags: int, caller: Caller) -> None:
        self.scene.settle()
        path = self.known(name)
        super().rename(name, to, to_name, flags, caller)
        if path is not None:
            self._left(self.key, name, path, caller)

    def regroup(self, name: bytes, path: bytes, to: Made, to_name: bytes, flags: int, caller: Caller) -> None:
        if not isinstance(to, Tagged):
            raise failure(errno.EPERM)
        there = to.known(to_name)
        if there is not None and there != path and flags & RENAME_NOREPLACE:
            raise failure(errno.EEXIST)
        store = self.scene.store
        passing = self.scene.drops.held(self.key, name) is not None
        with answering():
            # By id from here on: the store hears of the new name a moment later.
            row = None if passing else store.by_id(store.ensure(path))
        if row is not None and to.key != self.key and self.tags[-1] not in to.tags:
            self.may_take(row)
        if passing or to.key == self.key or to_name != name:
            path = self._renamed(path, there, to_name, caller)
        with answering():
            if row is not None and to.key != self.key:
                store.tag(row.id, *to.tags)
                if self.tags[-1] not in to.tags:
                    store.untag(row.id, self.tags[-1])
            elif passing and there is None:
                store.tag(store.ensure(path), *to.tags)
        self.changed(path)

    def _left(self, key: Hashable, name: bytes, path: bytes, caller: Caller) -> None:
        """A name in here is gone: so is a folder that was made only for the file."""
        drops = self.scene.drops
        drops.let_go(key, name)
        drops.tidy(self.scene, path.rpartition(b"/")[0], caller)

    def _renamed(self, path: bytes, there: bytes | None, to_name: bytes, caller: Caller) -> bytes:
        """The real file under its new name, which may be that of another file listed here; its path."""
        folder, own = self.real_place(path, caller)
        if there is None:
            target, new = folder, path[: len(path) - len(own)] + to_name
            there_name, flags = to_name, RENAME_NOREPLACE
        else:
            (target, there_name), new, flags = self.real_place(there, caller), there, 0
        if new != path:
            folder.rename(own, target, there_name, flags, caller)
            self.scene.telling.changed(folder, own)
            self.scene.telling.changed(target, there_name)
        return new


class TagFolder(Tagged):
    """`tags/a`, and in it by name, not listed, `tags/a/b` and `tags/a/+`."""

    def folder(self, name: bytes) -> Node | None:
        if name == BESIDE:
            return Beside(self.scene, self.below(name), self.tags)
        tag = known_tag(self.scene, name)
        if tag is None or tag in self.tags:
            return None
        return TagFolder(self.scene, self.below(name), (*self.tags, tag))

    def mkdir(self, name: bytes, mode: int, caller: Caller) -> Node:
        tag = make_tag(self.scene, name)
        return TagFolder(self.scene, self.below(name), (*self.tags, tag))

    def rmdir(self, name: bytes, caller: Caller) -> None:
        inner = self.folder(name)
        if not isinstance(inner, TagFolder):
            raise failure(errno.ENOENT if self.known(name) is None else errno.ENOTDIR)
        inner.empty()
        if not TagFolder(self.scene, b"", inner.tags[-1:]).make().names:
            drop_tag(self.scene, inner.tags[-1])


class Beside(Choice):
    """`tags/a/+`: the other tags of the files in `tags/a`, as folders."""

    def __init__(self, scene: Scene, path: bytes, tags: tuple[str, ...]) -> None:
        super().__init__(scene, path)
        self.tags = tags

    def values(self) -> Sequence[str]:
        return [name for name, _ in self.scene.store.tags(self.tags) if not name.startswith(PROJECT)]

    def results(self, name: bytes, value: str) -> TagFolder:
        return TagFolder(self.scene, self.below(name), (*self.tags, value))


class Tags(MadeFolder):
    """`tags/` itself."""

    mode = OWNER_WRITES
    name_seconds = 0.0  # a tag that was renamed is another folder from then on
    attribute_seconds = 60.0

    def child(self, name: bytes, caller: Caller) -> Node:
        tag = known_tag(self.scene, name)
        if tag is None or tag.startswith(PROJECT):
            raise failure(errno.ENOENT)
        return self._folder(tag)

    def children(self) -> Iterable[Child]:
        for tag in all_tags(self.scene):
            if not tag.startswith(PROJECT):
                yield Child(tag.encode(), self._folder(tag).ino, stat.S_IFDIR)

    def mkdir(self, name: bytes, mode: int, caller: Caller) -> Node:
        if name.startswith(PROJECT.encode()):
            raise failure(errno.EINVAL)  # it would not be shown here: mkdir projects/NAME
        return self._folder(make_tag(self.scene, name))

    def rmdir(self, name: bytes, caller: Caller) -> None:
        folder = self.child(name, caller)
        assert isinstance(folder, TagFolder)
        folder.empty()
        drop_tag(self.scene, folder.tags[0])

    def rename(self, name: bytes, to: Node, to_name: bytes, flags: int, caller: Caller) -> None:
        folder = self.child(name, caller)
        assert isinstance(folder, TagFolder)
        new = tag_name(to_name)
        if not isinstance(to, Tags) or flags & RENAME_EXCHANGE or new.startswith(PROJECT):
            raise failure(errno.EPERM)
        rename_tag(self.scene, folder.tags[0], new)

    def _folder(self, tag: str) -> TagFolder:
        return TagFolder(self.scene, self.below(tag.encode()), (tag,))
