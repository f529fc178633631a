"""Files and folders of the host that a guest may read.

A path is looked up by the kernel below the granted folder and never leaves it (openat2, RESOLVE_BENEATH): not
by "..", not by a link, not by a race between looking and opening. Knows nothing of frames. Invariant: a file
is opened for reading only if it is a regular file; anything else is looked at, never opened.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from nexus.core.errors import NotFoundError
from nexus.unikernel import abi
from nexus.unikernel.abi import Errno

_OPENAT2 = 437  # on every machine
_NO_MAGICLINKS, _BENEATH = 0x02, 0x08  # RESOLVE_*
_LOOK = os.O_PATH | os.O_CLOEXEC
_libc = ctypes.CDLL(None, use_errno=True)

# Of the host's errors, what a guest is told; the rest is EIO.
_TOLD = {
    errno.ENOENT: Errno.ENOENT,
    errno.ENOTDIR: Errno.ENOENT,
    errno.ENAMETOOLONG: Errno.ENOENT,
    errno.EISDIR: Errno.EISDIR,
    errno.EACCES: Errno.EPERM,
    errno.EPERM: Errno.EPERM,
    errno.EXDEV: Errno.EPERM,  # it led out
    errno.ELOOP: Errno.EPERM,  # links in a circle, or a link of /proc
    errno.EINVAL: Errno.EINVAL,
    errno.ENOSYS: Errno.ENOSYS,  # a kernel older than 5.6
}


class Files:
    """What `granted` allows to read: each a file, or a folder and all below it. Links are followed as long as
    they stay below. Raises `NotFoundError` for one that is not there.

    The methods answer as NX_OP_FILE_* do: (result or -NX_E*, bytes).
    """

    def __init__(self, granted: Sequence[Path]) -> None:
        self._granted: list[tuple[tuple[str, ...], Path]] = []
        for path in granted:
            # Links are left as they are: the guest names it as it was granted.
            whole = Path(os.path.abspath(path))  # noqa: PTH100
            if not whole.exists():
                raise NotFoundError(f"{path} was granted to a sandbox and does not exist")
            self._granted.append((whole.parts[1:], whole))
        # The most exact first: a file granted by itself in a granted folder is meant by its own path.
        self._granted.sort(key=lambda entry: -len(entry[0]))

    def stat(self, name: bytes) -> tuple[int, bytes]:
        """struct nx_stat. Things that are neither file nor folder are refused."""
        try:
            with self._looked_up(name) as (_, seen):
                folder = stat.S_ISDIR(seen.st_mode)
                return 0, abi.STAT.pack(seen.st_size, seen.st_mtime_ns, folder, 0)
        except OSError as error:
            return _told(error), b""

    def read(self, name: bytes, offset: int, most: int) -> tuple[int, bytes]:
        """Up to `most` bytes from `offset`; none at the end."""
        try:
            with self._looked_up(name) as (descriptor, seen):
                if stat.S_ISDIR(seen.st_mode):
                    return -Errno.EISDIR, b""
                if offset >= 1 << 63:
                    return -Errno.EINVAL, b""
                # Not opened by its name again, which could have become another's meanwhile.
                readable = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                try:
                    content = os.pread(readable, most, offset)
                finally:
                    os.close(readable)
                return len(content), content
        except OSError as error:
            return _told(error), b""

    def list(self, name: bytes, room: int) -> tuple[int, bytes]:
        """Names, sorted, each with NUL behind; folders (not links to one) end in "/". All or, with
        -EMSGSIZE, none.

        A name that is not UTF-8 is shown with U+FFFD in it, and cannot be opened. -E2BIG: more than fits a
        call.
        """
        try:
            with self._looked_up(name) as (descriptor, _):
                # A descriptor for looking cannot be listed; "." of it can be opened, and leads nowhere else.
                readable = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=descriptor)
                try:
                    content = _names(readable)
                finally:
                    os.close(readable)
        except NotADirectoryError:
            return -Errno.ENOENT, b""
        except OSError as error:
            return _told(error), b""
        if len(content) > abi.PAYLOAD_MAX:
            return -Errno.E2BIG, b""
        return (len(content) if len(content) <= room else -Errno.EMSGSIZE), content

    @contextmanager
    def _looked_up(self, name: bytes) -> Iterator[tuple[int, os.stat_result]]:
        """A descriptor for looking, and what it is. Raises `OSError`: EPERM for what was not granted."""
        root, rest = self._grant(name)
        top = os.open(root, _LOOK)
        try:
            descriptor = _opened_beneath(top, rest) if rest else top
            try:
                seen = os.fstat(descriptor)
                if not (stat.S_ISREG(seen.st_mode) or stat.S_ISDIR(seen.st_mode)):
                    raise OSError(errno.EPERM, "neither a file nor a folder")
                yield descriptor, seen
            finally:
                if descriptor != top:
                    os.close(descriptor)
        finally:
            os.close(top)

    def _grant(self, name: bytes) -> tuple[Path, str]:
        try:
            text = name.decode()
        except UnicodeDecodeError:
            raise OSError(errno.EINVAL, "not UTF-8") from None
        if not text or "\0" in text:
            raise OSError(errno.EINVAL, "no path")
        parts = tuple(part for part in text.split("/") if part not in ("", "."))
        if text.startswith("/"):
            for granted, root in self._granted:
                if parts[: len(granted)] == granted:
                    return root, "/".join(parts[len(granted) :])
        raise OSError(errno.EPERM, "not granted")


def _opened_beneath(folder: int, name: str) -> int:
    how = struct.pack("=QQQ", _LOOK, 0, _BENEATH | _NO_MAGICLINKS)
    path = os.fsencode(name)
    while True:
        descriptor = _libc.syscall(_OPENAT2, folder, path, how, ctypes.c_size_t(len(how)))
        if descriptor >= 0:
            return int(descriptor)
        number = ctypes.get_errno()
        # EAGAIN: something was renamed during the look-up, and the kernel does not know whether it led out.
        if number not in (errno.EINTR, errno.EAGAIN):
            raise OSError(number, os.strerror(number))


def _names(descriptor: int) -> bytes:
    size, names = 0, []
    with os.scandir(descriptor) as entries:
        for entry in entries:
            name = os.fsencode(entry.name).decode(errors="replace").encode()
            # A link is not followed: where it leads is not for everybody to know.
            names.append(name + (b"/\0" if entry.is_dir(follow_symlinks=False) else b"\0"))
            size += len(names[-1])
            if size > abi.PAYLOAD_MAX:
                break
    return b"".join(sorted(names))


def _told(error: OSError) -> int:
    return -_TOLD.get(error.errno or 0, Errno.EIO)
