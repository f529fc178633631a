"""A real inode of the tree: its names, its attributes, and what is the same for files, folders and the rest.

Knows nothing of the kernel's numbers. Names are kept as (folder, name) pairs and looked at through the
folder's descriptor, so no path is ever too long and no rename above is noticed. Invariant: whatever is done
to an inode is done to the one with this device and number: an open descriptor of it is looked at first, and
where another one has taken its name (somebody changed the folder beside us) the answer is ESTALE.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from nexus.memexfs.descriptors import Descriptor, searched
from nexus.memexfs.node import Handle, Node, failure
from nexus.memexfs.operations import Attributes, Caller, Change, Space
from nexus.memexfs.system_calls import set_times

if TYPE_CHECKING:
    from nexus.memexfs.real import Files
    from nexus.memexfs.real_folder import Folder

OWN_SECONDS = 60.0  # only we change the tree, so the kernel may believe it for long
SOURCE_SECONDS = 1.0  # a folder in place is changed by others too

_OURS = b"user.memex."
_HIDDEN = b"user.memexfs."


class Realm(NamedTuple):
    """A real folder tree that is shown: our own, or one in place."""

    files: Files
    own: bool

    @property
    def seconds(self) -> float:
        """How long the kernel may believe what it was told: less where others change the folder."""
        return OWN_SECONDS if self.own else SOURCE_SECONDS


class RealNode(Node):
    """An inode that exists on the disk. `gone`: its last name was removed; it lives while it is held."""

    __slots__ = (
        *("aliases", "anchor", "attribute_seconds", "device", "gone", "inode", "keep_cache", "kind"),
        *("name", "name_seconds", "parent", "realm"),
    )

    def __init__(self, realm: Realm, st: os.stat_result, parent: Folder | None, name: bytes) -> None:
        self.realm = realm
        self.device = st.st_dev
        self.inode = st.st_ino
        self.kind = stat.S_IFMT(st.st_mode)
        self.parent = parent
        self.name = name
        self.aliases: list[tuple[Folder, bytes]] | None = None  # further names, of hard links
        self.anchor: Descriptor | None = None
        self.gone = False
        self.name_seconds = self.attribute_seconds = realm.seconds
        self.keep_cache = realm.own

    @property
    def key(self) -> tuple[int, int]:
        return (self.device, self.inode)

    @property
    def ino(self) -> int:
        return self.realm.files.shown_inode(self.device, self.inode)

    # names

    def places(self) -> Iterator[tuple[Folder, bytes]]:
        """The names that are known."""
        if self.parent is not None:
            yield self.parent, self.name
        if self.aliases is not None:
            yield from tuple(self.aliases)

    def home(self) -> tuple[Node, bytes] | None:
        return (self.parent, self.name) if self.parent is not None else None

    def seen(self, folder: Folder, name: bytes, links: int) -> None:
        """It was found under this name; with one link there is no other."""
        if self.parent is folder and self.name == name:
            if links == 1 and self.aliases:
                self.aliases = None
        elif links == 1 or self.parent is None or self.kind == stat.S_IFDIR:
            self.parent, self.name, self.aliases = folder, name, None
        elif self.aliases is None:
            self.aliases = [(folder, name)]
        elif (folder, name) not in self.aliases:
            self.aliases.append((folder, name))
        if not self.gone:
            self.anchor = None

    def left(self, folder: Folder, name: bytes) -> None:
        """It has this name no more."""
        if self.parent is folder and self.name == name:
            self.parent, self.name = self.aliases.pop(0) if self.aliases else (None, b"")
        elif self.aliases and (folder, name) in self.aliases:
            self.aliases.remove((folder, name))

    # the inode

    def same(self, st: os.stat_result) -> bool:
        # The kind too: the number of a removed file is soon another's.
        """Whether what lies on the disk now is this inode still."""
        mine = st.st_ino == self.inode and st.st_dev == self.device
        return mine and stat.S_IFMT(st.st_mode) == self.kind

    def held(self) -> Descriptor:
        """A descriptor (O_PATH) of this very inode."""
        anchor = self.anchor
        if anchor is not None:
            return anchor
        for folder, name in self.places():
            at = folder.descriptor()
            try:
                found = searched(name, at.number)
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    raise
                continue
            if self.same(os.fstat(found.number)):
                return found
        raise failure(errno.ESTALE)

    def status(self) -> os.stat_result:
        """What the inode itself says, as stat(2) has it."""
        anchor = self.anchor
        if anchor is not None:
            return os.fstat(anchor.number)
        for folder, name in self.places():
            at = folder.descriptor()
            try:
                st = os.stat(name, dir_fd=at.number, follow_symlinks=False)
            except OSError:
                continue
            if self.same(st):
                return st
        raise failure(errno.ESTALE)

    def attributes(self, handle: Handle | None = None) -> Attributes:
        st = self.status()
        told = Attributes.of(st, ino=self.ino)
        return told._replace(nlink=0) if self.gone else told

    def change(self, change: Change, handle: Handle | None, caller: Caller) -> None:
        # The owner before the mode: chown(2) clears the set-id bits.
        if change.size is not None:
            self.resize(change.size, handle)
        held = self.held()
        if change.uid is not None or change.gid is not None:
            uid = -1 if change.uid is None else change.uid
            os.chown(held.path, uid, -1 if change.gid is None else change.gid)
        if change.mode is not None:
            held.set_mode(stat.S_IMODE(change.mode))
        elif change.kill_privileges:
            self._drop_privileges(held)
        if change.atime_ns is not None or change.mtime_ns is not None:
            set_times(held.path, change.atime_ns, change.mtime_ns)

    def resize(self, size: int, handle: Handle | None) -> None:
        """truncate(2); files can, nothing else."""
        raise failure(errno.EISDIR if self.kind == stat.S_IFDIR else errno.EINVAL)

    def _drop_privileges(self, held: Descriptor) -> None:
        mode = stat.S_IMODE(os.fstat(held.number).st_mode)
        kept = mode & ~stat.S_ISUID
        if mode & stat.S_IXGRP:
            kept &= ~stat.S_ISGID
        if self.kind == stat.S_IFREG and kept != mode:
            held.set_mode(kept)

    def readlink(self) -> bytes:
        held = self.held()
        return os.readlink(b"", dir_fd=held.number)

    def space(self) -> Space:
        held = self.held()
        told = os.fstatvfs(held.number)
        return Space(
            *(told.f_blocks, told.f_bfree, told.f_bavail, told.f_files, told.f_favail),
            block_size=told.f_frsize,
            name_length=told.f_namemax,
        )

    # extended attributes: user.memex.* is answered by the describer, user.memexfs.* is ours and not shown

    def getxattr(self, name: bytes) -> bytes:
        _permit(name, errno.ENODATA)
        if name.startswith(_OURS):
            path, describer = self.realm.files.path_of(self), self.realm.files.describer
            if describer is None or path is None:
                raise failure(errno.ENODATA)
            value = describer.get(path).get(name)
            if value is None:
                raise failure(errno.ENODATA)
            return value
        held = self.held()
        return os.getxattr(held.path, name)

    def setxattr(self, name: bytes, value: bytes, flags: int, caller: Caller) -> None:
        _permit(name, errno.EPERM)
        if name.startswith(_OURS):
            path, describer = self.realm.files.path_of(self), self.realm.files.describer
            if describer is None or path is None:
                raise failure(errno.EOPNOTSUPP)
            there = name in describer.get(path)
            if flags & os.XATTR_CREATE and there:
                raise failure(errno.EEXIST)
            if flags & os.XATTR_REPLACE and not there:
                raise failure(errno.ENODATA)
            describer.set(path, name, value)
            return
        held = self.held()
        os.setxattr(held.path, name, value, flags)

    def listxattr(self) -> Sequence[bytes]:
        held = self.held()
        names = [os.fsencode(name) for name in os.listxattr(held.path)]
        shown = [n for n in names if not n.startswith((_OURS, _HIDDEN, b"system.posix_acl"))]
        path, describer = self.realm.files.path_of(self), self.realm.files.describer
        if describer is not None and path is not None:
            shown.extend(describer.get(path))
        return shown

    def removexattr(self, name: bytes, caller: Caller) -> None:
        _permit(name, errno.ENODATA)
        if name.startswith(_OURS):
            path, describer = self.realm.files.path_of(self), self.realm.files.describer
            if describer is None or path is None or name not in describer.get(path):
                raise failure(errno.ENODATA)
            describer.remove(path, name)
            return
        held = self.held()
        os.removexattr(held.path, name)


def _permit(name: bytes, number: int) -> None:
    if name.startswith(b"system.posix_acl"):
        raise failure(errno.EOPNOTSUPP)
    if name.startswith(_HIDDEN):
        raise failure(number)
