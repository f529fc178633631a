"""Guests under a compiled tender, without the rest of LibOS: own frames, streams and time limit."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nexus.unikernel import abi

ROOT = Path(__file__).resolve().parents[1]
GUESTS = ROOT / "tests" / "system" / "libos" / "guests"
FLAGS = (
    "-std=c11 -O1 -Wall -Wextra -Wno-infinite-recursion -ffreestanding -fno-builtin -fno-stack-protector"
    " -fno-pic -no-pie -mno-red-zone -mcmodel=small -static -nostdlib -fno-asynchronous-unwind-tables"
    " -fno-optimize-sibling-calls -Wl,-z,max-page-size=4096 -Wl,--build-id=none"
).split()
SECONDS = 60.0

# op, arg, in, out_cap -> the bytes of the reply, whole
Answer = Callable[[int, int, bytes, int], bytes]


def compiled(folder: Path) -> Path:
    """The guest of all trials (trial.c). Skips where there is no gcc."""
    if shutil.which("gcc") is None:
        pytest.skip("there is no gcc, which makes the guest of these tests")
    to = folder / "trial.elf"
    script = f"-Wl,-T,{GUESTS / 'guest.ld'}"
    include = f"-I{ROOT / 'native' / 'libos' / 'include'}"
    subprocess.run(["gcc", *FLAGS, include, script, str(GUESTS / "trial.c"), "-o", str(to)], check=True)
    # The tender opens what it is given before it becomes nobody, so that nobody need not be able to read it.
    to.chmod(0o600)
    return to


def reply(result: int, out: bytes = b"", out_len: int | None = None) -> bytes:
    """A struct nx_reply and its bytes; `out_len` where it lies."""
    return abi.REPLY.pack(result, len(out) if out_len is None else out_len, 0) + out


def nothing(op: int, arg: int, data: bytes, out_cap: int) -> bytes:
    """Nothing is granted."""
    return reply(-abi.Errno.ENOSYS)


@dataclass
class Ended:
    """How a tender ended. `status` is negative for a signal; `frames` are op, arg, in, out_cap."""

    status: int
    stdout: bytes
    stderr: bytes
    frames: list[tuple[int, int, bytes, int]] = field(default_factory=list)

    @property
    def fault(self) -> tuple[int, int, int]:
        """Kind, ip and address of the one fault that was told."""
        faults = [data for op, _, data, _ in self.frames if op == abi.Op.FAULT]
        assert len(faults) == 1, self
        kind, reserved, ip, address = abi.FAULT.unpack(faults[0])
        assert reserved == 0
        return kind, ip, address


@dataclass
class Guest:
    """A tender that runs. `channel` is our end; so are the streams, -1 for one that is closed."""

    pid: int
    channel: socket.socket
    stdin: int
    stdout: int
    stderr: int

    def wait(self) -> int:
        """Its status, negative for a signal; fails the test where it does not end."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        raise AssertionError("the guest does not end")


@contextmanager
def started(argv: Sequence[str], environment: Mapping[str, str] | None = None) -> Iterator[Guest]:
    """Starts a tender with a channel as its descriptor 3; kills it in the end."""
    ours, theirs = socket.socketpair()
    pipes = [os.pipe() for _ in range(3)]
    inner: tuple[int, ...] = (pipes[0][0], pipes[1][1], pipes[2][1])
    outer = (pipes[0][1], pipes[1][0], pipes[2][0])
    guest = Guest(0, ours, *outer)
    try:
        moves = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate((*inner, theirs.fileno()))]
        guest.pid = os.posix_spawn(argv[0], list(argv), dict(environment or {}), file_actions=moves)
        theirs.close()
        for fd in inner:
            os.close(fd)
        inner = ()
        yield guest
    finally:
        if guest.pid:
            os.kill(guest.pid, signal.SIGKILL)
            os.waitpid(guest.pid, 0)
        for fd in (*inner, guest.stdin, guest.stdout, guest.stderr):
            if fd >= 0:
                os.close(fd)
        theirs.close()
        ours.close()


def run(argv: Sequence[str], answer: Answer = nothing, stdin: bytes = b"") -> Ended:
    """Runs a tender to its end, answering its frames."""
    frames: list[tuple[int, int, bytes, int]] = []
    streams = {1: bytearray(), 2: bytearray()}

    def drain(number: int, fd: int) -> None:
        while piece := os.read(fd, 65536):
            streams[number] += piece

    with started(argv) as guest:

        def feed() -> None:
            left = memoryview(stdin)
            with suppress(BrokenPipeError):
                while left:
                    left = left[os.write(guest.stdin, left) :]
            os.close(guest.stdin)

        threads = [
            threading.Thread(target=serve, args=(guest.channel, answer, frames)),
            threading.Thread(target=drain, args=(1, guest.stdout)),
            threading.Thread(target=drain, args=(2, guest.stderr)),
            threading.Thread(target=feed),
        ]
        for thread in threads:
            thread.start()
        try:
            status = guest.wait()
        finally:
            if guest.pid:
                os.kill(guest.pid, signal.SIGKILL)
            for thread in threads:
                thread.join()
            guest.stdin = -1
    return Ended(status, bytes(streams[1]), bytes(streams[2]), frames)


def serve(channel: socket.socket, answer: Answer, frames: list[tuple[int, int, bytes, int]]) -> None:
    """Answers frames until the other end is closed, also in the middle of a reply."""
    with channel.makefile("rb") as incoming, suppress(ConnectionError):
        while len(head := incoming.read(abi.REQUEST.size)) == abi.REQUEST.size:
            magic, op, arg, in_len, out_cap = abi.REQUEST.unpack(head)
            assert magic == abi.FRAME_MAGIC
            data = incoming.read(in_len)
            frames.append((op, arg, data, out_cap))
            if op != abi.Op.FAULT:
                channel.sendall(answer(op, arg, data, out_cap))


def status_of(pid: int) -> dict[str, str]:
    """/proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def kilobytes(pid: int) -> dict[str, int]:
    """/proc/PID/smaps_rollup."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in lines)}
