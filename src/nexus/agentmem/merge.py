"""Memory that an agent offers for merging: regions of its own, and no other.

`nexus run --merge` offers all of a process; a program that knows what it has in common with others offers
just that, by `mark` or `copy`. Knows nothing of whether KSM runs. Invariant: only whole pages inside the
memory that was named are marked; what the kernel ignores without a word (shared memory) is refused here.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from nexus.core.errors import InvalidInputError, NexusError

_PAGE = mmap.PAGESIZE
_MERGEABLE, _UNMERGEABLE = 12, 13  # madvise(2)
_Range = tuple[int, int]


def mark(memory: Any, *, proc: Path = Path("/proc")) -> int:
    """Offer the whole pages inside a writable buffer for merging. Returns how many bytes that are.

    KSM merges page by page: what is equal merges only where it lies at the same place of a page in every
    process, so begin a page with it (`copy` does). The buffer must live as long as its mark. Raises
    `InvalidInputError` where it is shared or read-only or holds no whole page, `NexusError` where the kernel
    merges nothing.
    """
    begin, end = _pages(memory)
    _advise(begin, end, _MERGEABLE)
    if _unmarked(begin, end, proc):
        with suppress(NexusError):
            _advise(begin, end, _UNMERGEABLE)
        raise InvalidInputError(
            "this memory cannot be merged: KSM takes private anonymous memory only",
            hint="nexus.agentmem.merge.copy() puts a copy where it can be",
        )
    return end - begin


def unmark(memory: Any) -> int:
    """Take the offer back: each page that was merged becomes its own again. Returns how many bytes."""
    begin, end = _pages(memory)
    _advise(begin, end, _UNMERGEABLE)
    return end - begin


def copy(data: bytes | bytearray | memoryview) -> mmap.mmap:
    """A private copy of `data` that begins a page and is marked. It ends with zeros up to the whole page."""
    if not len(data):
        raise InvalidInputError("nothing to copy")
    whole = (len(data) + _PAGE - 1) // _PAGE * _PAGE
    region = mmap.mmap(-1, whole, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        region[: len(data)] = bytes(data)
        mark(region)
    except BaseException:
        region.close()
        raise
    return region


def uncovered(begin: int, end: int, covered: Iterable[_Range]) -> bool:
    """Whether anything from `begin` to `end` lies in none of these ranges, which ascend."""
    at = begin
    for low, high in covered:
        if low <= at < high:
            at = high
        if at >= end:
            return False
    return True


def marked_ranges(smaps: bytes) -> list[_Range]:
    """The address ranges that carry the mark, from /proc/PID/smaps."""
    found, here = [], (0, 0)
    for line in smaps.splitlines():
        words = line.split()
        low, dash, high = words[0].partition(b"-") if words else (b"", b"", b"")
        if dash and not words[0].endswith(b":"):
            here = int(low, 16), int(high, 16)
        elif words and words[0] == b"VmFlags:" and b"mg" in words:
            found.append(here)
    return found


def _pages(memory: Any) -> _Range:
    """The addresses of the whole pages inside a buffer."""
    view = memoryview(memory)
    if view.readonly or not view.c_contiguous:
        raise InvalidInputError(
            "this memory is read-only or in pieces", hint="a bytearray, an mmap, or an array; or copy()"
        )
    if not view.nbytes:
        raise InvalidInputError("this memory is empty")
    address = ctypes.addressof((ctypes.c_char * view.nbytes).from_buffer(view.cast("B")))
    begin, end = -(-address // _PAGE) * _PAGE, (address + view.nbytes) // _PAGE * _PAGE
    if begin >= end:
        raise InvalidInputError(
            f"these {view.nbytes} bytes hold no whole page of {_PAGE}", hint="copy() begins a page with them"
        )
    return begin, end


def _advise(begin: int, end: int, advice: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    if libc.madvise(begin, end - begin, advice):
        reason = os.strerror(ctypes.get_errno())
        raise NexusError(f"this kernel does not merge memory: {reason}", hint="it needs CONFIG_KSM")


def _unmarked(begin: int, end: int, proc: Path) -> bool:
    return uncovered(begin, end, marked_ranges((proc / "self" / "smaps").read_bytes()))
