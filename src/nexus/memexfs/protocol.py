"""The kernel's FUSE protocol: numbers and layouts, as linux/fuse.h of version 7.45 has them.

Knows no file system and makes no call. Every layout is little endian as on all machines that we run on.
Invariant: what is packed here has exactly the length that its header says.
"""

from __future__ import annotations

import errno
import sys
from enum import IntEnum
from struct import Struct
from typing import Final

from nexus.memexfs.operations import Attributes, Entry, Listed, Space

if sys.byteorder != "little":  # pragma: no cover
    raise ImportError("nexus.memexfs.protocol speaks to little endian kernels only")

MAJOR: Final = 7
MINOR: Final = 45
LARGEST: Final = 1 << 20  # bytes of one read or write; 256 pages
BUFFER: Final = LARGEST + 4096  # a request with its headers


class Op(IntEnum):
    """What the kernel asks for."""

    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    READLINK = 5
    SYMLINK = 6
    MKNOD = 8
    MKDIR = 9
    UNLINK = 10
    RMDIR = 11
    RENAME = 12
    LINK = 13
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    FSYNC = 20
    SETXATTR = 21
    GETXATTR = 22
    LISTXATTR = 23
    REMOVEXATTR = 24
    FLUSH = 25
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    FSYNCDIR = 30
    ACCESS = 34
    CREATE = 35
    INTERRUPT = 36
    BMAP = 37
    DESTROY = 38
    IOCTL = 39
    POLL = 40
    NOTIFY_REPLY = 41
    BATCH_FORGET = 42
    FALLOCATE = 43
    READDIRPLUS = 44
    RENAME2 = 45
    LSEEK = 46
    COPY_FILE_RANGE = 47
    SYNCFS = 50
    TMPFILE = 51
    STATX = 52
    COPY_FILE_RANGE_64 = 53


class Init:
    """What both sides of INIT may say that they can; the upper 32 bits travel as `flags2`."""

    ASYNC_READ = 1 << 0
    ATOMIC_O_TRUNC = 1 << 3
    BIG_WRITES = 1 << 5
    AUTO_INVAL_DATA = 1 << 12
    DO_READDIRPLUS = 1 << 13
    READDIRPLUS_AUTO = 1 << 14
    ASYNC_DIO = 1 << 15
    PARALLEL_DIROPS = 1 << 18
    MAX_PAGES = 1 << 22
    CACHE_SYMLINKS = 1 << 23
    HANDLE_KILLPRIV_V2 = 1 << 28
    INIT_EXT = 1 << 30
    HAS_EXPIRE_ONLY = 1 << 35
    DIRECT_IO_ALLOW_MMAP = 1 << 36
    PASSTHROUGH = 1 << 37
    HAS_RESEND = 1 << 39


class Notify(IntEnum):
    """What we may tell the kernel without having been asked."""

    INVAL_INODE = 2
    INVAL_ENTRY = 3
    RESEND = 7
    INC_EPOCH = 8


RESENT: Final = 1 << 63  # in a request's number: somebody before us was asked already
EXPIRE_ONLY: Final = 1

GETATTR_FH: Final = 1
OPEN_KILL_SUIDGID: Final = 1
WRITE_KILL_SUIDGID: Final = 1 << 2
FSYNC_DATA_ONLY: Final = 1

FOPEN_DIRECT_IO: Final = 1 << 0
FOPEN_KEEP_CACHE: Final = 1 << 1
FOPEN_NOFLUSH: Final = 1 << 5
FOPEN_PASSTHROUGH: Final = 1 << 7

FATTR_MODE: Final = 1 << 0
FATTR_UID: Final = 1 << 1
FATTR_GID: Final = 1 << 2
FATTR_SIZE: Final = 1 << 3
FATTR_ATIME: Final = 1 << 4
FATTR_MTIME: Final = 1 << 5
FATTR_FH: Final = 1 << 6
FATTR_ATIME_NOW: Final = 1 << 7
FATTR_MTIME_NOW: Final = 1 << 8
FATTR_KILL_SUIDGID: Final = 1 << 11

