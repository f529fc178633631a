"""The instructions of an image: whether it could ask a kernel for anything, or touch the processor's state.

Decoding is objdump's, of binutils. `.boot`, the way in from a 32-bit loader, is privileged on purpose and is
counted apart. Invariant: a count is of what objdump decoded from the first byte of each section on; what a
jump into the middle of an instruction could reach is told apart, as raw byte pairs.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nexus.core.errors import InvalidInputError, MissingPartError
from nexus.unikernel import elf

BOOT = ".boot"
INSTALL = "apt install binutils (dnf install binutils)"
_SECONDS = 120.0

# Kind to mnemonics, in AT&T spelling without the size letter at the end.
KINDS: dict[str, frozenset[str]] = {
    "syscall": frozenset({"syscall"}),
    "sysenter": frozenset({"sysenter"}),
    "int": frozenset({"int", "int1", "int3", "into", "icebp"}),
    "in": frozenset({"in", "ins"}),
    "out": frozenset({"out", "outs"}),
    "hlt": frozenset({"hlt"}),
    "privileged": frozenset(
        "cli sti lgdt lidt lldt ltr lmsw clts invd wbinvd wbnoinvd invlpg invpcid invlpga wrmsr rdmsr rdpmc"
        " swapgs iret sysret sysexit sysexitl xsetbv monitor mwait monitorx mwaitx vmcall vmmcall vmlaunch"
        " vmresume vmxon vmxoff vmread vmwrite vmptrld vmptrst vmclear vmrun vmload vmsave stgi clgi skinit"
        " rsm encls enclv getsec".split()
    ),
}
_KIND = {name: kind for kind, names in KINDS.items() for name in names}
_PREFIXES = frozenset(
    "lock rep repz repnz repe repne data16 data32 addr32 addr16 cs ds es ss fs gs notrack bnd xacquire"
    " xrelease".split()
)
RAW = {"syscall": b"\x0f\x05", "sysenter": b"\x0f\x34", "int 0x80": b"\xcd\x80"}

_HEAD = re.compile(r"Disassembly of section (\S+):$")
_LINE = re.compile(r"\s*[0-9a-f]+:\t(\S.*)$")
_CONTROL = re.compile(r"%(?:cr|db|dr)\d")


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found. Counts are by kind (`KINDS`); kinds that do not occur are 0.

    `instructions`: decoded outside of `.boot`; `unknown`: of them not decodable. `raw`: the byte pairs of
    `RAW` at any offset of what may be executed, instruction or not.
    """

    instructions: int
    unknown: int
    found: dict[str, int]
    boot: dict[str, int]
    raw: dict[str, int] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Nothing outside of `.boot` asks a kernel or needs privilege."""
        return not any(self.found.values()) and not self.unknown

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "instructions": self.instructions,
            "unknown": self.unknown,
            "found": self.found,
            "boot": self.boot,
            "raw_byte_pairs": self.raw,
            "clean": self.clean,
        }


def audit(image: Path) -> Audit:
    """Look through an image's ELF file. Raises `MissingPartError` without objdump, `InvalidInputError` for a
    file that is no image."""
    try:
        with image.open("rb") as file:
            content = file.read(elf.LARGEST + 1)
    except OSError as error:
        raise InvalidInputError(f"{image}: {error.strerror}") from error
    code = [segment.content for segment in elf.parsed(content).segments if segment.executable]
    raw = {name: sum(part.count(pair) for part in code) for name, pair in RAW.items()}
    program = shutil.which("objdump")
    if program is None:
        raise MissingPartError("objdump is not in PATH; it decodes the image's instructions", hint=INSTALL)
    try:
        done = subprocess.run(
            [program, "-d", "-w", "--no-show-raw-insn", "--", str(image)],
            capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False,
            env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise InvalidInputError(f"objdump takes over {_SECONDS:.0f} s with {image}") from error
    except OSError as error:
        raise MissingPartError(f"{program} does not start: {error.strerror}", hint=INSTALL) from error
    if done.returncode != 0:
        raise InvalidInputError(f"objdump does not read {image}: {done.stderr.strip()[:200]}")
    return count(done.stdout.splitlines(), raw)


def count(listing: Iterable[str], raw: dict[str, int] | None = None) -> Audit:
    """Count over the lines of `objdump -d --no-show-raw-insn`."""
    inside: Counter[str] = Counter()
    boot: Counter[str] = Counter()
    section, instructions, unknown = "", 0, 0
    for line in listing:
        if head := _HEAD.match(line):
            section = head[1]
        elif text := _LINE.match(line):
            kind = kind_of(text[1])
            if section == BOOT:
                boot[kind] += 1
                continue
            instructions += 1
            unknown += text[1].startswith("(bad)")
            inside[kind] += 1
    return Audit(instructions, unknown, {k: inside[k] for k in KINDS}, {k: boot[k] for k in KINDS}, raw or {})


def kind_of(instruction: str) -> str:
    """The kind of one instruction as objdump writes it; "" for what any program may do."""
    words = instruction.split()
    while len(words) > 1 and (words[0] in _PREFIXES or words[0].startswith("rex")):
        words.pop(0)
    name = words[0]
    if name.startswith("mov") and len(words) > 1 and _CONTROL.search(words[1]):
        return "privileged"
    if name in _KIND:
        return _KIND[name]
    # inb, outsl, iretq, lgdtl, sysretq: a letter for the size.
    return _KIND.get(name[:-1], "") if name[-1] in "bwlq" else ""
