"""The numbers that nodes go by outside, in a log that outlives the process.

Knows nothing of what a node is: a number, where it was found, its inode number and a digest of its key. The
log lies in a memfd that the mount's supervisor keeps; the worker after a dead one reads it and finds again
whatever the kernel still knows. Invariant: what was noted before a reply went out is in the log after any
death of the process; numbers are never given twice in the life of a log. A log that is damaged ends where the
damage begins, and what stood behind it is not known (ESTALE), never something else.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Hashable, Iterable, Iterator
from hashlib import blake2b
from typing import NamedTuple

from nexus.memexfs.system_calls import allocate

_MAGIC = b"memexlog"
_HEADER = struct.Struct("<8sQI")  # magic, where the records begin, generation
_HEADER_ROOM = 4096
_RECORD = struct.Struct("<BBHQQQQ")  # 0xA5, kind, length of the name, number, parent, inode, digest
_MARK = 0xA5
_NOTED, _DROPPED = 1, 2
_LONGEST = 255
_MOST_PROCESSES = 1 << 22
_FARTHEST = 1 << 60  # an offset that a file can have, with room behind it
_CHUNK = 1 << 20
_PUNCH = 0x03  # FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE


class Record(NamedTuple):
    """Where the node `number` is found: `name` in `parent`; how to know that it is the same."""

    number: int
    parent: int
    name: bytes
    inode: int
    digest: int


def digest(key: Hashable) -> int:
    """64 bits of a node's key, the same in every process."""
    return int.from_bytes(blake2b(repr(key).encode(), digest_size=8).digest(), "little")


class Numbers:
    """The log in `fd`, a memfd or file, empty at first; None keeps no log. Not thread-safe."""

    def __init__(self, fd: int | None = None) -> None:
        self._fd = fd
        self._start = self._end = _HEADER_ROOM
        self.generation = 0
        self.found: dict[int, Record] = {}
        if fd is not None:
            self._read()
        self.generation += 1  # each process has numbers of its own, whatever became of the log
        self._next = ((self.generation - 1) << 40) + 2
        self._write_header()

    @property
    def kept(self) -> bool:
        """Whether there is a log."""
        return self._fd is not None

    @property
    def size(self) -> int:
        """Bytes of the records."""
        return self._end - self._start

    def fresh(self) -> int:
        """A number that was never given."""
        number = self._next
        self._next += 1
        return number

    def note(self, record: Record) -> None:
        """It is known, from now on, or elsewhere than before."""
        self._append(_packed(_NOTED, record))

    def drop(self, number: int) -> None:
        """Nobody knows it any more."""
        self._append(_packed(_DROPPED, Record(number, 0, b"", 0, 0)))

    def rewrite(self, records: Iterable[Record]) -> None:
        """Begin anew with these. A death half-way leaves the old log as it is."""
        if self._fd is None:
            return
        start = offset = (self._end + 4095) & ~4095
        held = bytearray()
        for record in records:
            held += _packed(_NOTED, record)
            if len(held) >= _CHUNK:
                offset += os.pwrite(self._fd, held, offset)
                held.clear()
        offset += os.pwrite(self._fd, held, offset)
        old, self._start, self._end = self._start, start, offset
        self._write_header()
        allocate(self._fd, _PUNCH, old, start - old)

    def _append(self, packed: bytes) -> None:
        if self._fd is not None:
            self._end += os.pwrite(self._fd, packed, self._end)

    def _write_header(self) -> None:
        if self._fd is not None:
            os.pwrite(self._fd, _HEADER.pack(_MAGIC, self._start, self.generation), 0)

    # reading

    def _read(self) -> None:
        assert self._fd is not None
        header = os.pread(self._fd, _HEADER.size, 0)
        if len(header) < _HEADER.size:
            return
        magic, start, generation = _HEADER.unpack(header)
        if magic != _MAGIC or not _HEADER_ROOM <= start <= _FARTHEST or generation > _MOST_PROCESSES:
            return
        self._start = self._end = start
        self.generation = generation
        for kind, record in self._records():
            if kind == _NOTED:
                self.found[record.number] = record
            else:
                self.found.pop(record.number, None)

    def _records(self) -> Iterator[tuple[int, Record]]:
        """The whole ones; `_end` is behind the last."""
        assert self._fd is not None
        held, at = b"", 0
        while True:
            if len(held) - at < _RECORD.size + _LONGEST:
                held = held[at:] + os.pread(self._fd, _CHUNK, self._end + len(held) - at)
                at = 0
            if len(held) - at < _RECORD.size:
                return
            mark, kind, length, number, parent, inode, key = _RECORD.unpack_from(held, at)
            name = held[at + _RECORD.size : at + _RECORD.size + length]
            if mark != _MARK or kind not in (_NOTED, _DROPPED) or length > _LONGEST or len(name) < length:
                return
            at += _RECORD.size + length
            self._end += _RECORD.size + length
            yield kind, Record(number, parent, name, inode, key)


def _packed(kind: int, record: Record) -> bytes:
    head = _RECORD.pack(
        _MARK, kind, len(record.name), record.number, record.parent, record.inode, record.digest
    )
    return head + record.name
