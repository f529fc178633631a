"""The process of the `unicorn` backend: emulates one guest and sends all it asks over file descriptor 3.

    python -I -m nexus.unikernel.unicorn_process [--memory BYTES] [--cpu SECONDS] [--module NAME=FILE]...
        IMAGE [WORD...]

What the boundary is: the guest's instructions are translated by Unicorn, QEMU's translator as a library,
and reach only the memory that is mapped for it here. A flaw in it would give a guest this process:
an interpreter that has become nobody (where it was root), has nothing open but the channel and its standard
streams, may on Linux for x86-64 make no system call but for memory and these (confine.py), and ends with its
limits of memory and processor time. On other systems only the limits hold. It is the boundary of a process,
not of a machine.

Knows nothing of what the answers mean. Exit status: the guest's; 139 after a fault, told by NX_OP_FAULT; 125
where the command line, a file or the image is wrong, with one line on stderr. Invariant: of the guest's
memory, only the call block's two results and at most `out_cap` bytes of `out` are written after its start.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import unicorn
from unicorn import x86_const

from nexus.core.errors import NexusError
from nexus.unikernel import abi, confine, elf

CHANNEL = 3
FAULTED, REFUSED = 139, 125
_TRANSLATED = 32 << 20  # bytes of translated code kept
_SLACK = 64 << 20  # what Unicorn and Python may want beyond the guest's memory
_STEP = 2 << 20  # memory is a multiple of it
_LEAST_HEAP = 64 << 10
_NOWHERE = 1 << 63  # an address that no guest reaches
_BLOCK_RESULT = abi.CALL.size - 16  # where `result` and `out_len` are


class CommandError(NexusError):
    """A command line that cannot be followed."""


class _Fault(Exception):  # noqa: N818 a guest's end, not an error of ours
    def __init__(self, kind: abi.FaultKind, address: int = 0) -> None:
        super().__init__(kind)
        self.kind, self.address = kind, address


class _Exit(Exception):  # noqa: N818
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass
class Command:
    """The command line, read, with the modules' files."""

    image: Path
    words: tuple[str, ...] = ()
    memory: int = 64 << 20
    cpu: float = 10.0
    modules: list[abi.Module] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Part:
    """Pages of a guest's memory that it may use alike. All are readable."""

    pages: range
    writable: bool = False
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest's memory before its first instruction: `content` is all of it, from abi.BASE on; what lies in
    no part is not the guest's. Parts are in order."""

    content: mmap.mmap
    entry: int
    boot: int
    parts: tuple[Part, ...]

    def holds(self, address: int, size: int, *, writable: bool = False) -> bool:
        """Whether all of these bytes are the guest's to read (to write). None always are."""
        at = address
        for part in self.parts:
            if at < address + size and at in part.pages and (part.writable or not writable):
                at = part.pages.stop
        return at >= address + size


def read_command(arguments: Sequence[str]) -> Command:
    """The command line and the modules' files. Raises `CommandError`, `OSError`."""
    command, rest = Command(Path()), list(arguments)
    while rest and rest[0].startswith("--"):
        if len(rest) < 2:
            raise CommandError(f"{rest[0]} needs a value")
        option, value = rest.pop(0), rest.pop(0)
        try:
            if option == "--memory":
                command.memory = int(value)
            elif option == "--cpu":
                command.cpu = float(value)
            elif option == "--module" and "=" in value:
                name, _, path = value.partition("=")
                command.modules.append(abi.Module(name, Path(path).read_bytes()))
            else:
                raise CommandError(f"{option} {value}: no such option")
        except ValueError as error:
            raise CommandError(f"{option} {value}: not a number") from error
    if not rest:
        raise CommandError("no image")
    if not 0 < command.cpu < 1e9 or not 0 < command.memory <= abi.MEMORY_MAX - abi.BASE:
        raise CommandError(f"--cpu {command.cpu} --memory {command.memory}: out of range")
    command.image, command.words = Path(rest[0]), tuple(rest[1:])
    return command


