"""What is in an image, what is not, and whether it could ask a kernel for anything.

From the linker's map and the instructions themselves; runs nothing of the image. Invariant: a part that is
absent has no file among those that the linker took and no byte in the image.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nexus.core.errors import MissingPartError, NexusError, NotFoundError
from nexus.unikernel import linkmap, subsystems
from nexus.unikernel.audit import Audit, audit
from nexus.unikernel.images import Image
from nexus.unikernel.linkmap import LinkMap

_CODE_AND_DATA = (".text", ".rodata", ".data", ".bss")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the LibOS in one image. `size`: bytes of code and data in the file; `zeros`: bytes of memory
    beside them that begin as zero; `files`: what the linker took of it."""

    name: str
    what: str
    size: int
    zeros: int
    files: tuple[str, ...]

    @property
    def present(self) -> bool:
        """Whether anything of it is in the image."""
        return bool(self.size or self.zeros or self.files)


@dataclass(frozen=True, slots=True)
class Explanation:
    """One image. `sections`: bytes by name; `discarded`: bytes that were compiled and not linked.

    `audit` is None where it could not be made; `problem` says why then.
    """

    kind: str
    key: str
    file_size: int
    library_size: int
    sections: dict[str, int]
    parts: tuple[Part, ...]
    discarded: int
    audit: Audit | None
    problem: str = ""

    def part(self, name: str) -> Part:
        """A part by its name. Raises `KeyError`."""
        return {part.name: part for part in self.parts}[name]

    @property
    def verdicts(self) -> tuple[str, ...]:
        """What there is to know, one plain line each."""
        lines = [f"{self.file_size:,} bytes; beside it {self.library_size:,} bytes of Python library"]
        if not self.library_size:
            lines = [f"{self.file_size:,} bytes"]
        for part in self.parts:
            if part.name in ("network", "python", "files", "blocks", "calls"):
                state = f"present ({part.size + part.zeros:,} bytes)" if part.present else "absent (0 bytes)"
                lines.append(f"{part.what}: {state}")
        if self.audit is None:
            return (*lines, f"instructions: not looked at: {self.problem}")
        found = [f"{number} {kind}" for kind, number in self.audit.found.items() if number]
        found += [f"{self.audit.unknown} not decodable"] if self.audit.unknown else []
        ways = ", ".join(found) if found else "no system call, interrupt, port or privileged instruction"
        lines.append(f"instructions: {ways} in {self.audit.instructions:,}")
        pairs = [f"{number} x {name}" for name, number in self.audit.raw.items() if number]
        if pairs:
            lines.append(f"bytes inside other instructions that read as: {', '.join(pairs)}")
        return tuple(lines)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "kind": self.kind,
            "key": self.key,
            "file_size": self.file_size,
            "library_size": self.library_size,
            "sections": self.sections,
            "parts": [asdict(part) | {"present": part.present} for part in self.parts],
            "discarded": self.discarded,
            "audit": self.audit.as_dict() if self.audit else None,
            "problem": self.problem,
            "verdicts": list(self.verdicts),
        }


def explain(image: Image) -> Explanation:
    """Look at a built image. Raises `NotFoundError` where it is not whole, `InvalidInputError` where its map
    or its ELF file is none."""
    if not image.elf.is_file() or not image.map.is_file():
        raise NotFoundError(f"{image.folder} is no whole image", hint="nexus unikernel build APP")
    linked = linkmap.read(image.map)
    found, problem = None, ""
    try:
        found = audit(image.elf)
    except MissingPartError as error:
        problem = str(error)
    return Explanation(
        kind=image.kind,
        key=image.key,
        file_size=image.elf.stat().st_size,
        library_size=image.library.stat().st_size if image.library else 0,
        sections=dict(_sizes(linked)),
        parts=parts(linked, "python" if image.kind == "python" else "app", _sources()),
        discarded=sum(p.size for p in linked.discarded if p.section.startswith(_CODE_AND_DATA)),
        audit=found,
        problem=problem,
    )


def parts(linked: LinkMap, otherwise: str, sources: dict[str, Path] | None = None) -> tuple[Part, ...]:
    """All parts that are known, and those of a map beside them. See `subsystems.owner`."""
    part_of = subsystems.owner(linked, otherwise, sources)
    sizes: Counter[str] = Counter()
    zeros: Counter[str] = Counter()
    files: dict[str, list[str]] = {}
    for piece in linked.kept:
        (zeros if piece.output == ".bss" else sizes)[part_of(piece)] += piece.size
    for member in linked.members:
        files.setdefault(subsystems.part_of_member(member), []).append(member.name.removesuffix(".o"))
    names = [*subsystems.PARTS, *sorted((set(sizes) | set(zeros) | set(files)) - set(subsystems.PARTS))]
    return tuple(
        Part(name, subsystems.PARTS.get(name, name), sizes[name], zeros[name], tuple(files.get(name, ())))
        for name in names
    )


def _sizes(linked: LinkMap) -> Counter[str]:
    found: Counter[str] = Counter()
    for piece in linked.kept:
        found[piece.output] += piece.size
    return found


def _sources() -> dict[str, Path]:
    """The C sources that are here, by the names of their members without ".o"."""
    from nexus.unikernel import cache, lwip
    from nexus.unikernel.toolchain import libos

    found: dict[str, Path] = {}
    try:
        found |= {path.name: path for part in ("core", "net") for path in (libos() / part).glob("*.[cS]")}
        unpacked = cache.root() / "sources"
    except NexusError:
        return found
    for folder in unpacked.glob("lwip-*"):
        found |= {f"{lwip.PREFIX}{path.name}": path for path in lwip.foreign(folder)}
    for path in unpacked.glob("micropython-*/lib/libm_dbl/*.c"):
        found[path.stem] = path
    return found
