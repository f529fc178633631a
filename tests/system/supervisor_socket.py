"""What a service tells its supervisor, heard on a real datagram socket (sd_notify(3))."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Heard:
    """Every line so far. `env` is what the supervisor gives its service."""

    def __init__(self, path: Path, alive_seconds: float) -> None:
        self.env = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": str(int(alive_seconds * 1e6))}
        self.lines: list[str] = []

    def alive(self) -> int:
        """How often it said that it is alive."""
        return self.lines.count("WATCHDOG=1")


@contextmanager
def supervisor(path: Path, alive_seconds: float) -> Iterator[Heard]:
    """Listen until the context ends."""
    heard, ended = Heard(path, alive_seconds), threading.Event()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(0.2)

        def listen() -> None:
            while not ended.is_set():
                try:
                    heard.lines += listener.recv(4096).decode().split("\n")
                except TimeoutError:
                    continue

        thread = threading.Thread(target=listen)
        thread.start()
        try:
            yield heard
        finally:
            ended.set()
            thread.join()
