"""Requests that a dead worker may have carried out before the kernel sent them again.

A second `mkdir` fails because the first one worked; its caller is to see that it worked. Knows the protocol
and a `FileSystem`. Invariant: a failure is turned into success only where the state is the one that the
request asks for. The kernel holds the folder's lock and has looked the name up before it asks, so what is
found there is what the first attempt made.
"""

from __future__ import annotations

import errno
import os
import stat

from nexus.memexfs.operations import Entry, FileSystem, Opened
from nexus.memexfs.parsing import Header, caller, link_at, name_at, names_at
from nexus.memexfs.protocol import BODY, CREATE_IN, HEADER, MKNOD_IN, RENAME2_IN, U32U32, U64, Op

CURED = (errno.EEXIST, errno.ENOENT, errno.ENODATA)
_NOREPLACE = 1


def settled(
    filesystem: FileSystem, request: memoryview, error: OSError
) -> tuple[Entry, Opened] | Entry | None:
    """What the first attempt would have answered; None where that is nothing but success.

    Raises `error` where the request was not carried out before.
    """
    header: Header = HEADER.unpack_from(request)
    attempt = _Attempt(filesystem, request, header, error)
    match header[1], error.errno:
        case Op.UNLINK | Op.RMDIR, errno.ENOENT:
            return None
        case Op.REMOVEXATTR, errno.ENODATA:
            return None
        case Op.RENAME | Op.RENAME2, _:
            attempt.rename()
            return None
        case Op.SETXATTR, errno.EEXIST:
            attempt.setxattr()
            return None
        case Op.CREATE, errno.EEXIST:
            return attempt.create()
        case Op.MKDIR | Op.MKNOD | Op.SYMLINK | Op.LINK, errno.EEXIST:
            return attempt.made()
    raise error


class _Attempt:
    def __init__(self, fs: FileSystem, request: memoryview, header: Header, error: OSError) -> None:
        self._fs = fs
        self._request = request
        self._op, self._node = header[1], header[3]
        self._caller = caller(header)
        self._error = error

    def create(self) -> tuple[Entry, Opened]:
        flags, _, _, _ = CREATE_IN.unpack_from(self._request, BODY)
        found = self._fs.lookup(self._node, self._name(16), self._caller)
        self._hold(found, stat.S_ISREG(found.attributes.mode))
        try:
            opened = self._fs.open(
                found.node, flags & ~(os.O_APPEND | os.O_DIRECT | os.O_CREAT | os.O_EXCL), self._caller
            )
        except OSError:
            self._fs.forget(found.node, 1)
            raise
        return found, opened

    def made(self) -> Entry:
        if self._op == Op.SYMLINK:
            name, target = link_at(self._request, BODY, len(self._request))
        else:
            name = self._name({Op.MKDIR: 8, Op.MKNOD: 16}.get(Op(self._op), 8))
        found = self._fs.lookup(self._node, name, self._caller)
        mode = found.attributes.mode
        if self._op == Op.MKDIR:
            same = stat.S_ISDIR(mode)
        elif self._op == Op.MKNOD:
            same = stat.S_IFMT(mode) == (
                stat.S_IFMT(MKNOD_IN.unpack_from(self._request, BODY)[0]) or stat.S_IFREG
            )
        elif self._op == Op.SYMLINK:
            same = stat.S_ISLNK(mode) and self._fs.readlink(found.node) == target
        else:
            same = found.node == U64.unpack_from(self._request, BODY)[0]
        self._hold(found, same)
        return found

    def rename(self) -> None:
        """Done where the old name is gone and the new one is there."""
        if self._op == Op.RENAME2:
            folder, flags, _ = RENAME2_IN.unpack_from(self._request, BODY)
            old, new = names_at(self._request, BODY + 16, len(self._request))
        else:
            (folder,), flags = U64.unpack_from(self._request, BODY), 0
            old, new = names_at(self._request, BODY + 8, len(self._request))
        if self._error.errno == errno.EEXIST and flags != _NOREPLACE:
            raise self._error
        if self._there(self._node, old) or not self._there(folder, new):
            raise self._error

    def setxattr(self) -> None:
        size, _ = U32U32.unpack_from(self._request, BODY)
        name = self._name(8)
        start = BODY + 8 + len(name) + 1
        if self._fs.getxattr(self._node, name) != bytes(self._request[start : start + size]):
            raise self._error

    def _name(self, behind: int) -> bytes:
        return name_at(self._request, BODY + behind, len(self._request))

    def _hold(self, found: Entry, same: bool) -> None:
        """Keep the lookup for the reply, or take it back."""
        if not found.node:
            raise self._error
        if not same:
            self._fs.forget(found.node, 1)
            raise self._error

    def _there(self, folder: int, name: bytes) -> bool:
        try:
            found = self._fs.lookup(folder, name, self._caller)
        except FileNotFoundError:
            return False
        if found.node:
            self._fs.forget(found.node, 1)
        return bool(found.node)
