"""The system calls that CPython does without inside bubblewrap, as a seccomp-bpf program.

Namespaces keep code from files, processes and the network; this keeps it from the rest: other processes of
its own (so that its limits of memory and CPU time are those of the whole run), memory that no limit counts,
and the parts of the kernel that sandboxes are broken through. Refused calls fail with EPERM, as if the kernel
had not allowed them. Knows x86-64 and arm64; `program` gives None elsewhere.
"""

from __future__ import annotations

import platform
import struct

# Name to numbers on x86-64 and arm64; None: that machine has no such call.
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    "fork": (57, None),
    "vfork": (58, None),
    # Memory beside what RLIMIT_DATA counts.
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194), "msgget": (68, 186),
    "semget": (64, 190),
    # Other namespaces and mounts.
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    # Parts of the kernel with a history.
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440), "fanotify_init": (300, 262),
    "move_pages": (279, 239), "migrate_pages": (256, 238), "mbind": (237, 235), "modify_ldt": (154, None),
    "personality": (135, 92), "quotactl": (179, 60), "syslog": (103, 116), "vhangup": (153, 58),
    # The machine itself.
    "reboot": (169, 142), "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "swapon": (167, 224), "swapoff": (168, 225),
    "acct": (163, 89), "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171),
    "clock_adjtime": (305, 266), "sethostname": (170, 161), "setdomainname": (171, 162), "iopl": (172, None),
    "ioperm": (173, None),
}  # fmt: skip
_MACHINES = {
    # name: (audit architecture, column, clone, clone3, mmap, socket)
    "x86_64": (0xC000003E, 0, 56, 435, 9, 41),
    "aarch64": (0xC00000B7, 1, 220, 435, 222, 198),
}
_X32 = 0x40000000
_CLONE_THREAD, _SHARED_ANONYMOUS = 0x10000, 0x21
_SOCKETS = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6: all within namespaces of its own

_EPERM, _ENOSYS, _EAFNOSUPPORT = 1, 38, 97
_KILL, _FAIL, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_LOAD, _EQUAL, _AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data; low words of arguments


def program(machine: str = "") -> bytes | None:
    """The filter for a machine as `uname -m` names it (default: this one), for `bwrap --seccomp`."""
    known = _MACHINES.get(machine or platform.machine())
    if known is None:
        return None
    architecture, column, clone, clone3, mmap, socket = known
    code = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        *_when(_AT_LEAST, _X32, [(_RETURN, 0, 0, _KILL)]),
        # A thread, yes; a process, no. clone3's flags lie in memory, where no filter sees them: no clone3.
        *_when(_EQUAL, clone, _of_flags(0, _CLONE_THREAD, _CLONE_THREAD, _ALLOW, _FAIL | _EPERM)),
        *_when(_EQUAL, clone3, [(_RETURN, 0, 0, _FAIL | _ENOSYS)]),
        *_when(_EQUAL, mmap, _of_flags(3, _SHARED_ANONYMOUS, _SHARED_ANONYMOUS, _FAIL | _EPERM, _ALLOW)),
        *_when(
            _EQUAL,
            socket,
            [
                (_LOAD, 0, 0, _ARGUMENTS),
                *(each for family in _SOCKETS for each in _when(_EQUAL, family, [(_RETURN, 0, 0, _ALLOW)])),
                (_RETURN, 0, 0, _FAIL | _EAFNOSUPPORT),
            ],
        ),
    ]
    for numbers in _REFUSED.values():
        if (number := numbers[column]) is not None:
            code += _when(_EQUAL, number, [(_RETURN, 0, 0, _FAIL | _EPERM)])
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *each) for each in code)


_Statement = tuple[int, int, int, int]


def _when(test: int, value: int, then: list[_Statement]) -> list[_Statement]:
    """`then` where the accumulator equals `value` (or is at least that); it returns at its end."""
    return [(test, 0, len(then), value), *then]


def _of_flags(argument: int, mask: int, value: int, so: int, otherwise: int) -> list[_Statement]:
    return [
        (_LOAD, 0, 0, _ARGUMENTS + 8 * argument),
        (_AND, 0, 0, mask),
        *_when(_EQUAL, value, [(_RETURN, 0, 0, so)]),
        (_RETURN, 0, 0, otherwise),
    ]
