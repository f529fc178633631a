"""The map that GNU ld writes: which archive members came in, what was kept of them and what was thrown away.

Knows nothing of the LibOS: names are as the linker has them. Invariant: foreign text cannot make it fail in
another way than `InvalidInputError`, nor take more than one pass over `MOST_BYTES`; lines that say nothing of
members, sections or references are passed over, as most of a map is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from nexus.core.errors import InvalidInputError

MOST_BYTES = 64 << 20
_MEMBERS = "Archive member included to satisfy reference by file (symbol)"
_DISCARDED = "Discarded input sections"
_LAYOUT = "Linker script and memory map"
_REFERENCES = "Cross Reference Table"
_OTHERS = (
    "Memory Configuration",
    "As-needed library included",
    "Allocating common symbols",
    "Merging program",
)

_MEMBER = re.compile(r"([^\s()]+)\(([^()]+)\)(?:\s+(.*))?$")
# " .text.nx_puts  0x0000000000401030       0x24 libnx.a(console.c.o)"; a long name has a line of its own.
_SECTION = re.compile(
    r"( ?)([.\w*$@+-][^\s(]*)(?:\s+0x([0-9a-f]{1,16})\s+0x([0-9a-f]{1,16})(?:\s+(\S.*))?)?$"
)
_REST = re.compile(r"\s+0x([0-9a-f]{1,16})\s+0x([0-9a-f]{1,16})(?:\s+(\S.*))?$")
_FROM_ARCHIVE = re.compile(r"([^\s()]+)\(([^()]+)\)$")
_PLUGIN = " (symbol from plugin)"


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside an archive that the linker took. `because`: who wanted it, by which symbol."""

    archive: str
    name: str
    because: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """An input section: `section` of `file`, `size` bytes, in the `output` section ("" where discarded)."""

    section: str
    output: str
    address: int
    size: int
    file: str

    @property
    def member(self) -> str:
        """The archive member it is from; "" for one that is not from an archive, or went through LTO."""
        found = _FROM_ARCHIVE.search(self.file)
        return found[2] if found else ""


@dataclass(frozen=True, slots=True)
class LinkMap:
    """What one map says. `references`: symbol to the file that defines it, where the map has such a table."""

    members: tuple[Member, ...] = ()
    kept: tuple[Piece, ...] = ()
    discarded: tuple[Piece, ...] = ()
    references: dict[str, str] = field(default_factory=dict)


def read(path: Path) -> LinkMap:
    """The map in a file. Raises `InvalidInputError` where it cannot be read or is none."""
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InvalidInputError(f"{path}: {error.strerror}") from error
    if len(raw) > MOST_BYTES:
        raise InvalidInputError(f"{path} is over {MOST_BYTES >> 20} MiB, no map of an image")
    try:
        return parse(raw.decode(errors="replace"))
    except InvalidInputError as error:
        raise InvalidInputError(f"{path}: {error.message}") from error


def parse(text: str) -> LinkMap:
    """A map's text. Raises `InvalidInputError` where it has no memory map."""
    parts: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line in (_MEMBERS, _DISCARDED, _LAYOUT, _REFERENCES) or line.startswith(_OTHERS):
            lines = parts.setdefault(line, [])
        else:
            lines.append(line)
    if _LAYOUT not in parts:
        raise InvalidInputError("it is not a map of GNU ld", hint="link with -Wl,-Map=FILE")
    return LinkMap(
        tuple(_members(parts.get(_MEMBERS, []))),
        # What has no address (.comment, .debug_*) is in the file at most, never in the guest.
        tuple(_pieces(parts[_LAYOUT], linked=True)),
        tuple(_pieces(parts.get(_DISCARDED, []), linked=False)),
        _references(parts.get(_REFERENCES, [])),
    )


def _members(lines: list[str]) -> list[Member]:
    found: list[Member] = []
    for line in lines:
        match = _MEMBER.match(line)
        if match:
            found.append(Member(_base(match[1]), match[2], match[3] or ""))
        elif line.startswith(" ") and found and not found[-1].because:
            found[-1] = Member(found[-1].archive, found[-1].name, line.strip())
    return found


def _pieces(lines: list[str], *, linked: bool) -> list[Piece]:
    """Input sections in order. `linked`: only those of output sections that have an address."""
    found: list[Piece] = []
    output, waiting, in_memory = "", "", not linked
    for line in lines:
        if waiting and (rest := _REST.match(line)):
            section, address, size, file = waiting, rest[1], rest[2], rest[3]
        elif match := _SECTION.match(line):
            if not match[1]:
                output, in_memory = match[2], not linked
            elif match[2].startswith("*(") or match[2] == "*fill*":
                waiting = ""
                continue
            if match[4] is None:
                waiting = match[2] if match[1] else output
                continue
            section, address, size, file = match[2], match[3], match[4], match[5]
        else:
            waiting = ""
            continue
        waiting = ""
        if file:
            if in_memory and int(size, 16):
                found.append(_piece(section, output if linked else "", address, size, file))
        elif section == output and linked:
            in_memory = int(address, 16) > 0
    return found


def _piece(section: str, output: str, address: str, size: str, file: str) -> Piece:
    return Piece(section, output, int(address, 16), int(size, 16), file.removesuffix(_PLUGIN).strip())


def _references(lines: list[str]) -> dict[str, str]:
    """Symbol to the first file named: the one that defines it. What LTO made of all files is none of them."""
    found: dict[str, str] = {}
    symbol = ""
    for line in lines:
        name, _, file = line.partition(" ")
        symbol, file = name or symbol, file.strip().removesuffix(_PLUGIN)
        if symbol and file and symbol != "Symbol" and ".ltrans" not in file:
            found.setdefault(symbol, file)
    return found


def _base(path: str) -> str:
    return path.rsplit("/", 1)[-1]
