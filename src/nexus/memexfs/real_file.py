"""Regular files of the tree, and those of them that are open.

Bytes are read and written where they lie, or by the kernel itself where passthrough is allowed. A sealed file
(its bytes are an object, see `Content`) is read from the object, and gets its bytes back before anybody may
change it. Knows nothing of how files are sealed. Invariant: whoever has the file open sees what is written by
any other, also when the one read a sealed file and the other broke the seal.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Literal, Protocol

from nexus.memexfs.descriptors import Descriptor
from nexus.memexfs.node import Handle, failure
from nexus.memexfs.operations import Caller
from nexus.memexfs.real_node import Realm, RealNode
from nexus.memexfs.system_calls import allocate

if TYPE_CHECKING:
    from nexus.memexfs.real_folder import Folder

# Of open(2)'s flags those that mean something behind the kernel: it appends, truncates and bypasses itself.
_PASSED_ON = os.O_SYNC | os.O_DSYNC | os.O_NOATIME
_ALWAYS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Content(Protocol):
    """Where the bytes of sealed files are."""

    def reading(self, fd: int) -> int | None:
        """A descriptor of the bytes of the file that `fd` is open on, for the caller to close; None where it
        is not sealed."""

    def writing(self, fd: int) -> None:
        """Bring the bytes back into the file, open for reading and writing, where it is sealed."""


class FileHandle(Handle):
    """A file that is open. `through`: the kernel may use its descriptor."""

    __slots__ = ("changed", "descriptor", "mark", "node", "sealed", "through", "writable")

    def __init__(self, node: File, descriptor: Descriptor, *, writable: bool, sealed: bool) -> None:
        self.node = node
        self.descriptor = descriptor
        self.writable = writable
        self.sealed = sealed
        self.through = node.realm.files.passthrough and not sealed
        self.changed = False
        self.mark = (0, 0)
        if writable:
            st = os.fstat(descriptor.number)
            self.mark = (st.st_mtime_ns, st.st_size)
            if st.st_mode & (stat.S_ISUID | stat.S_ISGID):
                self.through = False  # of what the kernel writes by itself it does not clear these bits

    def read(self, offset: int, size: int) -> bytes:
        descriptor = self.descriptor
        return os.pread(descriptor.number, size, offset)

    def write(self, offset: int, data: memoryview) -> int:
        descriptor = self.descriptor
        self.changed = True
        return os.pwrite(descriptor.number, data, offset)

    def allocate(self, offset: int, length: int, mode: int) -> None:
        descriptor = self.descriptor
        self.changed = True
        allocate(descriptor.number, mode, offset, length)

    def seek(self, offset: int, whence: int) -> int:
        descriptor = self.descriptor
        return os.lseek(descriptor.number, offset, whence)

    def fsync(self, data_only: bool) -> None:
        descriptor = self.descriptor
        (os.fdatasync if data_only else os.fsync)(descriptor.number)

    def flush(self) -> None:
        if self.writable:
            self._tell()
            if not self.node.realm.own:  # a network's file system may say only now that there is no room
                os.close(os.dup(self.descriptor.number))

    def release(self) -> None:
        if self.writable:
            self._tell()
        self.node.released(self)

    def _tell(self) -> None:
        st = os.fstat(self.descriptor.number)
        mark = (st.st_mtime_ns, st.st_size)
        if self.changed or self.through or mark != self.mark:
            self.changed, self.mark = False, mark
            self.node.written()

    @property
    def fileno(self) -> int:
        return self.descriptor.number

    @property
    def backing(self) -> int | None:
        return self.descriptor.number if self.through else None


class File(RealNode):
    """A regular file. `handles` are those that are open; `unseals` counts how often a seal was broken;
    `orphaned`: it has no name but one among the orphans; `doubtful`: a process before this one may have
    opened it, and the kernel still holds that."""

    __slots__ = ("doubtful", "handles", "orphaned", "unseals")

    def __init__(self, realm: Realm, st: os.stat_result, parent: Folder | None, name: bytes) -> None:
        super().__init__(realm, st, parent, name)
        self.handles: list[FileHandle] = []
        self.unseals = 0
        self.orphaned = False
        self.doubtful = False

    def inherited(self) -> None:
        self.doubtful = True

    @property
    def perhaps_open(self) -> bool:
        """Whether a program has it open, as far as this process can know."""
        return bool(self.handles) or self.doubtful

    def forgotten(self) -> None:
        if self.orphaned:
            self.orphaned = False
            self.realm.files.orphans.drop(self.inode)

    def open(self, flags: int, caller: Caller) -> FileHandle:
        return self._opened(flags, force=False)

    def reopen(self, flags: int, caller: Caller) -> FileHandle:
        return self._opened(flags, force=True)

    def _opened(self, flags: int, *, force: bool) -> FileHandle:
        recorder = self.realm.files.recorder
        recorder.opened(self.key)  # first: nothing that is open is sealed
        try:
            unseals = self.unseals
            handle = self._open(flags, force=force)
            self.attach(handle)
            if handle.sealed and self.unseals != unseals:
                self._renew(handle)
        except BaseException:
            recorder.closed(self.key)
            raise
        return handle

    def attach(self, handle: FileHandle) -> None:
        # The kernel reads one inode either by itself or through us, never both at a time.
        """A handle of it was opened."""
        if handle.through and not all(other.through for other in self.handles):
            handle.through = False
        self.handles.append(handle)

    def released(self, handle: FileHandle) -> None:
        """A handle of it was closed."""
        if handle in self.handles:
            self.handles.remove(handle)
            self.realm.files.recorder.closed(self.key)

    def written(self) -> None:
        """Tell that what it holds may have changed, under each of its names."""
        files = self.realm.files
        for folder, name in self.places():
            path = folder.path_to(name)
            if path is not None:
                files.recorder.written(path)

    def _open(self, flags: int, *, force: bool) -> FileHandle:
        content = self.realm.files.content
        truncate = bool(flags & os.O_TRUNC)
        access = flags & os.O_ACCMODE
        writable = access != os.O_RDONLY or truncate
        kept = flags & _PASSED_ON
        if not writable and content is not None:
            descriptor = self._reach(os.O_RDONLY | kept, force=force)
            sealed = content.reading(descriptor.number)
            if sealed is not None:
                return FileHandle(self, Descriptor(sealed), writable=False, sealed=True)
        if content is not None and writable:
            descriptor = self._reach(os.O_RDWR | kept, force=True)
            self._unseal(descriptor)
        elif self.realm.files.passthrough:
            descriptor = self._reach_both(access, kept, force=force)
        else:
            descriptor = self._reach((os.O_RDWR if truncate and not access else access) | kept, force=force)
        if truncate:
            if os.fstat(descriptor.number).st_size:
                self.losing("truncated")
            # By open(2) and not ftruncate(2): this one sets the times of an empty file too.
            os.close(os.open(descriptor.path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC))
        handle = FileHandle(self, descriptor, writable=writable, sealed=False)
        handle.changed = truncate
        return handle

    def _reach_both(self, access: int, kept: int, *, force: bool) -> Descriptor:
        # All who have it open share one descriptor in the kernel, so it is for reading and writing.
        try:
            return self._reach(os.O_RDWR | kept, force=False)
        except OSError as error:
            if access == os.O_RDWR or error.errno == errno.ESTALE:
                raise
            return self._reach(access | kept, force=force)

    def _reach(self, flags: int, *, force: bool) -> Descriptor:
        """It, opened; `force`: although its own mode forbids it, for whoever was allowed to before."""
        anchor = self.anchor
        if anchor is not None:
            return Descriptor(os.open(anchor.path, flags & ~os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC))
        for folder, name in self.places():
            at = folder.descriptor()
            try:
                found = Descriptor(os.open(name, flags | _ALWAYS, dir_fd=at.number))
            except PermissionError:
                if not force:
                    raise
                return self._forced(flags)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO):
                    continue
                raise
            if self.same(os.fstat(found.number)):
                return found
        raise failure(errno.ESTALE)

    def _forced(self, flags: int) -> Descriptor:
        held = self.held()
        mode = os.fstat(held.number).st_mode & 0o7777
        held.set_mode(mode | 0o600)
        try:
            return Descriptor(os.open(held.path, flags | os.O_NONBLOCK | os.O_CLOEXEC))
        finally:
            held.set_mode(mode)

    # what is lost, and seals

    def losing(self, cause: Literal["truncated"]) -> None:
        """Its bytes are about to go."""
        for folder, name in self.places():
            path = folder.path_to(name)
            if path is not None:
                at = folder.descriptor()
                self.realm.files.recorder.losing(path, at.number, name, cause)

    def _unseal(self, descriptor: Descriptor) -> None:
        content = self.realm.files.content
        if content is None or not self.realm.own:
            return
        content.writing(descriptor.number)
        self.unseals += 1
        for handle in tuple(self.handles):
            if handle.sealed:
                self._renew(handle)

    def _renew(self, handle: FileHandle) -> None:
        # Under the same number: whoever reads from it at this moment is not disturbed.
        real = self._reach(os.O_RDONLY, force=True)
        os.dup2(real.number, handle.descriptor.number, inheritable=False)
        handle.sealed = False

    def resize(self, size: int, handle: Handle | None) -> None:
        """Cut it or fill it up with zeros, as truncate(2); what is cut off is recorded."""
        recorder = self.realm.files.recorder
        if isinstance(handle, FileHandle) and handle.writable:
            self._cut(handle.descriptor, size)
            handle.changed = True
            return
        recorder.opened(self.key)
        try:
            descriptor = self._reach(os.O_RDWR, force=True)
            self._unseal(descriptor)
            self._cut(descriptor, size)
        finally:
            recorder.closed(self.key)
        self.written()

    def _cut(self, descriptor: Descriptor, size: int) -> None:
        if size < os.fstat(descriptor.number).st_size:
            self.losing("truncated")
        os.ftruncate(descriptor.number, size)