# Requests: a header, then what belongs to the operation, then names that end with NUL.
HEADER: Final = Struct("<IIQQIIIHH")  # length, operation, number, node, uid, gid, pid, extensions, -
BODY: Final = HEADER.size
INIT_IN: Final = Struct("<IIII")  # major, minor, readahead, flags; flags2 follow from version 7.36 on
U32: Final = Struct("<I")
U64: Final = Struct("<Q")
U32U32: Final = Struct("<II")
GETATTR_IN: Final = Struct("<IIQ")  # flags, -, handle
SETATTR_IN: Final = Struct(
    "<I4xQQ8xqqqIIIIIII4x"
)  # valid, handle, size, a/m/ctime, their ns, mode, -, uid, gid
MKNOD_IN: Final = Struct("<IIII")  # mode, rdev, umask, -
RENAME2_IN: Final = Struct("<QII")  # new folder, flags, -
CREATE_IN: Final = Struct("<IIII")  # flags, mode, umask, open flags
READ_IN: Final = Struct("<QQIIQII")  # handle, offset, size, read flags, lock owner, flags, -
WRITE_IN: Final = Struct("<QQIIQII")  # handle, offset, size, write flags, lock owner, flags, -
FSYNC_IN: Final = Struct("<QII")  # handle, flags, -
FALLOCATE_IN: Final = Struct("<QQQII")  # handle, offset, length, mode, -
LSEEK_IN: Final = Struct("<QQII")  # handle, offset, whence, -
COPY_IN: Final = Struct("<QQQQQQQ")  # handle, offset, to node, to handle, to offset, length, flags
FORGET_ONE: Final = Struct("<QQ")  # node, lookups

# Replies.
OUT: Final = Struct("<IiQ")  # length, error, number
INIT_OUT: Final = Struct("<IiQ IIIIHHIIHHII 24x".replace(" ", ""))
_ATTR = "QQQqqqIIIIIIIIII"
ATTR_OUT: Final = Struct("<IiQ" + "QII" + _ATTR)
ENTRY_OUT: Final = Struct("<IiQ" + "QQQQII" + _ATTR)
CREATE_OUT: Final = Struct("<IiQ" + "QQQQII" + _ATTR + "QIi")
OPEN_OUT: Final = Struct("<IiQ" + "QIi")
SIZE_OUT: Final = Struct("<IiQ" + "II")
LONG_OUT: Final = Struct("<IiQ" + "Q")
STATFS_OUT: Final = Struct("<IiQ" + "QQQQQIIII24x")
DIRENT: Final = Struct("<QQII")
DIRENT_PLUS: Final = Struct("<QQQQII" + _ATTR + "QQII")
INVAL_INODE_OUT: Final = Struct("<IiQ" + "Qqq")
INVAL_ENTRY_OUT: Final = Struct("<IiQ" + "QII")

# The least that a request of each operation is long; a shorter one is none of the kernel's.
SHORTEST: Final[dict[int, int]] = {
    Op.LOOKUP: 2,
    Op.FORGET: 8,
    Op.GETATTR: GETATTR_IN.size,
    Op.SETATTR: SETATTR_IN.size,
    Op.SYMLINK: 3,
    Op.MKNOD: MKNOD_IN.size + 2,
    Op.MKDIR: 10,
    Op.UNLINK: 2,
    Op.RMDIR: 2,
    Op.RENAME: 12,
    Op.LINK: 10,
    Op.OPEN: 8,
    Op.READ: READ_IN.size,
    Op.WRITE: WRITE_IN.size,
    Op.RELEASE: 24,
    Op.FSYNC: FSYNC_IN.size,
    Op.SETXATTR: 10,
    Op.GETXATTR: 10,
    Op.LISTXATTR: 8,
    Op.REMOVEXATTR: 2,
    Op.FLUSH: 24,
    Op.INIT: INIT_IN.size,
    Op.OPENDIR: 8,
    Op.READDIR: READ_IN.size,
    Op.RELEASEDIR: 24,
    Op.FSYNCDIR: FSYNC_IN.size,
    Op.CREATE: CREATE_IN.size + 2,
    Op.BATCH_FORGET: 8,
    Op.FALLOCATE: FALLOCATE_IN.size,
    Op.READDIRPLUS: READ_IN.size,
    Op.RENAME2: RENAME2_IN.size + 4,
    Op.LSEEK: LSEEK_IN.size,
    Op.COPY_FILE_RANGE: COPY_IN.size,
    Op.COPY_FILE_RANGE_64: COPY_IN.size,
}

