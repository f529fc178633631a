"""Two network namespaces with a cable between them: hosts that see each other over it only. Linux, root.

What a `Host` does, it does in a thread that lives there: sockets and processes that it makes are there, too.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

_PATIENCE = 240
_NEWNET = 0x40000000
Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class NoHostsError(Exception):
    """None can be made here, and why."""


class Host:
    """One of them. `address` is its end of the cable, `cable` that end's name."""

    def __init__(self, name: str, address: str, cable: str) -> None:
        self.name, self.address, self.cable = name, address, cable
        self._threads = ThreadPoolExecutor(8, name, initializer=_enter, initargs=(name,))

    def do(self, what: Callable[Given, Answer], *args: Given.args, **more: Given.kwargs) -> Answer:
        """Call something there, and wait for it."""
        return self._threads.submit(what, *args, **more).result()

    def begin(self, what: Callable[Given, Answer], *args: Given.args, **more: Given.kwargs) -> Any:
        """Call something there; the future of its answer."""
        return self._threads.submit(what, *args, **more)

    def link(self, up: bool) -> None:
        """Plug the cable in at this end, or pull it."""
        ip("-n", self.name, "link", "set", self.cable, "up" if up else "down")

    def close(self) -> None:
        self._threads.shutdown()


def ip(*words: str) -> None:
    """Run ip(8)."""
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=_PATIENCE)


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """10.213.7.1 and 10.213.7.2, until the context ends. Raises `NoHostsError`."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        raise NoHostsError("network namespaces need root and the program ip (apt-get install iproute2)")
    names = [f"nx{os.getpid()}a", f"nx{os.getpid()}b"]
    cables = [f"v{name}"[:15] for name in names]
    with ExitStack() as stack:
        try:
            for name in names:
                ip("netns", "add", name)
                stack.callback(ip, "netns", "del", name)
            ends = [["name", cable, "netns", name] for cable, name in zip(cables, names, strict=True)]
            ip("link", "add", *ends[0], "type", "veth", "peer", *ends[1])
            for number, (name, end) in enumerate(zip(names, cables, strict=True), 1):
                ip("-n", name, "addr", "add", f"10.213.7.{number}/24", "dev", end)
                ip("-n", name, "link", "set", end, "up")
                ip("-n", name, "link", "set", "lo", "up")
        except subprocess.CalledProcessError as error:
            raise NoHostsError(f"no network namespace can be made here: {error.stderr.strip()}") from error
        first, second = (
            Host(name, f"10.213.7.{number}", cable)
            for number, (name, cable) in enumerate(zip(names, cables, strict=True), 1)
        )
        stack.callback(first.close)
        stack.callback(second.close)
        yield first, second


def _enter(name: str) -> None:
    """This thread, and what it starts, is there from now on."""
    fd = os.open(Path("/run/netns") / name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(fd, _NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {name}")
    finally:
        os.close(fd)
