"""Files of the host that a guest uses as disks.

Knows nothing of file systems. Invariant: nothing outside [0, sectors) of a file is read or written, and a
file neither grows nor shrinks; one that was granted for reading is not open for writing.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.unikernel import abi
from nexus.unikernel.abi import Errno

SECTOR = 512


class Blocks:
    """Disks 0, 1, ..: (file, whether it may be written). A rest below a whole sector is not seen.

    Raises `NotFoundError` and `InvalidInputError` for what is not there, cannot be opened or is no file or
    block device. The methods answer as NX_OP_BLOCK_* do: (result or -NX_E*, bytes).
    """

    def __init__(self, granted: Sequence[tuple[Path, bool]]) -> None:
        self._disks: list[tuple[int, int, bool]] = []  # descriptor, sectors, writable
        try:
            for path, writable in granted:
                self._disks.append(_opened(path, writable))
        except BaseException:
            self.close()
            raise

    def info(self, device: int) -> tuple[int, bytes]:
        """struct nx_block_info."""
        if device >= len(self._disks):
            return -Errno.ENODEV, b""
        _, sectors, writable = self._disks[device]
        return 0, abi.BLOCK_INFO.pack(sectors, SECTOR, not writable)

    def read(self, at: bytes, room: int) -> tuple[int, bytes]:
        """`at` is a struct nx_block_at; gives whole sectors."""
        refused, descriptor, offset, size, _ = self._place(at)
        if refused:
            return refused, b""
        if size > room:
            return -Errno.EMSGSIZE, bytes(size)
        try:
            content = os.pread(descriptor, size, offset)
        except OSError:
            return -Errno.EIO, b""
        # The file may have become shorter since: what is not there is an error, not zeros.
        return (0, content) if len(content) == size else (-Errno.EIO, b"")

    def write(self, data: bytes) -> tuple[int, bytes]:
        """A struct nx_block_at and the sectors. All is written, or the disk is broken (-EIO)."""
        refused, descriptor, offset, size, writable = self._place(data[: abi.BLOCK_AT.size])
        if refused:
            return refused, b""
        if not writable:
            return -Errno.EPERM, b""
        content = memoryview(data)[abi.BLOCK_AT.size :]
        if len(content) != size:
            return -Errno.EINVAL, b""
        try:
            while content:
                written = os.pwrite(descriptor, content, offset)
                content, offset = content[written:], offset + written
        except OSError:
            return -Errno.EIO, b""
        return 0, b""

    def close(self) -> None:
        """Closes the files."""
        while self._disks:
            os.close(self._disks.pop()[0])

    def _place(self, at: bytes) -> tuple[int, int, int, int, bool]:
        """(0 or -NX_E*, descriptor, offset, bytes, writable)."""
        if len(at) != abi.BLOCK_AT.size:
            return -Errno.EINVAL, 0, 0, 0, False
        device, count, sector = abi.BLOCK_AT.unpack(at)
        if device >= len(self._disks):
            return -Errno.ENODEV, 0, 0, 0, False
        descriptor, sectors, writable = self._disks[device]
        if sector + count > sectors or count * SECTOR > abi.PAYLOAD_MAX:
            return -Errno.EINVAL, 0, 0, 0, False
        return 0, descriptor, sector * SECTOR, count * SECTOR, writable


def _opened(path: Path, writable: bool) -> tuple[int, int, bool]:
    try:
        # Not blocking: a pipe that was granted by mistake must not hold us.
        access = os.O_RDWR if writable else os.O_RDONLY
        descriptor = os.open(path, access | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFoundError(f"{path} was granted to a sandbox as a disk and does not exist") from None
    except OSError as error:
        raise InvalidInputError(f"disk {path}: {error.strerror}") from error
    kind = os.fstat(descriptor).st_mode
    if not (stat.S_ISREG(kind) or stat.S_ISBLK(kind)):
        os.close(descriptor)
        raise InvalidInputError(f"disk {path}: neither a file nor a block device")
    return descriptor, os.lseek(descriptor, 0, os.SEEK_END) // SECTOR, writable
