"""What we and a kernel agreed on when a mount began, once for its whole life.

The supervisor agrees before there is a worker, and hands the result to every worker of the mount; a mount
without a supervisor agrees with its first request. Knows no file system.
"""

from __future__ import annotations

import os
from typing import Final, NamedTuple

from nexus.memexfs.protocol import (
    BODY,
    BUFFER,
    HEADER,
    INIT_IN,
    INIT_OUT,
    LARGEST,
    MAJOR,
    MINOR,
    OUT,
    U32,
    Init,
    Op,
)

_WANTED: Final = (
    Init.ASYNC_READ
    | Init.ATOMIC_O_TRUNC
    | Init.BIG_WRITES
    | Init.AUTO_INVAL_DATA  # the files of sources change behind our back
    | Init.DO_READDIRPLUS
    | Init.READDIRPLUS_AUTO
    | Init.ASYNC_DIO
    | Init.PARALLEL_DIROPS
    | Init.MAX_PAGES
    | Init.CACHE_SYMLINKS
    | Init.HANDLE_KILLPRIV_V2  # else every write asks for an extended attribute first
    | Init.INIT_EXT
    | Init.HAS_EXPIRE_ONLY
    | Init.DIRECT_IO_ALLOW_MMAP
    | Init.HAS_RESEND
)
_OLDEST: Final = 31  # Linux 5.4; before it there are neither 256 pages nor cached links
_BACKGROUND: Final = 64  # requests that the kernel may have under way that nobody waits for


class Negotiated(NamedTuple):
    """`minor` is the kernel's version of the protocol, `flags` what both sides can (`protocol.Init`)."""

    minor: int
    flags: int

    @property
    def resend(self) -> bool:
        """The kernel hands a dead worker's requests to the next one."""
        return bool(self.flags & Init.HAS_RESEND)

    @property
    def passthrough(self) -> bool:
        """Whether the kernel reads and writes files in our stead."""
        return bool(self.flags & Init.PASSTHROUGH)

    @property
    def expire_only(self) -> bool:
        """A name can be doubted without being thrown out."""
        return bool(self.flags & Init.HAS_EXPIRE_ONLY)

    @property
    def epoch(self) -> bool:
        """All names can be doubted at once."""
        return self.minor >= 44


def agree(
    request: memoryview, unique: int, *, passthrough: bool, without: int = 0
) -> tuple[bytes, Negotiated | None]:
    """The reply to INIT and what holds from then on; None while the kernel has to ask again, or cannot.

    `request` is the whole message; `without` are flags that are not used although the kernel can. A kernel
    before 5.4 gets EPROTO and the mount fails.
    """
    major, minor, readahead, flags = INIT_IN.unpack_from(request, BODY)
    if major > MAJOR:  # it asks again in our version
        return INIT_OUT.pack(80, 0, unique, MAJOR, MINOR, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), None
    if major < MAJOR or minor < _OLDEST:
        return OUT.pack(16, -71, unique), None
    if flags & Init.INIT_EXT and len(request) >= BODY + INIT_IN.size + 4:
        flags |= U32.unpack_from(request, BODY + INIT_IN.size)[0] << 32
    wanted = flags & (_WANTED | (Init.PASSTHROUGH if passthrough else 0)) & ~without
    reply = INIT_OUT.pack(
        80, 0, unique, MAJOR, MINOR, min(readahead, LARGEST), wanted & 0xFFFFFFFF,
        _BACKGROUND, _BACKGROUND * 3 // 4, LARGEST, 1, LARGEST // 4096, 0, wanted >> 32,
        1 if wanted & Init.PASSTHROUGH else 0,
    )  # fmt: skip
    return reply, Negotiated(minor, wanted)


def begin(fd: int, *, passthrough: bool, without: int = 0) -> Negotiated:
    """Wait for the kernel's first request on a fresh mount and agree. Raises `OSError` where it does not."""
    buffer = bytearray(BUFFER)
    while True:
        length = os.readv(fd, [buffer])
        _, opcode, unique, *_ = HEADER.unpack_from(buffer)
        if opcode != Op.INIT:
            raise OSError(71, f"the kernel began with request {opcode} instead of INIT")
        reply, agreed = agree(memoryview(buffer)[:length], unique, passthrough=passthrough, without=without)
        os.write(fd, reply)
        if agreed is not None:
            return agreed
