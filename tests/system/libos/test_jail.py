"""The jail of the fallback: its interpreters, what it says where it does not work, and its seccomp filter."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.errors import MissingPartError
from nexus.core.paths import Home
from nexus.unikernel import cpython_filter, fallback, jail
from nexus.unikernel.fallback import run_cpython
from tests.system.libos.test_fallback import ROOMY, needs_bubblewrap, said


def test_without_bubblewrap_the_package_is_named(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPartError, match="apt install bubblewrap"):
        run_cpython("", ROOMY)
    jail._seen.clear()
    look = fallback.preflight()
    jail._seen.clear()
    assert (look.works, look.code) == (False, "no_program")


def test_an_interpreter_that_is_none_is_named(home: Home) -> None:
    with pytest.raises(MissingPartError, match="no Python that answers"):
        jail.Interpreter.of(Path("/bin/false"))
    with pytest.raises(MissingPartError, match="/absent/python"):
        jail.Interpreter.of(Path("/absent/python"))


@needs_bubblewrap
def test_another_interpreter_may_be_named(home: Home) -> None:
    done = run_cpython("import sys\nprint(sys.version_info[0])", ROOMY, python=Path(sys.executable))
    assert said(done) == "3\n"


@pytest.mark.parametrize(
    ("message", "settings", "code", "mend"),
    [
        (
            "bwrap: setting up uid map: Permission denied",
            {"kernel/apparmor_restrict_unprivileged_userns": "1"},
            "no_user_namespaces",
            "apparmor.d/bwrap",
        ),
        (
            "bwrap: No permissions to create new namespace, likely because the kernel does not allow it",
            {"kernel/unprivileged_userns_clone": "0"},
            "no_user_namespaces",
            "sysctl kernel.unprivileged_userns_clone=1",
        ),
        (
            "bwrap: Creating new namespace failed: No space left on device",
            {"user/max_user_namespaces": "0"},
            "no_user_namespaces",
            "sysctl user.max_user_namespaces",
        ),
        (
            "bwrap: Creating new namespace failed: Operation not permitted",
            {"user/max_user_namespaces": "100"},
            "no_user_namespaces",
            "container",
        ),
        ("bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted", {}, "no_user_namespaces", ""),
        ("bwrap: Can't mount proc on /newroot/proc: Permission denied", {}, "no_proc", "container"),
        ("bwrap: Unknown option --size", {}, "too_old", "bubblewrap 0.8"),
        ("bwrap: something new", {}, "not_started", ""),
    ],
)
def test_complaints_of_bubblewrap_have_a_word_and_a_remedy(
    tmp_path: Path, message: str, settings: dict[str, str], code: str, mend: str
) -> None:
    for name, value in settings.items():
        path = tmp_path / "proc" / "sys" / name
        path.parent.mkdir(parents=True)
        path.write_text(f"{value}\n")
    look = jail.diagnosed(message, tmp_path)
    assert (look.works, look.code) == (False, code)
    assert mend in look.mend
    assert message in look.detail


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_is_a_program_that_the_kernel_would_take(machine: str) -> None:
    program = cpython_filter.program(machine)
    assert program is not None
    code = list(struct.iter_unpack("=HBBI", program))
    assert len(code) <= 4096
    assert code[-1][0] == 0x06
    for at, (opcode, true, false, _) in enumerate(code):
        if opcode & 7 == 5:  # jumps lead forward, within the program
            assert at + 1 + max(true, false) < len(code)
    assert cpython_filter.program("riscv64") is None


def decided(program: bytes, machine: int, number: int, *arguments: int) -> int:
    """What the filter answers, by running it: the kernel's rules for the few instructions it has."""
    data = struct.pack("=IIQ6Q", number, machine, 0, *(arguments + (0,) * 6)[:6])
    code = list(struct.iter_unpack("=HBBI", program))
    at, held = 0, 0
    while True:
        opcode, true, false, value = code[at]
        at += 1
        match opcode:
            case 0x20:
                held = struct.unpack_from("=I", data, value)[0]
            case 0x54:
                held &= value
            case 0x15:
                at += true if held == value else false
            case 0x35:
                at += true if held >= value else false
            case 0x06:
                return int(value)
            case _:
                raise AssertionError(f"opcode {opcode:#x}")


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_the_filter_answers_any_call(number: int, first: int, fourth: int) -> None:
    for name, machine in (("x86_64", 0xC000003E), ("aarch64", 0xC00000B7)):
        program = cpython_filter.program(name)
        assert program is not None
        assert decided(program, machine, number, first, 0, 0, fourth) in (
            0x7FFF0000, 0x80000000, 0x00050001, 0x00050000 | 38, 0x00050000 | 97,
        )  # fmt: skip
        assert decided(program, 0x40000003, number, first) == 0x80000000  # 32-bit calls


def test_the_filter_tells_threads_from_processes() -> None:
    program = cpython_filter.program("x86_64")
    assert program is not None
    allow, refuse = 0x7FFF0000, 0x00050001
    machine = 0xC000003E
    assert decided(program, machine, 56, 0x3D0F00) == allow  # clone, as pthread_create calls it
    assert decided(program, machine, 56, 0x11) == refuse  # clone, as fork
    assert decided(program, machine, 57) == decided(program, machine, 58) == refuse
    assert decided(program, machine, 0) == decided(program, machine, 59) == allow  # read, execve
    assert decided(program, machine, 9, 0, 0, 0, 0x22) == allow  # mmap of private memory
    assert decided(program, machine, 9, 0, 0, 0, 0x21) == refuse  # of shared memory
    assert decided(program, machine, 0x40000000) == 0x80000000  # x32
