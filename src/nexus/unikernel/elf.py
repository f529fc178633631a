"""The ELF files that are images: a strict reader for loaders written in Python.

Knows only what nx_abi.h and image.ld promise, and refuses the rest: a file that a linker of ours did not
make is not loaded as well as it goes. Invariant: the segments of an `Elf` lie in order on pages of their own
within [abi.IMAGE, abi.MEMORY_MAX), their bytes within the file, none is writable and executable, and the
entry is in one that is executable.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from nexus.core.errors import InvalidInputError
from nexus.unikernel import abi

LARGEST = 64 << 20  # bytes of a file
_IDENT = b"\x7fELF\x02\x01\x01"  # 64 bits, little-endian, version 1
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_PROGRAM = struct.Struct("<IIQQQQQQ")
_EXECUTABLE, _X86_64 = 2, 62
_LOAD, _DYNAMIC, _INTERPRETER, _THREAD_LOCAL = 1, 2, 3, 7
_MOST_SEGMENTS = 8


class BadImageError(InvalidInputError):
    """A file that is no image of the LibOS; the message says which rule it breaks."""

    code = "invalid_image"


@dataclass(frozen=True, slots=True)
class Segment:
    """`size` bytes at `address`, the first of them `content` and the rest zero."""

    address: int
    size: int
    content: bytes
    writable: bool
    executable: bool

    @property
    def pages(self) -> range:
        """The addresses of the pages it lies on, from the first's start to the last's end."""
        return range(_down(self.address), _up(self.address + self.size))


@dataclass(frozen=True, slots=True)
class Elf:
    """What a loader needs of an image."""

    entry: int
    segments: tuple[Segment, ...]

    @property
    def end(self) -> int:
        """The first page behind the image."""
        return self.segments[-1].pages.stop


def parsed(content: bytes) -> Elf:
    """The image in a file's bytes. Raises `BadImageError`."""
    if len(content) > LARGEST:
        raise BadImageError(f"image of {len(content)} bytes: at most {LARGEST}")
    if len(content) < _HEADER.size or not content.startswith(_IDENT):
        raise BadImageError("not a 64-bit little-endian ELF file")
    fields = _HEADER.unpack_from(content)
    kind, machine, _, entry, programs = fields[1:6]
    entry_size, count = fields[9:11]
    if (kind, machine) != (_EXECUTABLE, _X86_64):
        raise BadImageError(f"ELF type {kind} for machine {machine}: an image is a static program for x86-64")
    if entry_size != _PROGRAM.size or not count:
        raise BadImageError(f"{count} program headers of {entry_size} bytes each")
    if programs + count * _PROGRAM.size > len(content):
        raise BadImageError("the program headers lie outside the file")
    segments: list[Segment] = []
    for number in range(count):
        kind, *rest = _PROGRAM.unpack_from(content, programs + number * _PROGRAM.size)
        if kind in (_DYNAMIC, _INTERPRETER, _THREAD_LOCAL):
            raise BadImageError(f"program header {number} is of type {kind}: an image is static, without TLS")
        if kind == _LOAD and rest[5]:
            segments.append(
                _segment(content, number, rest, segments[-1].pages.stop if segments else abi.IMAGE)
            )
    if len(segments) > _MOST_SEGMENTS:
        raise BadImageError(f"{len(segments)} segments: at most {_MOST_SEGMENTS}")
    if not any(part.executable and 0 <= entry - part.address < len(part.content) for part in segments):
        raise BadImageError(f"the entry {entry:#x} is in no executable segment")
    return Elf(entry, tuple(segments))


def _segment(content: bytes, number: int, fields: list[int], least: int) -> Segment:
    flags, offset, virtual, physical, in_file, size, _ = fields
    if virtual != physical:
        raise BadImageError(f"segment {number} is linked at {virtual:#x} and loaded at {physical:#x}")
    if _down(virtual) < least or virtual + size > abi.MEMORY_MAX:
        raise BadImageError(f"segment {number} at {virtual:#x}, {size} bytes, lies where it must not")
    if in_file > size or offset + in_file > len(content) or (virtual - offset) % abi.PAGE:
        raise BadImageError(f"segment {number} takes {in_file} bytes at {offset} of {len(content)}")
    writable, executable = bool(flags & 2), bool(flags & 1)
    if not flags & 4 or flags > 7 or (writable and executable):
        raise BadImageError(f"segment {number} has the flags {flags}: r, rw or rx are what there is")
    return Segment(virtual, size, content[offset : offset + in_file], writable, executable)


def _down(address: int) -> int:
    return address // abi.PAGE * abi.PAGE


def _up(address: int) -> int:
    return -(-address // abi.PAGE) * abi.PAGE
