"""Parts of the LibOS's C for tests: on the host as a shared library, and images run to their end.

Two ways to run: `loaded` in a process of its own by a bare loader (unikernel/guests/loader.c, no sandbox),
and `emulated` in QEMU, from the PVH entry on. Neither is a tender: these test the guest's side of the ABI.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import pytest

from nexus.unikernel import abi
from nexus.unikernel.abi import Op

ROOT = Path(__file__).resolve().parents[1]
LIBOS = ROOT / "native" / "libos"
QEMU = "qemu-system-x86_64"
# op, arg, in, out_cap -> result, out
Answer = Callable[[int, int, bytes, int], tuple[int, bytes]]
Call = tuple[int, int, bytes, int]

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no gcc, which makes guests")
needs_qemu = pytest.mark.skipif(shutil.which(QEMU) is None, reason=f"there is no {QEMU}")


def refused(op: int, arg: int, data: bytes, out_cap: int) -> tuple[int, bytes]:
    """Nothing is granted."""
    return -abi.Errno.ENOSYS, b""


@dataclass
class Run:
    """How a guest ended. `status` is None where it did not exit but was faulted."""

    status: int | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    calls: list[Call] = field(default_factory=list)


def shared_library(folder: Path, sources: Sequence[Path], *more: str) -> ctypes.CDLL:
    """Sources of the core, compiled for the host with the undefined-behaviour checks."""
    to = folder / "under_test.so"
    flags = "-std=gnu11 -O1 -g -fPIC -shared -fno-builtin -fsanitize=undefined -fno-sanitize-recover=all"
    include = (f"-I{LIBOS / 'include'}", f"-I{LIBOS / 'core'}")
    subprocess.run(["gcc", *flags.split(), *more, *include, "-o", to, *sources], check=True)
    return ctypes.CDLL(str(to))


@cache
def loader() -> Path:
    """The program of `loaded`."""
    folder = mkdtemp(prefix="libos-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    to = Path(folder) / "loader"
    source = Path(__file__).parent / "system" / "libos" / "guests" / "loader.c"
    flags = "-std=gnu11 -O1 -Wall -Wextra -Werror".split()
    subprocess.run(["gcc", *flags, f"-I{LIBOS / 'include'}", "-o", to, source], check=True)
    return to


class Peer:
    """The other end of a guest's channel: answers every frame, and keeps what was asked."""

    def __init__(self, answer: Answer, stdin: bytes = b"", delay: float = 0) -> None:
        self.delay = delay  # seconds between a frame's head and its bytes
        self.answer = answer
        self.stdin = stdin
        self.run = Run()

    def serve(self, channel: socket.socket) -> None:
        """Until the guest exits or is gone."""
        with channel, channel.makefile("rb") as frames:
            while len(head := frames.read(abi.REQUEST.size)) == abi.REQUEST.size:
                magic, op, arg, in_len, out_cap = abi.REQUEST.unpack(head)
                assert magic == abi.FRAME_MAGIC
                time.sleep(self.delay)
                data = frames.read(in_len)
                if op == Op.EXIT:
                    self.run.status = arg
                    return
                result, out = self._answered(op, arg, data, out_cap)
                if len(out) > out_cap:
                    reply = abi.REPLY.pack(-abi.Errno.EMSGSIZE, len(out), 0)
                else:
                    reply = abi.REPLY.pack(result, len(out), 0) + out
                try:
                    channel.sendall(reply)
                except OSError:
                    return

    def _answered(self, op: int, arg: int, data: bytes, out_cap: int) -> tuple[int, bytes]:
        if op == Op.WRITE:
            if arg == 1:
                self.run.stdout += data
            else:
                self.run.stderr += data
            return len(data), b""
        if op == Op.READ:
            part, self.stdin = self.stdin[:out_cap], self.stdin[out_cap:]
            return len(part), part
        if op == Op.TIME:
            return (time.monotonic_ns() if arg else time.time_ns()), b""
        if op == Op.RANDOM:
            return out_cap, os.urandom(out_cap)
        if op == Op.SLEEP:
            time.sleep(arg / 1e9)
            return 0, b""
        self.run.calls.append((op, arg, data, out_cap))
        return self.answer(op, arg, data, out_cap)


def loaded(
    image: Path,
    *words: str,
    answer: Answer = refused,
    modules: Sequence[tuple[str, bytes]] = (),
    stdin: bytes = b"",
    memory: int = 32 << 20,
) -> Run:
    """Run an image in a process; the test fails after half a minute."""
    ours, theirs = socket.socketpair()
    peer = Peer(answer)
    server = threading.Thread(target=peer.serve, args=(ours,))
    server.start()
    with TemporaryDirectory() as folder:
        options = []
        for number, (name, content) in enumerate(modules):
            path = Path(folder) / str(number)
            path.write_bytes(content)
            options += ["--module", f"{name}={path}"]
        options += ["--channel", str(theirs.fileno()), "--memory", str(memory)]
        try:
            done = subprocess.run(
                [str(loader()), *options, str(image), *words],
                input=stdin,
                capture_output=True,
                pass_fds=(theirs.fileno(),),
                timeout=30,
            )
        finally:
            theirs.close()
            server.join()
    assert done.returncode != 125, done.stderr
    return Run(None if done.returncode < 0 else done.returncode, done.stdout, done.stderr, peer.run.calls)


def emulated(
    image: Path,
    *words: str,
    answer: Answer = refused,
    modules: Sequence[tuple[str, bytes]] | bytes = (),
    stdin: bytes = b"",
    memory: int = 32 << 20,
    device: str = "virtio-serial-device",
    port: str = "virtserialport,chardev=c,nr=1",
    delay: float = 0,
) -> Run:
    """Run an image in QEMU by its PVH entry; the test fails after a minute. `modules`: or the file itself."""
    ours, theirs = socket.socketpair()
    ours.settimeout(60)
    peer = Peer(answer, stdin, delay)
    with TemporaryDirectory() as folder:
        archive = Path(folder) / "modules.nxa"
        if modules and not isinstance(modules, bytes):
            modules = abi.archive([abi.Module(name, content) for name, content in modules])
        if isinstance(modules, bytes):
            archive.write_bytes(modules)
        process = subprocess.Popen(
            [
                *(QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-accel", "tcg"),
                *("-M", "microvm,auto-kernel-cmdline=off,rtc=off,pit=off,pic=off,isa-serial=off,acpi=off"),
                *("-m", f"{(memory + abi.BASE) >> 20}M", "-global", "virtio-mmio.force-legacy=off"),
                *("-kernel", str(image), "-append", " ".join(["nx.virtio=0xfeb00e00", *words])),
                *(("-initrd", str(archive)) if archive.exists() else ()),
                *("-chardev", f"socket,id=c,fd={theirs.fileno()}", "-device", device),
                *("-device", port),
            ],
            pass_fds=(theirs.fileno(),),
        )
        theirs.close()
        try:
            peer.serve(ours)
            process.wait(60)
        finally:
            process.kill()
            process.wait()
    return peer.run
