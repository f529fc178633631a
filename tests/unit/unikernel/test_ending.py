"""Why a run is over, in words."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.unikernel import abi
from nexus.unikernel.abi import FaultKind
from nexus.unikernel.ending import SandboxError, fault_in_words, of_process


def exited(status: int) -> int:
    return status << 8


def fault(kind: int, ip: int, address: int) -> bytes:
    return abi.FAULT.pack(kind, 0, ip, address)


@pytest.mark.parametrize(
    ("number", "ending", "status", "words"),
    [
        (signal.SIGPROF, "cpu", 137, "CPU time"),
        (signal.SIGXCPU, "cpu", 137, "CPU time"),
        (signal.SIGKILL, "stopped", 137, "from outside"),
        (signal.SIGSYS, "crashed", 159, "it made a system call"),
        (signal.SIGSEGV, "crashed", 139, "bad pointer"),
        (signal.SIGILL, "crashed", 132, "instruction"),
        (signal.SIGFPE, "crashed", 136, "zero"),
        (signal.SIGABRT, "crashed", 134, "signal 6"),
        (40, "crashed", 168, "signal 40"),
    ],
)
def test_signals(number: int, ending: str, status: int, words: str):
    ended = of_process(number, None, b"", "kvm")
    assert (ended.ending, ended.status) == (ending, status)
    assert words in ended.detail


def test_a_fault_is_told_where_it_was():
    ended = of_process(exited(139), fault(FaultKind.MEMORY, 0x300412, 0), b"", "kvm")
    assert ended.ending == "crashed"
    assert ended.detail == "a bad pointer: it touched 0x0 at 0x300412"


def test_the_same_status_without_a_fault_is_the_guests_own():
    assert of_process(exited(139), None, b"", "kvm").ending == "exited"


def test_a_stack_that_ran_over_is_named():
    words = fault_in_words(fault(FaultKind.MEMORY, 0x300000, abi.BASE - 8))
    assert "the stack ran over" in words


@given(st.binary(max_size=64))
def test_any_fault_has_words(data: bytes):
    assert fault_in_words(data)


def test_a_tender_that_could_not_begin_is_an_error_with_its_line():
    with pytest.raises(SandboxError, match="no such file"):
        of_process(exited(125), None, b"nexus-tender-kvm: x.elf: no such file\n", "kvm")


@pytest.mark.parametrize(
    "line",
    [b"x.elf: it does not fit into the guest's memory", b"cannot reserve the guest's memory: out of memory"],
)
def test_a_guest_that_got_too_little_memory_is_told_as_that(line: bytes):
    ended = of_process(exited(125), None, b"nexus-tender-spt: " + line + b"\n", "spt")
    assert (ended.ending, ended.status) == ("memory", 137)
    assert line.decode() in ended.detail


def test_a_guest_may_exit_with_that_status_too():
    assert of_process(exited(125), None, b"my own words\n", "kvm").status == 125
