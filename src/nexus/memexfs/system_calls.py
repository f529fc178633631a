"""System calls that Python has no function for: times one by one, rename with flags, fallocate.

Knows nothing of the tree but what NOW is. Linux, glibc 2.28 or newer; looked up when they are called, so that
importing this works anywhere. Invariant: a failure is an `OSError` with the errno of the call.
"""

from __future__ import annotations

import ctypes
import os

from nexus.memexfs.operations import NOW

_libc = ctypes.CDLL(None, use_errno=True)

RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2

_AT_FDCWD = -100
_UTIME_NOW = (1 << 30) - 1
_UTIME_OMIT = (1 << 30) - 2
_SECOND = 10**9


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def _checked(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _timespec(ns: int | None) -> _Timespec:
    if ns is None:
        return _Timespec(0, _UTIME_OMIT)
    if ns == NOW:
        return _Timespec(0, _UTIME_NOW)
    return _Timespec(*divmod(ns, _SECOND))


def set_times(path: bytes, accessed_ns: int | None, modified_ns: int | None) -> None:
    """utimensat(2), links followed. None leaves a time as it is, NOW is the present."""
    times = (_Timespec * 2)(_timespec(accessed_ns), _timespec(modified_ns))
    _checked(_libc.utimensat(_AT_FDCWD, path, times, 0))


def rename(folder: int, name: bytes, to_folder: int, to_name: bytes, flags: int) -> None:
    """renameat2(2): `flags` are RENAME_NOREPLACE and RENAME_EXCHANGE."""
    _checked(_libc.renameat2(folder, name, to_folder, to_name, ctypes.c_uint(flags)))


def allocate(descriptor: int, mode: int, offset: int, length: int) -> None:
    """fallocate(2), `mode` as there (keep the size, punch a hole, zeros)."""
    _checked(_libc.fallocate(descriptor, mode, ctypes.c_int64(offset), ctypes.c_int64(length)))
