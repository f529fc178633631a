"""Why a run is over, in the words of `Result`.

Knows nothing of how a guest is started or read. Invariant: the words tell what was seen, not what may be
behind.
"""

from __future__ import annotations

import os
import signal
import struct
from dataclasses import dataclass

from nexus.core.errors import NexusError
from nexus.unikernel import abi
from nexus.unikernel.abi import FaultKind
from nexus.unikernel.result import Ending

KILLED = 128 + signal.SIGKILL
FAULTED = 128 + signal.SIGSEGV  # a tender's own status after NX_OP_FAULT
REFUSED = 125  # a tender's own status where it could not begin
# What the tenders say (native/libos/tenders) where it is memory that is lacking.
_NO_MEMORY = ("does not fit into the guest's memory", "cannot reserve the guest's memory", "out of memory")
_LEAST_STACK = 64 << 10


class SandboxError(NexusError):
    """A sandbox could not be run: its tender or image is at fault, not the code inside."""

    code = "sandbox_failed"
    exit_status = 14
    http_status = 502


@dataclass(frozen=True, slots=True)
class Ended:
    """How, the status for `Result`, and in words."""

    ending: Ending
    status: int
    detail: str = ""


def stopped(ending: Ending, detail: str) -> Ended:
    """Ended by us."""
    return Ended(ending, KILLED, detail)


def of_process(wait_status: int, fault: bytes | None, own_stderr: bytes, backend: str) -> Ended:
    """Ended by itself: from what waitpid(2) said and a fault frame, where one came.

    Raises `SandboxError` where the tender says that it could not begin (status 125 and a line of its own).
    """
    if os.WIFSIGNALED(wait_status):
        return _signalled(os.WTERMSIG(wait_status))
    status = os.WEXITSTATUS(wait_status)
    if status == FAULTED and fault is not None:
        return Ended("crashed", status, fault_in_words(fault))
    line = own_stderr.decode(errors="replace").strip()
    if status == REFUSED and line.startswith("nexus-tender"):
        if any(words in line for words in _NO_MEMORY):
            return Ended("memory", KILLED, line)
        raise SandboxError(f"the {backend} tender could not begin: {line}")
    return Ended("exited", status)


def _signalled(number: int) -> Ended:
    status = 128 + number
    if number in (signal.SIGPROF, signal.SIGXCPU, signal.SIGVTALRM):
        return Ended("cpu", KILLED, "it used up its CPU time")
    if number == signal.SIGKILL:
        return Ended("stopped", KILLED, "it was killed from outside: by hand, or by the system for memory")
    if number == signal.SIGSYS:
        return Ended("crashed", status, "it made a system call")
    if number in (signal.SIGSEGV, signal.SIGBUS):
        return Ended("crashed", status, "a bad pointer; where is not known")
    if number == signal.SIGILL:
        return Ended("crashed", status, "an instruction that is none or is not allowed")
    if number == signal.SIGFPE:
        return Ended("crashed", status, "a division by zero")
    return Ended("crashed", status, f"ended by signal {number} ({signal.strsignal(number)})")


def fault_in_words(fault: bytes) -> str:
    """A struct nx_fault in words; bytes that are none are said to be that."""
    try:
        kind, _, ip, address = abi.FAULT.unpack(fault)
    except struct.error:
        return f"a fault that its tender described by {len(fault)} bytes instead of {abi.FAULT.size}"
    where = f" at {ip:#x}" if ip else ""
    if kind == FaultKind.DOORBELL:
        return f"a bad call of the host{where}: a store beside the doorbell, or a block outside its memory"
    if kind == FaultKind.EXIT:
        return f"the hypervisor gave up, reason {ip}"
    if kind != FaultKind.MEMORY:
        return f"a fault of the unknown kind {kind}{where}"
    if abi.BASE - _LEAST_STACK <= address < abi.BASE:
        return f"the stack ran over: it touched {address:#x}{where}"
    return f"a bad pointer: it touched {address:#x}{where}"
