"""The audit of instructions: programs that the test assembles, listings, and bytes that are no image."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.errors import InvalidInputError, MissingPartError
from nexus.unikernel.audit import KINDS, Audit, audit, count, kind_of

needs_binutils = pytest.mark.skipif(
    not all(map(shutil.which, ("gcc", "ld", "objdump"))), reason="gcc, ld and objdump are not all in PATH"
)


def made(folder: Path, assembly: str) -> Path:
    """An image with `.boot` and `.text` of these instructions, linked as images are."""
    (folder / "a.S").write_text(assembly)
    script = "ENTRY(begin) PHDRS { code PT_LOAD FLAGS(5); } SECTIONS { . = 0x300000;"
    (folder / "a.ld").write_text(
        f"{script} .boot : {{ *(.boot) }} :code .text : {{ *(.text) }} :code /DISCARD/ : {{ *(*) }} }}"
    )
    for argv in (["gcc", "-c", "a.S", "-o", "a.o"], ["ld", "-T", "a.ld", "a.o", "-o", "a.elf"]):
        subprocess.run(argv, cwd=folder, check=True, capture_output=True)
    return folder / "a.elf"


@needs_binutils
def test_what_asks_a_kernel_or_needs_privilege_is_counted_by_kind(tmp_path: Path) -> None:
    found = audit(
        made(
            tmp_path,
            ".globl begin\n.text\nbegin: syscall; sysenter; int $0x80; int3; hlt; cli; wrmsr; swapgs; iretq\n"
            "in (%dx),%al; rep insb; rep outsl; mov %rax,%cr3; mov %db7,%rax; lgdt (%rax); ret\n",
        )
    )
    assert found.found == {
        "syscall": 1, "sysenter": 1, "int": 2, "in": 2, "out": 1, "hlt": 1, "privileged": 7,
    }  # fmt: skip
    assert (found.instructions, found.unknown, found.clean) == (16, 0, False)
    assert found.raw["syscall"] == found.raw["sysenter"] == found.raw["int 0x80"] == 1


@needs_binutils
def test_the_way_in_is_counted_apart(tmp_path: Path) -> None:
    found = audit(
        made(
            tmp_path,
            '.globl begin\n.section .boot,"ax"\ncli; lgdt (%rax); mov %rax,%cr0; hlt\n.text\n'
            "begin: inc %eax; lock incl (%rax); nop; ret\n",
        )
    )
    assert found.clean
    assert found.instructions == 4
    assert (found.boot["privileged"], found.boot["hlt"]) == (3, 1)


@needs_binutils
def test_bytes_inside_another_instruction_are_told_apart(tmp_path: Path) -> None:
    found = audit(made(tmp_path, ".globl begin\n.text\nbegin: mov $0x050f, %eax; ret\n"))
    assert found.clean
    assert found.raw == {"syscall": 1, "sysenter": 0, "int 0x80": 0}


@needs_binutils
def test_what_cannot_be_decoded_is_not_clean(tmp_path: Path) -> None:
    found = audit(made(tmp_path, ".globl begin\n.text\nbegin: ret; .byte 0x06, 0x0e\n"))
    assert found.unknown == 2
    assert not found.clean


@needs_binutils
def test_without_objdump_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = made(tmp_path, ".globl begin\n.text\nbegin: ret\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPartError, match="apt install binutils"):
        audit(image)


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="No such file"):
        audit(tmp_path / "absent")
    path = tmp_path / "text"
    path.write_text("no program at all")
    with pytest.raises(InvalidInputError):
        audit(path)
    with pytest.raises(InvalidInputError):
        audit(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("instruction", "kind"),
    [
        ("syscall", "syscall"),
        ("sysretl", "privileged"),
        ("int    $0x80", "int"),
        ("int3", "int"),
        ("repz insb (%dx),%es:(%rdi)", "in"),
        ("rex.W iretq", "privileged"),
        ("mov    %rax,%cr3", "privileged"),
        ("mov    0x8(%rax),%rcx", ""),
        ("incl   (%rax)", ""),
        ("inc    %eax", ""),
        ("lock cmpxchg %rax,(%rdx)", ""),
        ("notrack jmp *%rax", ""),
        ("outsl  %ds:(%rsi),(%dx)", "out"),
        ("invlpg (%rax)", "privileged"),
        ("cs nopw 0x0(%rax,%rax,1)", ""),
        ("rdtsc", ""),
        ("lock", ""),
    ],
)
def test_kinds(instruction: str, kind: str) -> None:
    assert kind_of(instruction) == kind


@given(st.lists(st.one_of(st.text(max_size=30), st.sampled_from(["  1:\tsyscall", "  1:\t\x0c", "  f:\t "]))))
def test_any_listing_is_counted(lines: list[str]) -> None:
    found = count(lines)
    assert isinstance(found, Audit)
    assert set(found.found) == set(KINDS)
    assert sum(found.found.values()) <= found.instructions
