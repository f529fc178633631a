"""Real folders of the tree: what is in them, and every change of names.

A folder is a descriptor (O_PATH) that is opened through its parents when it is needed and was closed
meanwhile. Invariant: names change under one lock, `Files.changing`, so that what is known of an inode's
names is what the disk has; the recorder is asked to keep bytes before they lose their name, and told of a
change after it was made. What is made belongs to whoever asked, with exactly the mode that was asked for.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nexus.memexfs.descriptors import Descriptor, searched
from nexus.memexfs.node import Child, Handle, Node, failure
from nexus.memexfs.operations import Caller
from nexus.memexfs.real_file import File, FileHandle
from nexus.memexfs.real_node import Realm, RealNode
from nexus.memexfs.system_calls import RENAME_EXCHANGE, RENAME_NOREPLACE, rename

if TYPE_CHECKING:
    from nexus.memexfs.recording import Cause

_SYNCED = os.O_SYNC | os.O_DSYNC | os.O_NOATIME


class Folder(RealNode):
    """A real folder. `opened` is its descriptor while it is held."""

    __slots__ = ("opened",)

    is_folder = True

    def __init__(self, realm: Realm, st: os.stat_result, parent: Folder | None, name: bytes) -> None:
        super().__init__(realm, st, parent, name)
        self.opened: Descriptor | None = None

    # the folder itself

    def descriptor(self) -> Descriptor:
        """O_PATH; keep it in a local name while it is used."""
        return self.opened or self.anchor or self.realm.files.open_folder(self)

    def held(self) -> Descriptor:
        return self.descriptor()

    def status(self) -> os.stat_result:
        at = self.descriptor()
        return os.fstat(at.number)

    def path_to(self, name: bytes) -> bytes | None:
        """The path under files/ of a name in this folder; None when the folder is gone."""
        path = self.realm.files.path_of(self)
        if path is None:
            return None
        return path + b"/" + name if path else name

    def fsync_folder(self) -> None:
        readable = self._readable()
        os.fsync(readable.number)

    def _readable(self) -> Descriptor:
        at = self.descriptor()
        return Descriptor(os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=at.number))

    # what is in it

    def peek(self, name: bytes, caller: Caller) -> int:
        at = self.descriptor()
        try:
            st = os.stat(name, dir_fd=at.number, follow_symlinks=False)
        except FileNotFoundError:
            return 0
        return self.realm.files.shown_inode(st.st_dev, st.st_ino)

    def child(self, name: bytes, caller: Caller) -> RealNode:
        at = self.descriptor()
        st = os.stat(name, dir_fd=at.number, follow_symlinks=False)
        return self.realm.files.known(st, self, name)

    def children(self) -> Iterator[Child]:
        readable = self._readable()  # here and not at the first name: a refusal belongs to opendir
        return self._children(readable)

    def _children(self, readable: Descriptor) -> Iterator[Child]:
        shown = self.realm.files.shown_inode
        with os.scandir(readable.number) as found:
            for entry in found:
                if entry.is_file(follow_symlinks=False):
                    kind = stat.S_IFREG
                elif entry.is_dir(follow_symlinks=False):
                    kind = stat.S_IFDIR
                elif entry.is_symlink():
                    kind = stat.S_IFLNK
                else:
                    try:
                        kind = stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode)
                    except FileNotFoundError:
                        continue
                yield Child(os.fsencode(entry.name), shown(self.device, entry.inode()), kind)

    # making

    def create(self, name: bytes, flags: int, mode: int, caller: Caller) -> tuple[RealNode, Handle]:
        self.vet(name)
        files = self.realm.files
        at = self.descriptor()
        with files.changing:
            made = flags & _SYNCED | os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                descriptor = Descriptor(os.open(name, made, mode & 0o777, dir_fd=at.number))
            except FileExistsError:
                if flags & os.O_EXCL:
                    raise
                there = self.child(name, caller)
                return there, there.open(flags & ~os.O_CREAT, caller)
            node = self._settle(descriptor, name, mode, caller)
        assert isinstance(node, File)
        writable = bool(flags & (os.O_ACCMODE | os.O_TRUNC))
        files.recorder.opened(node.key)
        handle = FileHandle(node, descriptor, writable=writable, sealed=False)
        handle.changed = True
        node.attach(handle)
        if not writable:
            node.written()
        return node, handle

    def mknod(self, name: bytes, mode: int, rdev: int, caller: Caller) -> RealNode:
        self.vet(name)
        at = self.descriptor()
        with self.realm.files.changing:
            os.mknod(name, stat.S_IFMT(mode) | mode & 0o777, rdev, dir_fd=at.number)
            node = self._settle(searched(name, at.number), name, mode, caller)
        if isinstance(node, File):
            node.written()
        return node

    def mkdir(self, name: bytes, mode: int, caller: Caller) -> RealNode:
        self.vet(name)
        at = self.descriptor()
        with self.realm.files.changing:
            os.mkdir(name, mode & 0o777, dir_fd=at.number)
            return self._settle(searched(name, at.number), name, mode, caller)

    def symlink(self, name: bytes, target: bytes, caller: Caller) -> RealNode:
        self.vet(name)
        at = self.descriptor()
        with self.realm.files.changing:
            os.symlink(target, name, dir_fd=at.number)
            return self._settle(searched(name, at.number), name, None, caller)

    def _settle(self, made: Descriptor, name: bytes, mode: int | None, caller: Caller) -> RealNode:
        """Give what was made just now to the caller, with its mode: whatever our own umask and ids are."""
        st = os.fstat(made.number)
        uid = caller.uid if st.st_uid != caller.uid else -1
        gid = -1
        if st.st_gid != caller.gid:
            at = self.descriptor()
            if not os.fstat(at.number).st_mode & stat.S_ISGID:  # else the folder's group is inherited
                gid = caller.gid
        if (uid, gid) != (-1, -1) and os.geteuid() == 0:  # an ordinary user can give nothing away
            os.chown(made.path, uid, gid)
        if mode is not None:
            wanted = stat.S_IMODE(mode)
            if stat.S_ISDIR(st.st_mode):
                wanted |= st.st_mode & stat.S_ISGID
            if wanted != stat.S_IMODE(st.st_mode):
                made.set_mode(wanted)
        return self.realm.files.known(st, self, name)

    def link(self, node: Node, name: bytes, caller: Caller) -> RealNode:
        self.vet(name)
        if not isinstance(node, RealNode) or node.realm is not self.realm:
            raise failure(errno.EXDEV)
        files = self.realm.files
        at = self.descriptor()
        with files.changing:
            old = files.path_of(node)
            held = node.held()
            os.link(held.path, name, dst_dir_fd=at.number, follow_symlinks=True)
            node.seen(self, name, 2)
        path = self.path_to(name)
        if isinstance(node, File) and old is not None and path is not None:
            files.recorder.linked(old, path)
        return node

    # removing

    def unlink(self, name: bytes, caller: Caller) -> None:
        self.vet(name, held=True)
        self._remove(name, folder=False)

    def rmdir(self, name: bytes, caller: Caller) -> None:
        self.vet(name, held=True)
        self._remove(name, folder=True)

    def _remove(self, name: bytes, *, folder: bool) -> None:
        at = self.descriptor()
        with self.realm.files.changing:
            path = self.path_to(name)
            st = os.stat(name, dir_fd=at.number, follow_symlinks=False)
            with self._leaving(at, st, name, path, "removed"):
                if folder:
                    os.rmdir(name, dir_fd=at.number)
                else:
                    os.unlink(name, dir_fd=at.number)
        if path is not None:
            self.realm.files.recorder.removed(path, folder=folder)

    @contextmanager
    def _leaving(
        self, at: Descriptor, st: os.stat_result, name: bytes, path: bytes | None, cause: Cause
    ) -> Iterator[None]:
        """The inode behind `name` loses it in the body. Should it be the last name, the bytes are kept, and
        whoever has it open can go on with it."""
        files = self.realm.files
        last = stat.S_ISDIR(st.st_mode) or st.st_nlink == 1
        if st.st_nlink == 2 and not last and files.orphans.find(st.st_ino) is not None:
            last = True  # a process before this one died between its new name and this
        # What was replaced becomes a version of the path; what another name still has is not lost by removal.
        if (last or cause == "replaced") and stat.S_ISREG(st.st_mode) and path is not None:
            files.recorder.losing(path, at.number, name, cause)
        node = files.known_already(st)
        if node is None:
            yield
            return
        anchor = node.held() if node.anchor is None else node.anchor
        if last and isinstance(node, File) and node.perhaps_open and self.realm.own:
            files.orphans.keep(at.number, name, st.st_ino)
            node.orphaned = True
        try:
            yield
        except OSError:
            node.forgotten()
            raise
        node.left(self, name)
        if last or node.parent is None:
            node.anchor = anchor
        if last:
            node.gone = True
            files.dropped(node)

    # renaming

    def rename(self, name: bytes, to: Node, to_name: bytes, flags: int, caller: Caller) -> None:
        if flags not in (0, RENAME_NOREPLACE, RENAME_EXCHANGE):
            raise failure(errno.EINVAL)
        if not isinstance(to, Folder):
            if flags == RENAME_EXCHANGE:
                raise failure(errno.EXDEV)
            to.adopt(self.child(name, caller), to_name, caller)
            return
        self.vet(name, held=True)
        to.vet(to_name, held=True)
        if to.realm is not self.realm:
            raise failure(errno.EXDEV)
        with self.realm.files.changing:
            if flags == RENAME_EXCHANGE:
                self._exchange(name, to, to_name)
            else:
                self._rename(name, to, to_name, flags)

    def _rename(self, name: bytes, to: Folder, to_name: bytes, flags: int) -> None:
        files = self.realm.files
        at, to_at = self.descriptor(), to.descriptor()
        old, new = self.path_to(name), to.path_to(to_name)
        st = os.stat(name, dir_fd=at.number, follow_symlinks=False)
        try:
            there = os.stat(to_name, dir_fd=to_at.number, follow_symlinks=False)
        except FileNotFoundError:
            rename(at.number, name, to_at.number, to_name, flags)
            replaced = False
        else:
            if flags & RENAME_NOREPLACE:
                raise failure(errno.EEXIST)
            if (st.st_dev, st.st_ino) == (there.st_dev, there.st_ino):
                os.rename(name, to_name, src_dir_fd=at.number, dst_dir_fd=to_at.number)
                return  # two names of one file, or one name: nothing happens, says POSIX
            with to._leaving(to_at, there, to_name, new, "replaced"):
                os.rename(name, to_name, src_dir_fd=at.number, dst_dir_fd=to_at.number)
            replaced = True
        self._moved(st, name, to, to_name)
        folder = stat.S_ISDIR(st.st_mode)
        if old is not None and new is not None:
            files.recorder.renamed(old, new, folder=folder, replaced=replaced)

    def _exchange(self, name: bytes, to: Folder, to_name: bytes) -> None:
        at, to_at = self.descriptor(), to.descriptor()
        old, new = self.path_to(name), to.path_to(to_name)
        st = os.stat(name, dir_fd=at.number, follow_symlinks=False)
        there = os.stat(to_name, dir_fd=to_at.number, follow_symlinks=False)
        rename(at.number, name, to_at.number, to_name, RENAME_EXCHANGE)
        if (st.st_dev, st.st_ino) != (there.st_dev, there.st_ino):
            self._moved(st, name, to, to_name)
            to._moved(there, to_name, self, name)
        if old is not None and new is not None:
            self.realm.files.recorder.exchanged(old, new)

    def _moved(self, st: os.stat_result, name: bytes, to: Folder, to_name: bytes) -> None:
        node = self.realm.files.known_already(st)
        if node is not None:
            node.left(self, name)
            node.seen(to, to_name, st.st_nlink)

    def vet(self, name: bytes, *, held: bool = False) -> None:
        """Refuse to make the name, or, `held`, to take it away, where it is not ours to do so."""
