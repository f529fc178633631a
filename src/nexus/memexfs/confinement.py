"""Takes away from this process what reading a document does not need: limits, Landlock and seccomp.

Knows nothing of documents. Invariant: what is taken is never given back, neither to this process nor to
threads it starts later. Each part that the machine cannot do is left out and named to the caller.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2  # prctl(2)


def confine(memory: int, readable: Iterable[Path] = ()) -> list[str]:
    """At most `memory` bytes of address space; no new file contents, programs, processes or connections;
    reading only below `readable` and where Python and the system's libraries lie. Gives the parts that hold.

    Open descriptors go on working. Has to be called before the first thread is started.
    """
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    parts = ["limits"]
    if sys.platform != "linux":
        return parts
    c = ctypes.CDLL(None, use_errno=True)
    if c.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        return parts
    if _landlock(c, readable):
        parts.append("files")
    if _seccomp(c):
        parts.append("calls")
    return parts


# ---- files: Landlock (include/uapi/linux/landlock.h) -------------------------------------------

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every machine
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
# How many rights each version of the interface knows; those for TCP came with the 4th, scopes with the 6th.
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_TCP, _SCOPES = 3, 3
_SYSTEM = (
    "/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/dev/urandom", "/dev/null",
    "/proc/cpuinfo", "/proc/meminfo", "/proc/self", "/sys/devices/system/cpu",
)  # fmt: skip


def _landlock(c: ctypes.CDLL, readable: Iterable[Path]) -> bool:
    version = c.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    rights = (1 << _RIGHTS.get(version, 16)) - 1
    attribute = struct.pack("<Q", rights)
    if version >= 4:
        attribute += struct.pack("<Q", _TCP)
    if version >= 6:
        attribute += struct.pack("<Q", _SCOPES)
    ruleset = c.syscall(_CREATE_RULESET, attribute, ctypes.c_size_t(len(attribute)), 0)
    if ruleset < 0:
        return False
    try:
        python = (Path(entry) for entry in (*sys.path, sys.prefix, sys.base_prefix) if entry)
        for path in {*readable, *python, *map(Path, _SYSTEM)}:
            _allow(c, ruleset, path)
        return bool(c.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _allow(c: ctypes.CDLL, ruleset: int, path: Path) -> None:
    with contextlib.suppress(OSError):  # what is not there needs no rule
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            access = _READ_FILE | _READ_DIR if path.is_dir() else _READ_FILE
            c.syscall(_ADD_RULE, ruleset, 1, struct.pack("<Qi", access, descriptor), 0)
        finally:
            os.close(descriptor)


# ---- calls: seccomp ----------------------------------------------------------------------------

_NONE = -1
# Numbers of the calls that are refused, on x86-64 and on arm64.
_REFUSED: dict[str, tuple[int, int]] = {
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200),
    "execve": (59, 221), "execveat": (322, 281), "fork": (57, _NONE), "vfork": (58, _NONE),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kill": (62, 129),
    "io_uring_setup": (425, 425), "bpf": (321, 280), "keyctl": (250, 219), "unshare": (272, 97),
    "setns": (308, 268), "mount": (165, 40), "userfaultfd": (323, 282), "perf_event_open": (298, 241),
    "pidfd_open": (434, 434), "chmod": (90, _NONE), "fchmod": (91, 52), "fchmodat": (268, 53),
    "chown": (92, _NONE), "fchown": (93, 55), "fchownat": (260, 54), "setxattr": (188, 5),
    "utimensat": (280, 88),
}  # fmt: skip
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_CLONE, _CLONE3 = (56, 220), 435
_CLONE_THREAD = 0x10000
_LOAD, _EQUAL, _ABOVE, _BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000, 0x80000000


def _seccomp(c: ctypes.CDLL) -> bool:
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return False
    column, audit = machine
    program = _program(column, audit)
    buffer = ctypes.create_string_buffer(program)

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    wanted = Program(len(program) // 8, ctypes.addressof(buffer))
    return bool(c.prctl(_SECCOMP, _FILTER, ctypes.byref(wanted), 0, 0) == 0)


def _program(column: int, audit: int) -> bytes:
    """The filter, as `struct sock_filter`: everything is allowed but what is named, which is EPERM.

    A thread may be started, a process not. clone3 hides its flags behind a pointer, so it does not exist
    (ENOSYS): then the C library uses clone.
    """
    refused = [numbers[column] for numbers in _REFUSED.values() if numbers[column] != _NONE]
    lines: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, 4),  # the machine: calls of another one have other numbers
        (_EQUAL, 1, 0, audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),  # the number
        (_ABOVE, 0, 1, 0x40000000),  # x32's
        (_RETURN, 0, 0, _REFUSE | errno.EPERM),
        (_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, _REFUSE | errno.ENOSYS),
        (_EQUAL, 0, 4, _CLONE[column]),
        (_LOAD, 0, 0, 16),  # its first argument, the flags
        (_BITS, 0, 1, _CLONE_THREAD),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE | errno.EPERM),
    ]
    for left, number in zip(range(len(refused), 0, -1), refused, strict=True):
        lines.append((_EQUAL, left, 0, number))
    lines += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE | errno.EPERM)]
    return b"".join(struct.pack("<HBBI", *line) for line in lines)
