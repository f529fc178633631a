"""The numbers of native/libos/include/nx_abi.h, for Python: operations, errors, frames, archives, faults.

Knows nothing of processes or files. Invariant: every value here is the header's (a test compares them).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

ABI_VERSION = 1
BOOT_MAGIC = 0x4258
BASE = 0x200000
STACK_SIZE = 0x100000
IMAGE = BASE + STACK_SIZE
DOORBELL = 0xD0000000
MEMORY_MAX = 0x80000000
PAYLOAD_MAX = 1 << 20
PAGE = 4096

FRAME_MAGIC = 0x3146584E
ARCHIVE_MAGIC = 0x3141584E
REQUEST = struct.Struct("<IIQII")  # magic, op, arg, in_len, out_cap
REPLY = struct.Struct("<qII")  # result, out_len, reserved
CALL = struct.Struct("<IIQQQQQqQ")  # op, reserved, arg, in, in_len, out, out_cap, result, out_len
BOOT = struct.Struct("<IIIIQQQQQ")  # magic, version, ring, module_count, doorbell, modules, words, heap, end
MODULE = struct.Struct("<QQQ")  # name, address, size
STAT = struct.Struct("<QqII")
BLOCK_INFO = struct.Struct("<QII")
BLOCK_AT = struct.Struct("<IIQ")
NET_INFO = struct.Struct("<6sH4s4s4s")
FAULT = struct.Struct("<IIQQ")
_ARCHIVE = struct.Struct("<II")
_ENTRY = struct.Struct("<48sQQ")


class Ring(IntEnum):
    """How a guest rings."""

    STORE = 1
    CALL = 2
    VIRTIO = 3


class Op(IntEnum):
    """What a guest may ask."""

    EXIT = 0
    WRITE = 1
    READ = 2
    TIME = 3
    RANDOM = 4
    SLEEP = 5
    FETCH = 6
    CALL = 7
    FILE_STAT = 16
    FILE_READ = 17
    FILE_LIST = 18
    BLOCK_INFO = 24
    BLOCK_READ = 25
    BLOCK_WRITE = 26
    NET_INFO = 32
    NET_SEND = 33
    NET_RECV = 34
    FAULT = 0xFFFF0000


class Errno(IntEnum):
    """Why it was refused; a result is the negative."""

    EPERM = 1
    ENOENT = 2
    EIO = 5
    E2BIG = 7
    EFAULT = 14
    ENODEV = 19
    EISDIR = 21
    EINVAL = 22
    ENOSYS = 38
    EMSGSIZE = 90


class FaultKind(IntEnum):
    """Why a guest was ended by its tender."""

    MEMORY = 1
    DOORBELL = 2
    EXIT = 3


@dataclass(frozen=True, slots=True)
class Module:
    """A read-only file that comes with the guest. `name` has at most 47 bytes."""

    name: str
    content: bytes


def archive(modules: Sequence[Module]) -> bytes:
    """Modules in one file (struct nx_archive). Raises `ValueError` for a name too long or with NUL."""
    at = -(-(_ARCHIVE.size + len(modules) * _ENTRY.size) // PAGE) * PAGE
    head, body = [_ARCHIVE.pack(ARCHIVE_MAGIC, len(modules))], []
    for module in modules:
        name = module.name.encode()
        if len(name) > 47 or b"\0" in name:
            raise ValueError(f"module name {module.name!r}: at most 47 bytes, without NUL")
        head.append(_ENTRY.pack(name, at, len(module.content)))
        padding = -len(module.content) % PAGE
        body.append(module.content + b"\0" * padding)
        at += len(module.content) + padding
    start = b"".join(head)
    return start + b"\0" * (-len(start) % PAGE) + b"".join(body)
