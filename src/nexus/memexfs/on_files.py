"""The kernel's requests that are about open files and folders, handed to a file system.

Methods as in `nexus.memexfs.on_names`.
"""

from __future__ import annotations

import os
from typing import Final

from nexus.memexfs import protocol as p
from nexus.memexfs.operations import FileSystem, Opened
from nexus.memexfs.parsing import Handler, Header, Reply, caller, malformed, name_at
from nexus.memexfs.passthrough import Backings, flags_of
from nexus.memexfs.protocol import BODY, Op
from nexus.memexfs.set_id import SET_ID, SetId

# The kernel has decided where an append goes, and reads around its cache by itself.
FLAGS: Final = ~(os.O_APPEND | os.O_DIRECT)
_LARGEST_COPY: Final = 0x7FFFF000  # what the shorter of the two replies can say


class OnFiles:
    """Answers what is in `handlers`. `backings` where files may be passed through."""

    def __init__(self, filesystem: FileSystem, set_id: SetId, backings: Backings | None) -> None:
        self._fs = filesystem
        self._set_id = set_id
        self.backings = backings

    def handlers(self) -> dict[Op, Handler]:
        """Who answers which request."""
        return {
            Op.OPEN: self._open,
            Op.CREATE: self._create,
            Op.READ: self._read,
            Op.WRITE: self._write,
            Op.FLUSH: self._flush,
            Op.RELEASE: self._release,
            Op.FSYNC: self._fsync,
            Op.FALLOCATE: self._fallocate,
            Op.LSEEK: self._lseek,
            Op.COPY_FILE_RANGE: self._copy_file_range,
            Op.COPY_FILE_RANGE_64: self._copy_file_range_64,
            Op.OPENDIR: self._opendir,
            Op.READDIR: self._readdir,
            Op.READDIRPLUS: self._readdirplus,
            Op.RELEASEDIR: self._releasedir,
            Op.FSYNCDIR: self._fsyncdir,
        }

    def opened(self, node: int, opened: Opened) -> tuple[int, int, int]:
        """Handle, flags and backing file, as the kernel is told of an open."""
        if self.backings is None:
            return opened.handle, flags_of(opened), 0
        return opened.handle, *self.backings.opened(node, opened)

    def _open(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        flags, kill = p.U32U32.unpack_from(v, BODY)
        opened = self._fs.open(node, flags & FLAGS, caller(h))
        if kill & p.OPEN_KILL_SUIDGID:
            self._set_id.clear(node, opened.handle, caller(h))
        return p.OPEN_OUT.pack(32, 0, unique, *self.opened(node, opened))

    def _create(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        flags, mode, _, kill = p.CREATE_IN.unpack_from(v, BODY)
        found, opened = self._fs.create(node, name_at(v, BODY + 16, n), flags & FLAGS, mode, caller(h))
        if found.attributes.mode & SET_ID:
            self._set_id.seen(found.node, found.attributes)
            if kill & p.OPEN_KILL_SUIDGID:
                self._set_id.clear(found.node, opened.handle, caller(h))
        return p.created(unique, found, *self.opened(found.node, opened))

    def _read(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        handle, offset, size, _, _, flags, _ = p.READ_IN.unpack_from(v, BODY)
        content = self._fs.read(node, handle, offset, size, flags & FLAGS)
        return p.OUT.pack(16 + len(content), 0, unique), content

    def _write(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        handle, offset, size, how, _, flags, _ = p.WRITE_IN.unpack_from(v, BODY)
        if BODY + 40 + size > n:
            raise malformed()
        if how & p.WRITE_KILL_SUIDGID:
            self._set_id.written(node, handle, caller(h))
        written = self._fs.write(node, handle, offset, v[BODY + 40 : BODY + 40 + size], flags & FLAGS)
        return p.SIZE_OUT.pack(24, 0, unique, written, 0)

    def _flush(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        self._fs.flush(node, p.U64.unpack_from(v, BODY)[0])
        return p.done(unique)

    def _release(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        # One that is sent again may have been counted already: rather a row too many than one too few.
        if self.backings is not None and not unique & p.RESENT:
            self.backings.released(node)
        self._fs.release(node, p.U64.unpack_from(v, BODY)[0])
        return p.done(unique)

    def _fsync(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        handle, flags, _ = p.FSYNC_IN.unpack_from(v, BODY)
        self._fs.fsync(node, handle, bool(flags & p.FSYNC_DATA_ONLY))
        return p.done(unique)

    def _fallocate(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        handle, offset, length, mode, _ = p.FALLOCATE_IN.unpack_from(v, BODY)
        self._fs.allocate(node, handle, offset, length, mode, os.O_RDWR)
        return p.done(unique)

    def _lseek(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        handle, offset, whence, _ = p.LSEEK_IN.unpack_from(v, BODY)
        return p.LONG_OUT.pack(24, 0, unique, self._fs.seek(node, handle, offset, whence, os.O_RDONLY))

    def _copy_file_range(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        return p.SIZE_OUT.pack(24, 0, unique, self._copied(node, v), 0)

    def _copy_file_range_64(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        return p.LONG_OUT.pack(24, 0, unique, self._copied(node, v))

    def _copied(self, node: int, v: memoryview) -> int:
        handle, offset, to, to_handle, to_offset, length, flags = p.COPY_IN.unpack_from(v, BODY)
        if flags:
            raise malformed()
        return self._fs.copy(node, handle, offset, to, to_handle, to_offset, min(length, _LARGEST_COPY))

    def _opendir(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        opened = self._fs.opendir(node, caller(h))
        return p.OPEN_OUT.pack(32, 0, unique, opened.handle, 0, 0)

    def _readdir(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        handle, offset, size, _, _, _, _ = p.READ_IN.unpack_from(v, BODY)
        parts: list[bytes] = []
        used = 16
        for found in self._fs.readdir(node, handle, offset):
            used += p.listed_size(found.name, plus=False)
            if used > size + 16:
                used -= p.listed_size(found.name, plus=False)
                break
            parts.append(p.listed(found))
        return p.OUT.pack(used, 0, unique) + b"".join(parts)

    def _readdirplus(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        handle, offset, size, _, _, _, _ = p.READ_IN.unpack_from(v, BODY)
        who = caller(h)
        parts: list[bytes] = []
        used = 16
        for found in self._fs.readdir(node, handle, offset):
            used += p.listed_size(found.name, plus=True)
            if used > size + 16:  # before it is looked up: what the kernel does not see it never forgets
                used -= p.listed_size(found.name, plus=True)
                break
            # The kernel knows both by itself, and a lookup of them is never taken back.
            at = None if found.name in (b".", b"..") else self._fs.entry(node, found, who)
            if at is not None and at.attributes.mode & SET_ID:
                self._set_id.seen(at.node, at.attributes)
            parts.append(p.listed_plus(found, at))
        return p.OUT.pack(used, 0, unique) + b"".join(parts)

    def _releasedir(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        self._fs.releasedir(node, p.U64.unpack_from(v, BODY)[0])
        return p.done(unique)

    def _fsyncdir(self, unique: int, node: int, n: int, v: memoryview, h: Header) -> Reply:
        handle, flags, _ = p.FSYNC_IN.unpack_from(v, BODY)
        self._fs.fsyncdir(node, handle, bool(flags & p.FSYNC_DATA_ONLY))
        return p.done(unique)
