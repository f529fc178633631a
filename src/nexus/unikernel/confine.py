"""What a Python process takes from itself before it runs a guest: rights, files, memory, processor time.

System calls are taken away on Linux for x86-64 (`SECCOMP`); elsewhere the limits of `resource` are all.
Knows nothing of guests. Invariant: nothing taken can be had back.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from pathlib import Path

SECCOMP = sys.platform == "linux" and platform.machine() == "x86_64"
NOBODY = 65534
_SET_PDEATHSIG, _SET_SECCOMP, _SET_NO_NEW_PRIVS, _FILTER = 1, 22, 38, 2
_X86_64 = 0xC000003E
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050001, 0x80000000  # refuse: EPERM

# read write close fstat poll lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn
# sched_yield mremap madvise getpid exit gettid futex clock_gettime exit_group getrandom: what an interpreter
# needs to go on with what it has open, and to allocate.
_NEEDED = (0, 1, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 28, 39, 60, 186, 202, 228, 231, 318)


def drop_rights() -> None:
    """Become nobody where this is root, gain nothing by programs, leave no core, die with the parent."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    if sys.platform == "linux":
        _prctl(_SET_NO_NEW_PRIVS, 1)
        _prctl(_SET_PDEATHSIG, signal.SIGKILL)  # after the change of user, which clears it


def limit(cpu: float, more_memory: int) -> None:
    """End this process after `cpu` seconds of processor time from now; give it `more_memory` bytes beyond
    what it has mapped."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, cpu)
    with contextlib.suppress(OSError):  # no /proc: no figure to add to
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + more_memory, mapped + more_memory))


def can_leave_system() -> bool:
    """Whether this system has what `leave_system` needs, and allows it."""
    if not SECCOMP:
        return False
    try:
        _prctl(_SET_SECCOMP, _FILTER, 0)
    except OSError as error:
        return error.errno == errno.EFAULT  # prctl(2): it looked for the filter, so it takes filters
    return False


def leave_system() -> None:
    """From now on, system calls other than those for memory and open files fail with EPERM.

    Raises `OSError` where the kernel refuses the filter (`can_leave_system`)."""
    code = [
        _statement(0x20, 4),  # the architecture
        _jump(_X86_64, 1, 0),
        _statement(0x06, _KILL),
        _statement(0x20, 0),  # the call's number
        *(_jump(number, len(_NEEDED) - at, 0) for at, number in enumerate(_NEEDED)),
        _statement(0x06, _REFUSE),
        _statement(0x06, _ALLOW),
    ]
    kept = ctypes.create_string_buffer(b"".join(code))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(kept)))
    _prctl(_SET_SECCOMP, _FILTER, ctypes.addressof(program))


def _statement(code: int, value: int) -> bytes:
    return struct.pack("HBBI", code, 0, 0, value)


def _jump(value: int, equal: int, other: int) -> bytes:
    return struct.pack("HBBI", 0x15, equal, other, value)


def _prctl(option: int, *arguments: int) -> None:
    words = [ctypes.c_ulong(word) for word in (*arguments, 0, 0, 0, 0)[:4]]
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, *words) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl {option}: {os.strerror(code)}")
