"""Guests in C that try to get out, on every backend: the guest ends, the host and its neighbours do not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from nexus.unikernel.grants import Grants
from nexus.unikernel.images import Image
from nexus.unikernel.limits import MIB, Limits
from nexus.unikernel.result import Result
from nexus.unikernel.sandbox import run_image
from nexus.unikernel.tender import Backend
from tests.system.unikernel.conftest import works

Built = Callable[[str], Image]
SMALL = Limits(wall=60, cpu=30, memory=16 * MIB)


def run(image: Image, backend: Backend, *words: str, limits: Limits = SMALL, **given) -> Result:
    return run_image(image, words, backend=backend, limits=limits, **given)


FAULTS = (
    *("read-null", "write-null", "read-wild", "write-wild", "read-top", "read-hole"),
    *("write-text", "write-constant", "write-module", "jump-data", "jump-heap", "jump-stack", "jump-null"),
    *("stack", "behind", "divide", "invalid"),
)


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_ends_the_guest_and_is_said(
    built: Built, backend: Backend, what: str, tmp_path: Path
) -> None:
    (tmp_path / "main.py").write_text("pass")
    result = run(built("faults"), backend, what, modules=[("main.py", tmp_path / "main.py")])
    assert result.stderr == b"before\n"
    if (backend, what) == ("qemu", "write-module"):
        # One archive in the machine's memory, which the guest may spoil for itself.
        assert result.ending in ("exited", "crashed")
        return
    assert (result.ending, result.stdout) == ("crashed", b""), result
    assert result.status > 128
    assert result.detail
    if backend != "qemu":  # which does not say
        assert ("the stack ran over" in result.detail) == (what == "stack"), result.detail


INSTRUCTIONS = (
    *("syscall-write", "syscall-open", "syscall-fork", "syscall-exit", "syscall-mprotect", "syscall-signal"),
    *("int80", "sysenter", "int3", "in", "out", "cli", "lgdt", "lidt", "wrmsr", "rdmsr", "cr0", "cr3"),
    *("vmcall", "rdtsc", "cpuid"),
)
# What any process may do, and what Linux lets the tender itself do: write to its own output, and end.
OPEN_TO_PROCESSES = ("syscall-write", "syscall-exit", "vmcall", "rdtsc", "cpuid")


@pytest.mark.parametrize("what", INSTRUCTIONS)
def test_an_instruction_for_systems_gives_a_guest_nothing(built: Built, backend: Backend, what: str) -> None:
    result = run(built("instructions"), backend, what)
    assert result.ending in ("exited", "crashed"), result
    assert result.stderr == b"before\n"
    assert result.stdout in (b"", b"after\n", b"said by a system call\nafter\n"), result
    if result.ending == "exited":
        assert result.status in (7, 77)
    if backend == "spt" and what not in OPEN_TO_PROCESSES:
        assert result.ending == "crashed", result
    if backend != "spt":
        assert b"system call" not in result.stdout
        assert result.status != 77


def test_a_halted_guest_is_ended(built: Built, backend: Backend) -> None:
    result = run(built("instructions"), backend, "hlt", limits=Limits(wall=3, cpu=30, memory=16 * MIB))
    assert result.ending in ("crashed", "wall"), result
    assert result.seconds < 30


@pytest.mark.parametrize("seed", range(4))
def test_random_calls_leave_host_and_guest_whole(
    built: Built, backend: Backend, seed: int, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(64 * 512))
    granted = Grants(blocks=((disk, True),), files=(tmp_path,), functions={"f": lambda **_: 1})
    limits = Limits(wall=120, cpu=120, memory=16 * MIB, calls=100_000)
    result = run(built("doorbell"), backend, str(seed), "2000", limits=limits, grants=granted)
    assert (result.ending, result.status, result.stdout) == ("exited", 0, b"done\n"), result
    assert disk.stat().st_size == 64 * 512
    assert [path.name for path in tmp_path.iterdir()] == ["disk"]


@pytest.mark.parametrize("seed", range(8))
def test_a_call_block_anywhere_is_answered_or_ends_the_guest(
    built: Built, backend: Backend, seed: int
) -> None:
    limits = Limits(wall=10, cpu=10, memory=16 * MIB)
    result = run(built("doorbell"), backend, str(seed + 1), "50", "wild", limits=limits)
    # Under QEMU the guest's own driver takes the block, and may spoil itself before it faults.
    assert result.ending in ("crashed", "exited", *(("wall", "cpu") if backend == "qemu" else ())), result


def test_an_endless_loop_ends_with_the_wall(built: Built, backend: Backend) -> None:
    result = run(built("greedy"), backend, "loop", limits=Limits(wall=1, cpu=30, memory=16 * MIB))
    assert (result.ending, result.status) == ("wall", 137), result
    assert 1 <= result.seconds < 20


def test_an_endless_loop_ends_with_its_processor_time(built: Built, backend: Backend) -> None:
    result = run(built("greedy"), backend, "loop", limits=Limits(wall=60, cpu=0.5, memory=16 * MIB))
    assert (result.ending, result.status) == ("cpu", 137), result


def test_a_guest_that_sleeps_ends_with_the_wall(built: Built, backend: Backend) -> None:
    result = run(built("greedy"), backend, "sleep", limits=Limits(wall=2, cpu=30, memory=16 * MIB))
    assert (result.ending, result.stdout) == ("wall", b"asleep\n"), result


def test_memory_ends_where_it_was_said(built: Built, backend: Backend) -> None:
    result = run(built("greedy"), backend, "memory")
    assert result.ok, result
    assert 3000 < int(result.stdout.split()[0]) <= 4096  # of 16 MiB


@pytest.mark.parametrize("what", ["output", "errors"])
def test_a_gigabyte_of_output_is_cut_at_its_limit(built: Built, backend: Backend, what: str) -> None:
    seen: list[int] = []
    limits = Limits(wall=60, cpu=30, memory=16 * MIB, output=3 * MIB)
    result = run(
        built("greedy"), backend, what, limits=limits, on_output=lambda _, piece: seen.append(len(piece))
    )
    assert result.ending == "output", result.ending
    assert len(result.stdout + result.stderr) == sum(seen) == 3 * MIB
    assert set(result.stdout + result.stderr) == {ord("x")}


def test_calls_are_counted(built: Built, backend: Backend) -> None:
    limits = Limits(wall=60, cpu=30, memory=16 * MIB, calls=100)
    result = run(built("greedy"), backend, "calls", limits=limits)
    assert (result.ending, result.status) == ("calls", 137), result


@pytest.mark.parametrize("way", ["up", "down", "stack", "thread"])
def test_what_a_guest_sees_of_its_tender_is_no_secret(built: Built, monkeypatch, way: str) -> None:
    """Only `spt` shares an address space with its guest. What it holds there is its own program and stack."""
    monkeypatch.setenv("A_SECRET", "of-the-host-that-started-it")
    limits = Limits(wall=60, cpu=30, memory=16 * MIB, output=64 * MIB)
    result = run(built("look"), works("spt"), way, limits=limits)
    assert result.ending in ("crashed", "exited"), result.ending
    if way in ("up", "down"):
        assert result.stdout, "it saw nothing, so this test shows nothing"
    assert b"of-the-host-that-started-it" not in result.stdout
    for value in (os.environ.get("PATH", ""), os.environ.get("HOME", "")):
        assert len(value) < 6 or value.encode() not in result.stdout
