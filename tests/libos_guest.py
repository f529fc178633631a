"""Parts of the LibOS's C for tests: on the host as a shared library, and images run in their own process.

The loader (unikernel/guests/loader.c) is a bare one: no sandbox; ops that it does not answer arrive here.
"""

from __future__ import annotations

import ctypes
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

from nexus.unikernel import abi

ROOT = Path(__file__).resolve().parents[1]
LIBOS = ROOT / "native" / "libos"
# op, arg, in, out_cap -> result, out
Answer = Callable[[int, int, bytes, int], tuple[int, bytes]]

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no gcc, which makes guests")


def refused(op: int, arg: int, data: bytes, out_cap: int) -> tuple[int, bytes]:
    """Nothing is granted."""
    return -abi.Errno.ENOSYS, b""


@dataclass
class Run:
    """How a guest ended."""

    status: int
    stdout: bytes
    stderr: bytes
    ops: list[tuple[int, int, bytes, int]] = field(default_factory=list)


def shared_library(folder: Path, sources: Sequence[Path]) -> ctypes.CDLL:
    """Sources of the core, compiled for the host with the undefined-behaviour checks."""
    to = folder / "under_test.so"
    flags = "-std=gnu11 -O1 -g -fPIC -shared -fno-builtin -fsanitize=undefined -fno-sanitize-recover=all"
    include = (f"-I{LIBOS / 'include'}", f"-I{LIBOS / 'core'}")
    subprocess.run(["gcc", *flags.split(), *include, "-o", to, *sources], check=True)
    return ctypes.CDLL(str(to))


@cache
def loader() -> Path:
    """The program that runs images."""
    to = Path(mkdtemp(prefix="libos-")) / "loader"
    source = Path(__file__).parent / "unit" / "unikernel" / "guests" / "loader.c"
    subprocess.run(
        [
            "gcc",
            "-std=gnu11",
            "-O1",
            "-Wall",
            "-Wextra",
            "-Werror",
            f"-I{LIBOS / 'include'}",
            "-o",
            to,
            source,
        ],
        check=True,
    )
    return to


def serve(channel: socket.socket, answer: Answer, ops: list[tuple[int, int, bytes, int]]) -> None:
    """Answer frames until the guest is gone."""
    with channel, channel.makefile("rb") as frames:
        while len(head := frames.read(abi.REQUEST.size)) == abi.REQUEST.size:
            magic, op, arg, in_len, out_cap = abi.REQUEST.unpack(head)
            assert magic == abi.FRAME_MAGIC
            data = frames.read(in_len)
            ops.append((op, arg, data, out_cap))
            result, out = answer(op, arg, data, out_cap)
            too_long = len(out) > out_cap
            reply = abi.REPLY.pack(-abi.Errno.EMSGSIZE if too_long else result, len(out), 0)
            try:
                channel.sendall(reply if too_long else reply + out)
            except OSError:
                return


def run(
    image: Path,
    *words: str,
    answer: Answer = refused,
    modules: Sequence[tuple[str, Path]] = (),
    stdin: bytes = b"",
    memory: int = 32 << 20,
) -> Run:
    """Run an image to its end; fails the test after half a minute."""
    ours, theirs = socket.socketpair()
    ops: list[tuple[int, int, bytes, int]] = []
    server = threading.Thread(target=serve, args=(ours, answer, ops))
    server.start()
    options = [word for name, file in modules for word in ("--module", f"{name}={file}")]
    try:
        done = subprocess.run(
            [
                *(
                    "sh",
                    "-c",
                    f'exec 3<&{theirs.fileno()} {theirs.fileno()}<&-; exec "$@"',
                    "sh",
                    str(loader()),
                ),
                *("--memory", str(memory), *options, str(image), *words),
            ],
            input=stdin,
            capture_output=True,
            pass_fds=(theirs.fileno(),),
            timeout=30,
        )
    finally:
        theirs.close()
        server.join()
    return Run(done.returncode, done.stdout, done.stderr, ops)
