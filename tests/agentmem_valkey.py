"""A Valkey or Redis server of a test's own, in a folder that goes away. Skips where none is installed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 60.0
PROGRAM = shutil.which("valkey-server") or shutil.which("redis-server")


class Server:
    """One server process; `url` is for ValkeyShelf."""

    def __init__(self, folder: Path, options: Sequence[str], url: str, within: Sequence[str] = ()) -> None:
        if PROGRAM is None:
            pytest.skip("neither valkey-server nor redis-server is installed: apt-get install redis-server")
        self.url = url
        self._command = [*within, PROGRAM, "--save", "", "--dir", str(folder), *options]
        self._log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        before = self._ready()
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)
        until = time.monotonic() + PATIENCE
        while self._ready() == before:
            assert self.process.poll() is None, self._log.read_text()
            assert time.monotonic() < until, self._log.read_text()
            time.sleep(0.02)

    def _ready(self) -> int:
        words = self._log.read_text() if self._log.exists() else ""
        return words.count("eady to accept connections")

    def end(self, how: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(PATIENCE)
            self.process = None


def free_port() -> int:
    """One below 55,000, so that a cluster's second port fits above it; another process looks elsewhere."""
    for number in range(30_000):
        port = 20_000 + (os.getpid() * 131 + number * 7) % 30_000
        with socket.socket() as one, socket.socket() as two:
            try:
                one.bind(("127.0.0.1", port))
                two.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


@contextmanager
def serving(*options: str) -> Iterator[Server]:
    """A server on a Unix socket."""
    folder = Path(tempfile.mkdtemp(prefix="vk-"))
    path = folder / "s"
    server = Server(folder, ["--port", "0", "--unixsocket", str(path), *options], f"unix://{path}")
    try:
        server.start()
        yield server
    finally:
        server.end()
        shutil.rmtree(folder)


@contextmanager
def cluster(count: int = 3) -> Iterator[list[Server]]:
    """Servers that share the slots among them."""
    import valkey

    servers, ports = [], []
    with ExitStack() as stack:
        for _ in range(count):
            folder = Path(tempfile.mkdtemp(prefix="vk-"))
            stack.callback(shutil.rmtree, folder)
            port = free_port()
            ports.append(port)
            options = ["--port", str(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes"]
            server = Server(folder, options, f"valkey://127.0.0.1:{port}")
            stack.callback(server.end)
            server.start()
            servers.append(server)
        clients = [stack.enter_context(valkey.Valkey(port=port)) for port in ports]
        for number, client in enumerate(clients):
            first, last = 16384 * number // count, 16384 * (number + 1) // count - 1
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number:
                client.execute_command("CLUSTER", "MEET", "127.0.0.1", ports[0])
        until = time.monotonic() + PATIENCE
        while not all(_whole(client, count) for client in clients):
            assert time.monotonic() < until, "the cluster did not come together"
            time.sleep(0.05)
        yield servers


def _whole(client: Any, count: int) -> bool:
    info = client.execute_command("CLUSTER INFO")
    return (info["cluster_state"], info["cluster_known_nodes"]) == ("ok", str(count))
