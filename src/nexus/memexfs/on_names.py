"""The kernel's requests that are about names and attributes, handed to a file system.

Each method takes the request's number, its node, its length, the buffer it lies in and its header, and gives
the reply. Names that come and go are bytes.
"""

from __future__ import annotations

from nexus.memexfs import protocol as p
from nexus.memexfs.operations import Change, Entry, FileSystem
from nexus.memexfs.parsing import (
    Handler,
    Header,
    Reply,
    caller,
    data,
    link_at,
    malformed,
    name_at,
    names_at,
    sized,
    time_of,
)
from nexus.memexfs.protocol import BODY, Op
from nexus.memexfs.set_id import SET_ID, SetId


class OnNames:
    """Answers what is in `handlers`."""

    def __init__(self, filesystem: FileSystem, set_id: SetId) -> None:
        self._fs = filesystem
        self._set_id = set_id

    def handlers(self) -> dict[Op, Handler]:
        """Who answers which request."""
        return {
            Op.LOOKUP: self._lookup,
            Op.FORGET: self._forget,
            Op.BATCH_FORGET: self._batch_forget,
            Op.GETATTR: self._getattr,
            Op.SETATTR: self._setattr,
            Op.READLINK: self._readlink,
            Op.SYMLINK: self._symlink,
            Op.MKNOD: self._mknod,
            Op.MKDIR: self._mkdir,
            Op.UNLINK: self._unlink,
            Op.RMDIR: self._rmdir,
            Op.RENAME: self._rename,
            Op.RENAME2: self._rename2,
            Op.LINK: self._link,
            Op.GETXATTR: self._getxattr,
            Op.SETXATTR: self._setxattr,
            Op.LISTXATTR: self._listxattr,
            Op.REMOVEXATTR: self._removexattr,
        }

    def _lookup(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        return self._entry(unique, self._fs.lookup(node, name_at(v, BODY, n), caller(h)))

    def _entry(self, unique: int, found: Entry) -> Reply:
        if found.attributes.mode & SET_ID:
            self._set_id.seen(found.node, found.attributes)
        return p.entry(unique, found)

    def _forget(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        self._set_id.forget(node)
        self._fs.forget(node, p.U64.unpack_from(v, BODY)[0])
        return None

    def _batch_forget(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        count = p.U32.unpack_from(v, BODY)[0]
        if BODY + 8 + 16 * count > n:
            raise malformed()
        for one, lookups in p.FORGET_ONE.iter_unpack(v[BODY + 8 : BODY + 8 + 16 * count]):
            self._set_id.forget(one)
            self._fs.forget(one, lookups)
        return None

    def _getattr(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        flags, _, handle = p.GETATTR_IN.unpack_from(v, BODY)
        found, seconds = self._fs.getattr(node, handle if flags & p.GETATTR_FH else None)
        if found.mode & SET_ID:
            self._set_id.seen(node, found)
        return p.attributes(unique, found, seconds)

    def _setattr(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        valid, handle, size, at, mt, _, atn, mtn, _, mode, _, uid, gid = p.SETATTR_IN.unpack_from(v, BODY)
        change = Change(
            mode=mode if valid & p.FATTR_MODE else None,
            uid=uid if valid & p.FATTR_UID else None,
            gid=gid if valid & p.FATTR_GID else None,
            size=size if valid & p.FATTR_SIZE else None,
            atime_ns=time_of(valid, p.FATTR_ATIME, p.FATTR_ATIME_NOW, at, atn),
            mtime_ns=time_of(valid, p.FATTR_MTIME, p.FATTR_MTIME_NOW, mt, mtn),
            kill_privileges=bool(valid & p.FATTR_KILL_SUIDGID),
        )
        found, seconds = self._fs.setattr(node, change, handle if valid & p.FATTR_FH else None, caller(h))
        self._set_id.seen(node, found)
        return p.attributes(unique, found, seconds)

    def _readlink(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        return data(unique, self._fs.readlink(node))

    def _symlink(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        name, target = link_at(v, BODY, n)
        return p.entry(unique, self._fs.symlink(node, name, target, caller(h)))

    def _mknod(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        mode, rdev, _, _ = p.MKNOD_IN.unpack_from(v, BODY)
        return self._entry(unique, self._fs.mknod(node, name_at(v, BODY + 16, n), mode, rdev, caller(h)))

    def _mkdir(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        mode, _ = p.U32U32.unpack_from(v, BODY)
        return p.entry(unique, self._fs.mkdir(node, name_at(v, BODY + 8, n), mode, caller(h)))

    def _unlink(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        self._fs.unlink(node, name_at(v, BODY, n), caller(h))
        return p.done(unique)

    def _rmdir(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        self._fs.rmdir(node, name_at(v, BODY, n), caller(h))
        return p.done(unique)

    def _rename(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        (folder,) = p.U64.unpack_from(v, BODY)
        old, new = names_at(v, BODY + 8, n)
        self._fs.rename(node, old, folder, new, 0, caller(h))
        return p.done(unique)

    def _rename2(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        folder, flags, _ = p.RENAME2_IN.unpack_from(v, BODY)
        old, new = names_at(v, BODY + 16, n)
        self._fs.rename(node, old, folder, new, flags, caller(h))
        return p.done(unique)

    def _link(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        (old,) = p.U64.unpack_from(v, BODY)
        return self._entry(unique, self._fs.link(old, node, name_at(v, BODY + 8, n), caller(h)))

    def _getxattr(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        size, _ = p.U32U32.unpack_from(v, BODY)
        return sized(unique, size, self._fs.getxattr(node, name_at(v, BODY + 8, n)))

    def _setxattr(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        size, flags = p.U32U32.unpack_from(v, BODY)
        name = name_at(v, BODY + 8, n)
        start = BODY + 8 + len(name) + 1
        if start + size > n:
            raise malformed()
        self._fs.setxattr(node, name, bytes(v[start : start + size]), flags, caller(h))
        return p.done(unique)

    def _listxattr(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        size, _ = p.U32U32.unpack_from(v, BODY)
        return sized(unique, size, b"".join([name + b"\0" for name in self._fs.listxattr(node)]))

    def _removexattr(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        self._fs.removexattr(node, name_at(v, BODY, n), caller(h))
        return p.done(unique)
