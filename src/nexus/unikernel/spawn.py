"""Starts a program with chosen descriptors, an empty environment and nothing else of this process.

posix_spawn(3) of glibc by ctypes: it shares the memory until the program runs (a fork of a large Python
process takes milliseconds), can close every other descriptor, lets other threads run meanwhile, and writes
the process id where the caller keeps it before any signal's exception can come. Needs glibc 2.34 (Debian 12,
Ubuntu 22.04). Knows nothing of guests. Invariant: the program gets the descriptors named and no other.
"""

from __future__ import annotations

import ctypes
import fcntl
import functools
import os
import signal
from collections.abc import Mapping, Sequence

from nexus.core.errors import MissingPartError

_SETPGROUP, _SETSIGDEF, _SETSIGMASK, _SETSID = 0x02, 0x04, 0x08, 0x80
_BYTES = 512  # more than any of glibc's structures here
_HIGH = 64
# What this process may ignore and a program expects to find at its default.
_DEFAULT = ("SIGPIPE", "SIGINT", "SIGHUP", "SIGTERM", "SIGQUIT", "SIGCHLD", "SIGPROF", "SIGXCPU", "SIGXFSZ")


def spawn(
    pid: ctypes.c_int, argv: Sequence[str], descriptors: Mapping[int, int], *, session: bool = False
) -> None:
    """Starts argv[0], a path, in "/", in a process group of its own; its descriptor n is our
    `descriptors[n]`.

    `session`: in a session of its own too, so that it cannot reach our terminal. That costs milliseconds
    where the machine is busy (the scheduler makes a group for each), and is for programs that could open a
    terminal. The process id is in `pid` as soon as there is a process. Raises `OSError` where it cannot be
    started, `MissingPartError` where the C library is too old.
    """
    # A descriptor of ours that has a number of theirs would be overwritten before it is copied.
    highest = max(descriptors)
    low = {n: fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _HIGH) for n, fd in descriptors.items() if fd <= highest}
    try:
        _started(pid, argv, dict(descriptors) | low, session)
    finally:
        for fd in low.values():
            os.close(fd)


@functools.cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "posix_spawn_file_actions_addclosefrom_np"):
        raise MissingPartError(
            "sandboxes need a C library with posix_spawn_file_actions_addclosefrom_np",
            hint="use a Linux system with glibc 2.34 or newer (Debian 12, Ubuntu 22.04)",
        )
    return libc


@functools.cache
def _attributes(session: bool) -> ctypes.Array[ctypes.c_char]:
    libc = ctypes.CDLL(None)
    attributes, signals = ctypes.create_string_buffer(_BYTES), ctypes.create_string_buffer(_BYTES)
    libc.posix_spawnattr_init(attributes)
    libc.posix_spawnattr_setflags(
        attributes, ctypes.c_short(_SETSIGDEF | _SETSIGMASK | (_SETSID if session else _SETPGROUP))
    )
    libc.sigemptyset(signals)
    libc.posix_spawnattr_setsigmask(attributes, signals)
    for name in _DEFAULT:
        libc.sigaddset(signals, int(signal.Signals[name]))
    libc.posix_spawnattr_setsigdefault(attributes, signals)
    return attributes


def _started(pid: ctypes.c_int, argv: Sequence[str], given: Mapping[int, int], session: bool) -> None:
    libc = _libc()
    actions = ctypes.create_string_buffer(_BYTES)
    libc.posix_spawn_file_actions_init(actions)
    try:
        for number, descriptor in given.items():
            libc.posix_spawn_file_actions_adddup2(actions, descriptor, number)
        libc.posix_spawn_file_actions_addclosefrom_np(actions, max(given) + 1)
        libc.posix_spawn_file_actions_addchdir_np(actions, b"/")
        words = (ctypes.c_char_p * (len(argv) + 1))(*map(os.fsencode, argv))
        nothing = (ctypes.c_char_p * 1)()
        error = libc.posix_spawn(ctypes.byref(pid), words[0], actions, _attributes(session), words, nothing)
    finally:
        libc.posix_spawn_file_actions_destroy(actions)
    if error:
        pid.value = 0
        raise OSError(error, os.strerror(error), argv[0])
