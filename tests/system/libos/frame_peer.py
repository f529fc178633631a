"""The other end of a tender that answers nothing itself: keeps what a guest asks, answers by a function."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

from nexus.unikernel import abi
from nexus.unikernel.tender import Launch

# op, arg, data, room -> result, bytes
Answer = Callable[[int, int, bytes, int], tuple[int, bytes]]


@dataclass
class Outcome:
    """What a guest asked, and how its process ended (negative: a signal)."""

    asked: list[tuple[int, int, bytes]] = field(default_factory=list)
    status: int = 0
    stderr: str = ""

    @property
    def stdout(self) -> bytes:
        return b"".join(data for op, arg, data in self.asked if (op, arg) == (abi.Op.WRITE, 1))

    @property
    def fault(self) -> tuple[int, int, int]:
        """Kind, instruction, address of the one fault that was told."""
        ((kind, _, at, address),) = [abi.FAULT.unpack(d) for op, _, d in self.asked if op == abi.Op.FAULT]
        return kind, at, address

    @property
    def exits(self) -> list[int]:
        return [arg for op, arg, _ in self.asked if op == abi.Op.EXIT]


def nothing(op: int, _arg: int, data: bytes, _room: int) -> tuple[int, bytes]:
    """Takes output, grants nothing."""
    return (len(data), b"") if op == abi.Op.WRITE else (-abi.Errno.ENOSYS, b"")


def run(launch: Launch, answer: Answer = nothing, seconds: float = 60) -> Outcome:
    """Start a tender and serve it to its end."""
    ours, theirs = socket.socketpair()
    outcome = Outcome()
    with ours, theirs:
        process = subprocess.Popen(
            launch.argv,
            env={},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=(launch.channel_fd,) if theirs.fileno() == launch.channel_fd else (),
            close_fds=False,
            preexec_fn=lambda: os.dup2(theirs.fileno(), launch.channel_fd),
        )
        theirs.close()
        ours.settimeout(seconds)
        try:
            with ours.makefile("rb") as stream:
                _serve(ours, stream, outcome, answer)
        except OSError:
            process.kill()
            process.communicate()
            raise
        finally:
            for path in launch.files:
                path.unlink()
        outcome.stderr = process.communicate(timeout=seconds)[1].decode()
        outcome.status = process.returncode
    return outcome


def _serve(ours: socket.socket, stream: BinaryIO, outcome: Outcome, answer: Answer) -> None:
    while head := stream.read(abi.REQUEST.size):
        magic, op, arg, size, room = abi.REQUEST.unpack(head)
        assert magic == abi.FRAME_MAGIC
        data = stream.read(size)
        outcome.asked.append((op, arg, data))
        if op not in (abi.Op.EXIT, abi.Op.FAULT):
            result, out = answer(op, arg, data, room)
            ours.sendall(
                abi.REPLY.pack(result, len(out), 0) + (b"" if result == -abi.Errno.EMSGSIZE else out)
            )
