"""Guests with a network, as processes: a program that asks over file descriptor 3, and who answers it.

`Guest` runs a tender with an image, or a Linux process made from a guest's sources (guests/net).
"""

from __future__ import annotations

import functools
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from nexus.core.errors import NexusError
from nexus.core.paths import Home
from nexus.unikernel import lwip, sources
from nexus.unikernel.channel import Channel, ChannelError
from nexus.unikernel.grants import Grants
from nexus.unikernel.host import Host
from nexus.unikernel.limits import Limits
from nexus.unikernel.links import Link
from nexus.unikernel.toolchain import libos

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 60
SANITIZE = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
WARNINGS = ("-Wall", "-Wextra", "-Werror")


@functools.cache
def lwip_folder() -> Path:
    """lwIP's source, kept between test runs; skips where it cannot be had."""
    try:
        return sources.unpacked("lwip", Home(ROOT / "build" / "unikernel"))
    except NexusError as error:
        pytest.skip(f"no source of lwIP: {error}")


def native(name: str, to: Path, *ours: Path) -> Path:
    """A Linux program of these C files and the network of the LibOS, with sanitizers."""
    found = lwip_folder()
    include = (f"-I{libos() / 'include'}", f"-I{libos() / 'net'}")
    compiler = ("gcc", "-std=gnu11", *SANITIZE)
    stack = to / "stack"
    if not stack.exists():
        stack.mkdir()
        net = [path for path in lwip.port() if path.suffix == ".c"]
        foreign = (include[0], *lwip.include(found))
        subprocess.run([*compiler, *foreign, "-c", *lwip.foreign(found)], cwd=stack, check=True)
        subprocess.run([*compiler, *WARNINGS, *foreign, "-c", *net], cwd=stack, check=True)
    objects = sorted(stack.glob("*.o"))
    headers = (*include, "-isystem", found / "src" / "include")
    subprocess.run([*compiler, *WARNINGS, *headers, "-o", to / name, *ours, *objects], check=True)
    return to / name


def tender(name: str) -> list[str]:
    """The command that runs an image by the kvm or spt tender; skips where that does not work here."""
    program = Path(sys.executable).with_name(f"nexus-tender-{name}")
    if not program.exists():
        pytest.skip(f"{program.name} is not installed beside {sys.executable}")
    probe = json.loads(subprocess.run([program, "--probe"], capture_output=True, check=True).stdout)
    if not probe["works"]:
        pytest.skip(f"{program.name} does not work here: {probe['detail']}")
    # A hypervisor that emulates ring 0 runs ring 3 natively.
    emulates = probe.get("ring0_ns", 0) > 20 * probe.get("ring3_ns", 1)
    return [str(program), "--memory", str(16 << 20), *(["--cpl", "3"] if emulates else [])]


class Guest:
    """A program whose file descriptor 3 is answered as `grants` allow, until it ends."""

    def __init__(self, argv: Sequence[str], *links: str) -> None:
        self.host = Host(Grants(links=links), Limits(wall=PATIENCE))
        ours, theirs = socket.socketpair()
        # The descriptor's number in the child: a shell moves it, so that no code runs between fork and exec.
        command = ["bash", "-c", f'exec 3<&{theirs.fileno()}; exec "$@"', "bash", *argv]
        self.process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"], "ASAN_OPTIONS": "detect_leaks=0"},
        )
        theirs.close()
        self._channel, self._ours = Channel(ours), ours
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        self._ours.setblocking(True)
        try:
            while self._channel.receive():
                while (request := self._channel.request()) is not None:
                    answer = self.host.answer(request.op, request.arg, request.data, request.out_cap)
                    self._channel.reply(*answer, float("inf"))
        except (ChannelError, OSError):
            pass

    @property
    def links(self) -> Sequence[Link]:
        """The guest's links, on the host."""
        return self.host._links

    def finish(self) -> tuple[int, str]:
        """Exit status and all output, once it has ended."""
        try:
            out, err = self.process.communicate(timeout=PATIENCE)
        finally:
            self.stop()
        return self.process.returncode, out + err

    def first_line(self) -> str:
        """What it says first."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def stop(self) -> None:
        """Kill it where it still runs, and give everything back."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._thread.join(PATIENCE)
        self.host.close()
        self._channel.close()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