def loaded(image: elf.Elf, command: Command) -> Guest:
    """Lay out a guest's memory as nx_abi.h says. Raises `CommandError` where it is too small."""
    names = [module.name.encode() + b"\0" for module in command.modules]
    line = " ".join(command.words).encode() + b"\0"
    table = image.end + abi.BOOT.size
    text = table + abi.MODULE.size * len(names)
    at = modules = _pages(text + sum(map(len, names)) + len(line))
    entries = []
    for module, name in zip(command.modules, names, strict=True):
        entries.append((text, at, len(module.content)))
        text += len(name)
        at += _pages(len(module.content))
    size = -(-command.memory // _STEP) * _STEP
    end = abi.BASE + size
    if at + _LEAST_HEAP > end:
        raise CommandError(f"--memory {command.memory}: image and modules alone take {at - abi.BASE} bytes")
    content = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    def put(address: int, data: bytes) -> None:
        content[address - abi.BASE : address - abi.BASE + len(data)] = data

    start = (abi.BOOT_MAGIC, abi.ABI_VERSION, abi.Ring.STORE, len(names), abi.DOORBELL, table, text, at, end)
    put(image.end, abi.BOOT.pack(*start) + b"".join(abi.MODULE.pack(*entry) for entry in entries))
    put(table + abi.MODULE.size * len(names), b"".join(names) + line)
    for module, entry in zip(command.modules, entries, strict=True):
        put(entry[1], module.content)
    parts = [Part(range(abi.BASE, abi.IMAGE), writable=True)]
    for segment in image.segments:
        put(segment.address, segment.content)
        parts.append(Part(segment.pages, segment.writable, segment.executable))
    parts.append(Part(range(image.end, modules), writable=True))
    parts += [Part(range(modules, at))] if at > modules else []
    return Guest(content, image.entry, image.end, (*parts, Part(range(at, end), writable=True)))


class Machine:
    """One emulated processor with a guest's memory and the doorbell."""

    def __init__(self, guest: Guest, channel: int) -> None:
        self.guest, self.channel = guest, channel
        self._touched = 0
        self._bytes = (ctypes.c_char * len(guest.content)).from_buffer(guest.content)
        self._uc = uc = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
        uc.ctl_set_tcg_buffer_size(_TRANSLATED)
        start = ctypes.addressof(self._bytes)
        for part in guest.parts:
            at = part.pages
            protection = unicorn.UC_PROT_READ
            protection |= unicorn.UC_PROT_WRITE if part.writable else 0
            protection |= unicorn.UC_PROT_EXEC if part.executable else 0
            uc.mem_map_ptr(at.start, at.stop - at.start, protection, start + at.start - abi.BASE)
        uc.mmio_map(abi.DOORBELL, abi.PAGE, self._read, None, self._rung, None)
        uc.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._invalid)
        uc.reg_write(x86_const.UC_X86_REG_RDI, guest.boot)
        uc.reg_write(x86_const.UC_X86_REG_RSP, abi.IMAGE)

    def run(self) -> int:
        """Emulate to the end: the exit status, or `FAULTED`, which was told."""
        try:
            self._uc.emu_start(self.guest.entry, _NOWHERE)
        except _Exit as exit_:
            return exit_.status
        except _Fault as fault:
            return self._told(fault.kind, self._at(), fault.address)
        except unicorn.UcError:
            return self._told(abi.FaultKind.MEMORY, self._at(), self._touched)
        # A halted processor, that nothing will wake.
        return self._told(abi.FaultKind.EXIT, unicorn.UC_ERR_OK, self._at())

    def _at(self) -> int:
        return int(self._uc.reg_read(x86_const.UC_X86_REG_RIP))

    def _told(self, kind: abi.FaultKind, at: int, address: int) -> int:
        data = abi.FAULT.pack(kind, 0, at, address)
        self._send(abi.REQUEST.pack(abi.FRAME_MAGIC, abi.Op.FAULT, 0, len(data), 0) + data)
        return FAULTED

    def _invalid(
        self, _uc: object, _access: int, address: int, _size: int, _value: int, _data: object
    ) -> bool:
        # Unicorn keeps 52 bits. Of an address that the processor knows, the upper ones are all alike.
        high = address >> 47
        self._touched = address | -1 << 52 & (1 << 64) - 1 if high == 0x1F else address * (high == 0)
        return False

    def _read(self, _uc: object, offset: int, _size: int, _data: object) -> int:
        raise _Fault(abi.FaultKind.DOORBELL, abi.DOORBELL + offset)

    def _rung(self, _uc: object, offset: int, size: int, block: int, _data: object) -> None:
        guest = self.guest
        if offset or size != 4 or not guest.holds(block, abi.CALL.size, writable=True):
            raise _Fault(abi.FaultKind.DOORBELL, block if size == 4 and not offset else abi.DOORBELL + offset)
        at = block - abi.BASE
        op, reserved, arg, start, length, out, room, _, _ = abi.CALL.unpack_from(guest.content, at)
        needed = 0
        if reserved:
            result = -abi.Errno.EINVAL
        elif length > abi.PAYLOAD_MAX or room > abi.PAYLOAD_MAX:
            result = -abi.Errno.E2BIG
        elif not (guest.holds(start, length) and guest.holds(out, room, writable=True)):
            result = -abi.Errno.EFAULT
        elif op >= abi.Op.FAULT:
            result = -abi.Errno.ENOSYS  # ours to say, not the guest's
        else:
            data = guest.content[start - abi.BASE : start - abi.BASE + length] if length else b""
            result, needed, answer = self._ask(op, arg, data, room)
            if answer:
                guest.content[out - abi.BASE : out - abi.BASE + len(answer)] = answer
        results = abi.CALL.pack(0, 0, 0, 0, 0, 0, 0, result, needed)[_BLOCK_RESULT:]
        guest.content[at + _BLOCK_RESULT : at + abi.CALL.size] = results

    def _ask(self, op: int, arg: int, data: bytes, room: int) -> tuple[int, int, bytes]:
        self._send(abi.REQUEST.pack(abi.FRAME_MAGIC, op, arg, len(data), room) + data)
        if op == abi.Op.EXIT:
            raise _Exit(min(arg, 255))
        result, size, _ = abi.REPLY.unpack(self._receive(abi.REPLY.size))
        if result == -abi.Errno.EMSGSIZE:
            return result, size, b""
        if size > room:
            raise EOFError("the peer does not keep to the protocol")
        return result, size, self._receive(size)

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self.channel, view) :]
        except OSError as error:
            raise EOFError(str(error)) from error

    def _receive(self, size: int) -> bytes:
        got = bytearray()
        while len(got) < size:
            part = os.read(self.channel, size - len(got))
            if not part:
                raise EOFError("the peer has gone")
            got += part
        return bytes(got)


def main(arguments: Sequence[str]) -> int:
    """Run one guest; the exit status."""
    try:
        command = read_command(arguments)
        guest = loaded(elf.parsed(command.image.read_bytes()), command)
        machine = Machine(guest, CHANNEL)
        confine.drop_rights()
        confine.limit(command.cpu, _TRANSLATED + _SLACK)
        if confine.can_leave_system():
            confine.leave_system()
    except (NexusError, OSError, unicorn.UcError) as error:
        print(f"nexus-tender-unicorn: {error}", file=sys.stderr)
        return REFUSED
    try:
        return machine.run()
    except EOFError:
        return FAULTED


def _pages(size: int) -> int:
    return -(-size // abi.PAGE) * abi.PAGE


if __name__ == "__main__":
    ended = main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(ended)  # at once: there is nothing to tidy up
