"""What the requests of the kernel have in common: names inside them, and replies of bytes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Final

from nexus.memexfs.operations import NOW, Caller
from nexus.memexfs.protocol import OUT, SIZE_OUT

# Length, operation, number, node, uid, gid, pid, extensions, nothing.
Header = tuple[int, int, int, int, int, int, int, int, int]
Reply = bytes | tuple[bytes, bytes | memoryview] | None
# The request's number and node, its length, the buffer that it begins, and its header.
Handler = Callable[[int, int, int, memoryview, Header], Reply]

LONGEST_NAME: Final = 255
_SECOND: Final = 1_000_000_000


def malformed() -> OSError:
    """The answer to what no kernel sends."""
    return OSError(errno.EINVAL, "a request that no kernel sends")


def caller(header: Header) -> Caller:
    """Who asks, by a request's header."""
    return Caller(header[4], header[5], header[6])


def name_at(view: memoryview, start: int, end: int) -> bytes:
    """The name that begins at `start`. Raises EINVAL where it does not end, or is no name, and ENAMETOOLONG
    beyond 255 bytes: the kernel sends up to 4,095."""
    name, nul, _ = bytes(view[start:end]).partition(b"\0")
    if not nul or not name:
        raise malformed()
    if len(name) > LONGEST_NAME:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    return name


def names_at(view: memoryview, start: int, end: int) -> tuple[bytes, bytes]:
    """Two names, one after the other. Raises as `name_at`."""
    first, behind = link_at(view, start, end)
    return first, name_at(memoryview(behind + b"\0"), 0, len(behind) + 1)


def link_at(view: memoryview, start: int, end: int) -> tuple[bytes, bytes]:
    """A name and what it leads to. Raises as `name_at`."""
    name = name_at(view, start, end)
    target, nul, _ = bytes(view[start + len(name) + 1 : end]).partition(b"\0")
    if not nul or not target:
        raise malformed()
    return name, target


def time_of(valid: int, given: int, now: int, seconds: int, nanoseconds: int) -> int | None:
    """One of SETATTR's times in nanoseconds, NOW, or None where it is not to change."""
    if valid & now:
        return NOW
    return seconds * _SECOND + nanoseconds if valid & given else None


def data(unique: int, content: bytes) -> Reply:
    """The reply to a request that wants bytes."""
    return OUT.pack(16 + len(content), 0, unique) + content


def sized(unique: int, size: int, content: bytes) -> Reply:
    """The reply to those that first ask for the length, with size 0."""
    if size == 0:
        return SIZE_OUT.pack(24, 0, unique, len(content), 0)
    if len(content) > size:
        raise OSError(errno.ERANGE, "more than was asked for")
    return data(unique, content)
