"""Which open files the kernel reads and writes by itself (FUSE passthrough, Linux 6.9, CAP_SYS_ADMIN).

The kernel wants all opens of a node alike: either through its cache or through one backing file. So this is a
table of the nodes that are open. It lies in a memfd that outlives the process: a worker that comes after a
dead one goes on with the modes that the kernel still has. Knows no file system and no messages.

Invariant: a node's row counts at least the opens that the kernel has of it.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import mmap
import os
import threading
from struct import Struct
from typing import Final

from nexus.memexfs.legacy import SIZE as BEHIND
from nexus.memexfs.operations import Opened
from nexus.memexfs.protocol import FOPEN_DIRECT_IO, FOPEN_KEEP_CACHE, FOPEN_NOFLUSH, FOPEN_PASSTHROUGH

_log = logging.getLogger(__name__)

_BACKING_OPEN: Final = 0x4010E501
_BACKING_CLOSE: Final = 0x4004E502
_MAP: Final = Struct("<iIQ")  # descriptor, flags, -
_ID: Final = Struct("<I")
_ROW: Final = Struct("<QiI")  # node, mode, opens
_CACHED: Final = 0  # a mode above it is the number of a backing file
_DIRECT: Final = -1
_FIRST: Final = 4096  # rows of a new table


def flags_of(opened: Opened) -> int:
    """Those of the reply to OPEN where nothing is passed through."""
    return (
        (FOPEN_DIRECT_IO if opened[2] else 0)
        | (FOPEN_KEEP_CACHE if opened[1] else 0)
        | (0 if opened[4] else FOPEN_NOFLUSH)
    )


class Backings:
    """`device` is the mount's descriptor; `table` an empty memfd, or the one of a worker before this one."""

    def __init__(self, device: int, table: int | None = None) -> None:
        self._device = device
        self._lock = threading.Lock()
        self._usable = True
        fd = os.memfd_create("memexfs-open", os.MFD_CLOEXEC) if table is None else table
        size = max(os.fstat(fd).st_size - BEHIND, _FIRST * _ROW.size)
        os.ftruncate(fd, BEHIND + size)
        self._table = mmap.mmap(fd, size, offset=BEHIND)
        if table is None:
            os.close(fd)
        self._row: dict[int, int] = {}  # node: where its row begins
        self._free: list[int] = []
        for start in range(size - _ROW.size, -1, -_ROW.size):
            node, _, opens = _ROW.unpack_from(self._table, start)
            if opens:
                self._row[node] = start
            else:
                self._free.append(start)

    def opened(self, node: int, opened: Opened) -> tuple[int, int]:
        """Flags and backing file for the reply that tells the kernel of one more open of `node`."""
        with self._lock:
            start = self._row.get(node)
            if start is None:
                mode, opens = _DIRECT, 0
                start = self._new_row(node)
            else:
                _, mode, opens = _ROW.unpack_from(self._table, start)
            direct = opened.direct
            if not direct and mode == _DIRECT:  # the first that takes a mode decides
                mode = self._register(opened.backing) if opened.backing is not None else _CACHED
            elif mode > _CACHED and opened.backing is None:
                direct = True
            _ROW.pack_into(self._table, start, node, mode, opens + 1)
        quiet = 0 if opened.flush else FOPEN_NOFLUSH
        if mode > _CACHED:  # also where reads and writes come to us, or the kernel refuses it
            return FOPEN_PASSTHROUGH | (FOPEN_DIRECT_IO if direct else 0) | quiet, mode
        return (FOPEN_DIRECT_IO | quiet if direct else flags_of(opened)), 0

    def released(self, node: int) -> None:
        """The kernel has one open of `node` less. A node that is not known is none of ours."""
        with self._lock:
            start = self._row.get(node)
            if start is None:
                return
            _, mode, opens = _ROW.unpack_from(self._table, start)
            if opens > 1:
                _ROW.pack_into(self._table, start, node, mode, opens - 1)
                return
            _ROW.pack_into(self._table, start, 0, 0, 0)
            del self._row[node]
            self._free.append(start)
        if mode > _CACHED:
            try:
                fcntl.ioctl(self._device, _BACKING_CLOSE, _ID.pack(mode))
            except OSError as error:  # the mount is gone, and the kernel's table with it
                _log.debug("backing file %d: %s", mode, error)

    def _register(self, backing: int) -> int:
        """The number that the kernel gives a backing file, or that nothing is passed through."""
        if not self._usable:
            return _CACHED
        try:
            return int(fcntl.ioctl(self._device, _BACKING_OPEN, bytearray(_MAP.pack(backing, 0, 0))))
        except OSError as error:
            if error.errno in (errno.EPERM, errno.ENOTTY, errno.EOPNOTSUPP):
                self._usable = False
                _log.warning("files are not passed through: %s", error.strerror)
            return _CACHED

    def _new_row(self, node: int) -> int:
        if not self._free:
            old = len(self._table)
            self._table.resize(2 * old)
            self._free.extend(range(2 * old - _ROW.size, old - _ROW.size, -_ROW.size))
        start = self._row[node] = self._free.pop()
        return start
