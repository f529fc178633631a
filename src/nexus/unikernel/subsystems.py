"""Which part of the LibOS a piece of an image belongs to.

The linker names files of archives and, after LTO, only symbols. Knows the names of our source files, and
reads the ones that are there to tell whose a symbol is. Invariant: every piece belongs to exactly one part;
what cannot be told apart belongs to what was built: the application, or Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from nexus.unikernel.linkmap import LinkMap, Member, Piece

# Part to what it is, in the order in which they are shown. All are told of, present or not.
PARTS: dict[str, str] = {
    "app": "the application",
    "python": "the Python interpreter (MicroPython)",
    "libm": "floating-point functions",
    "network": "network stack (lwIP)",
    "files": "files of the host that are granted",
    "blocks": "block devices",
    "calls": "functions of the host that are granted",
    "fetch": "code to run next, for warm guests",
    "modules": "files that come with the guest",
    "heap": "heap",
    "console": "standard input, output and error",
    "time": "clocks and sleeping",
    "random": "random bytes",
    "virtio": "virtio console, for QEMU",
    "doorbell": "the doorbell: the one way out",
    "start": "entry from a loader",
    "text": "memory and string functions",
    "compiler": "the compiler's own functions",
}
# A source file of the core, without its ending, and its part where they are not named alike.
_FILES = {
    **dict.fromkeys(("entry64", "pvh", "pvh32", "boot", "exit", "panic"), "start"),
    **dict.fromkeys(("input", "printf", "format", "format_double", "decimal"), "console"),
    **dict.fromkeys(("ring", "ask"), "doorbell"),
    **dict.fromkeys(("memory", "string"), "text"),
    **dict.fromkeys(("pages", "alloc", "malloc"), "heap"),
    **dict.fromkeys(("module", "archive"), "modules"),
    **dict.fromkeys(("file",), "files"),
    **dict.fromkeys(("block",), "blocks"),
    **dict.fromkeys(("call", "host"), "calls"),
    **dict.fromkeys(("clock", "sleep"), "time"),
    **dict.fromkeys(("socket", "sockets", "net", "lwip"), "network"),
}
_LWIP = "lwip_"
_ARCHIVES = {"libgcc": "compiler", "libm": "libm"}
_PREFIX = re.compile(r"\.(?:text|rodata|data|bss)\.(?:(?:startup|unlikely|hot|exit|rel\.ro(?:\.local)?)\.)?")
_SUFFIX = re.compile(r"(?:\.(?:constprop|isra|part|cold|lto_priv|str\d+|cst\d+|\d+))+(?:\.\d+)*$")
# A definition begins in the first column, or with "static"; its name stands before "(", "[", "=" or ";".
_DEFINED = re.compile(
    r"^(?:(?:[A-Za-z_}]|[ \t]+static\b)[^;#(=\[\n]*?\b)?([A-Za-z_]\w*)[ \t]*(?:\(|\[|=|;)", re.MULTILINE
)
_WANTED = re.compile(r"\((\w+)\)$")
_ATTRIBUTE = re.compile(r"__attribute__\s*\(\(.*?\)\)[ \t]*")


def symbol_of(section: str) -> str:
    """The symbol that a compiler named a section after; "" where it named it after none."""
    bare = _PREFIX.sub("", section, count=1)
    return "" if bare == section else _SUFFIX.sub("", bare)


def part_of_member(member: Member) -> str:
    """The part that a file of an archive belongs to."""
    archive = member.archive.removesuffix(".a")
    if archive in _ARCHIVES:
        return _ARCHIVES[archive]
    stem = _stem(member.name)
    if archive == "libnx":
        return _FILES.get(stem, stem)
    for word, part in (("lwip", "network"), ("net", "network"), ("libm", "libm"), ("python", "python")):
        if word in archive:
            return part
    return _FILES.get(stem, stem if stem in PARTS else "app")


def owner(
    linked: LinkMap, otherwise: str, sources: Mapping[str, Path] | None = None
) -> Callable[[Piece], str]:
    """What tells a piece's part. `otherwise`: the part of what nothing is known of, "app" or "python".
    `sources`: source files by their name ("console.c"), to tell apart what LTO has put together."""
    by_file = {member.name: part_of_member(member) for member in linked.members}
    foreign = {
        _stem(m.name).removeprefix(_LWIP): "network" for m in linked.members if m.name.startswith(_LWIP)
    }
    symbols: dict[str, str] = {}
    for member in linked.members:
        # It was taken because it defines this symbol.
        if wanted := _WANTED.search(member.because):
            symbols[wanted[1]] = by_file[member.name]
        path = (sources or {}).get(member.name.removesuffix(".o"))
        if path is not None:
            symbols |= dict.fromkeys(_definitions(path) - symbols.keys(), by_file[member.name])
    for symbol, file in linked.references.items():
        name = file.rsplit("/", 1)[-1]
        name = name[name.find("(") + 1 :].rstrip(")")
        symbols[symbol] = by_file.get(name, otherwise)

    def part(piece: Piece) -> str:
        if piece.member:
            return by_file.get(piece.member, otherwise)
        if piece.output == ".boot" or piece.section.startswith(".note"):
            return "start"
        symbol = symbol_of(piece.section)
        # What lwIP defines by macros no source shows; it names it after the file: memp_memory_PBUF_base.
        return symbols.get(symbol) or foreign.get(symbol.partition("_")[0], otherwise)

    return part


@cache
def _definitions(source: Path) -> frozenset[str]:
    try:
        return frozenset(_DEFINED.findall(_ATTRIBUTE.sub("", source.read_text(errors="replace"))))
    except OSError:
        return frozenset()


def _stem(name: str) -> str:
    return name.removesuffix(".o").rsplit(".", 1)[0]