_SECOND = 1_000_000_000
_U32 = 0xFFFFFFFF
# The type of an unknown entry is 0, which programs that walk folders ask about by themselves.
_NO_ENTRY = bytes(40 + 88)


def failed(unique: int, number: int | None) -> bytes:
    """The reply to a request that failed. The kernel takes errnos below 512 only."""
    return OUT.pack(16, -(number if number and 0 < number < 512 else errno.EIO), unique)


def done(unique: int) -> bytes:
    """The reply of those that have nothing to say."""
    return OUT.pack(16, 0, unique)


def attributes(unique: int, a: Attributes, seconds: float) -> bytes:
    """The reply to GETATTR and SETATTR."""
    ino, mode, size, blocks, atime, mtime, ctime, links, uid, gid, rdev, blksize = a
    whole = int(seconds)
    return ATTR_OUT.pack(
        120, 0, unique, whole, int((seconds - whole) * _SECOND), 0,
        ino, size, blocks, atime // _SECOND, mtime // _SECOND, ctime // _SECOND,
        atime % _SECOND, mtime % _SECOND, ctime % _SECOND, mode, links, uid, gid, rdev & _U32, blksize, 0,
    )  # fmt: skip


def _entry(e: Entry) -> tuple[int, ...]:
    """Its fields in the order of fuse_entry_out."""
    node, (ino, mode, size, blocks, atime, mtime, ctime, links, uid, gid, rdev, blksize), name_s, attr_s = e
    names, attrs = int(name_s), int(attr_s)
    return (
        node, 0, names, attrs, int((name_s - names) * _SECOND), int((attr_s - attrs) * _SECOND),
        ino, size, blocks, atime // _SECOND, mtime // _SECOND, ctime // _SECOND,
        atime % _SECOND, mtime % _SECOND, ctime % _SECOND, mode, links, uid, gid, rdev & _U32, blksize, 0,
    )  # fmt: skip


def entry(unique: int, e: Entry) -> bytes:
    """The reply of all that hand out a node."""
    return ENTRY_OUT.pack(144, 0, unique, *_entry(e))


def created(unique: int, e: Entry, handle: int, flags: int, backing: int) -> bytes:
    """The reply to CREATE: a node and its open handle."""
    return CREATE_OUT.pack(160, 0, unique, *_entry(e), handle, flags, backing)


def space(unique: int, s: Space) -> bytes:
    """The reply to STATFS."""
    blocks, free, available, files, files_free, block_size, name_length = s
    return STATFS_OUT.pack(
        96, 0, unique, blocks, free, available, files, files_free, block_size, name_length, block_size, 0
    )


def listed_size(name: bytes, *, plus: bool) -> int:
    """Bytes that a name takes in a listing."""
    return ((152 if plus else 24) + len(name) + 7) & ~7


def listed(found: Listed) -> bytes:
    """One name of READDIR."""
    name, ino, kind, offset = found
    return DIRENT.pack(ino, offset, len(name), kind >> 12) + name + bytes(-len(name) % 8)


def listed_plus(found: Listed, e: Entry | None) -> bytes:
    """One name of READDIRPLUS, with what a lookup would say where that is known."""
    name, ino, kind, offset = found
    if e is None:
        head = _NO_ENTRY + DIRENT.pack(ino, offset, len(name), kind >> 12)
    else:
        head = DIRENT_PLUS.pack(*_entry(e), ino, offset, len(name), kind >> 12)
    return head + name + bytes(-len(name) % 8)
