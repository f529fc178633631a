"""A service in a process of its own, as a user starts it, and what its clients pay.

Knows the service by its command, its HTTP addresses and its hook client only. It answers with no chat
model: the engine is set to a remote one that nobody asks. Invariant: the process that was started is
ended and waited for, whatever happened.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from nexus.core.errors import NexusError

_HEADERS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
_TOKEN = "bench-" + "t" * 26
_PATIENCE = 120.0
INITIALIZE: dict[str, Any] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "bench", "version": "1"},
}


def request(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """A JSON-RPC request."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


class RunningService:
    """A started service of a home; `start` it, and `stop` it."""

    def __init__(self, home: Path, models: Path, **settings: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("NEXUS_")},
            "NEXUS_HOME": str(home),
            "NEXUS_MODELS_FOLDER": str(models.resolve()),
            "NEXUS_SERVICE_PORT": str(port),
            "NEXUS_SERVICE_TOKEN": _TOKEN,
            "NEXUS_ENGINE_KIND": "remote",
            "NEXUS_ENGINE_URL": "http://127.0.0.1:9/v1",
            **settings,
        }
        self._log = home.parent / "service.log"
        self._process: subprocess.Popen[bytes] | None = None
        headers = {**_HEADERS, "authorization": f"Bearer {_TOKEN}"}
        self.http = httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False)

    def start(self) -> float:
        """Start it. Returns the milliseconds of the first MCP handshake, asked as soon as it listens.

        Raises `NexusError` with the end of its log when it does not come up.
        """
        with self._log.open("wb") as log:
            command = [sys.executable, "-m", "nexus", "up"]
            self._process = subprocess.Popen(
                command, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        first = self._until(self._handshake)
        self._until(lambda: self.http.get("/readyz").status_code == 200 or None)
        return first

    def stop(self) -> None:
        """End it and wait; does nothing when it does not run."""
        self.http.close()
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """One MCP request over HTTP. Raises `NexusError` for an error of the protocol."""
        reply = self.http.post("/mcp", json=request(method, params))
        return _result(reply.status_code, reply.text)

    @contextmanager
    def relay(self) -> Iterator[Callable[[str, dict[str, Any]], dict[str, Any]]]:
        """A running `nexus mcp`, and how to ask it."""
        command = [sys.executable, "-m", "nexus", "mcp"]
        process = subprocess.Popen(command, env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        given, taken = process.stdin, process.stdout
        assert given is not None
        assert taken is not None

        def ask(method: str, params: dict[str, Any]) -> dict[str, Any]:
            given.write(json.dumps(request(method, params)).encode() + b"\n")
            given.flush()
            return _result(200, taken.readline().decode())

        try:
            yield ask
        finally:
            # The end of its input is its end.
            process.communicate(timeout=30)

    def resident(self) -> tuple[float, float]:
        """Megabytes of memory that the service holds, and how many of them are pages of mapped files."""
        assert self._process
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        sizes = {line.split()[0]: int(line.split()[1]) / 1024 for line in status.splitlines() if "kB" in line}
        return sizes["VmRSS:"], sizes["RssFile:"]

    def _handshake(self) -> float | None:
        started = time.perf_counter()
        try:
            self.call("initialize", INITIALIZE)
        except httpx.ConnectError:
            return None
        return 1000 * (time.perf_counter() - started)

    def _until(self, attempt: Callable[[], float | None]) -> float:
        assert self._process
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            found = attempt()
            if found is not None:
                return found
            time.sleep(0.01)
        said = self._log.read_text(encoding="utf-8", errors="replace")[-500:]
        raise NexusError(f"the service did not come up: {said.strip()}", hint="try `nexus up` by hand")


def hook_client() -> Path | None:
    """The installed hook client; None when this installation has none."""
    path = Path(sysconfig.get_path("scripts")) / "nexus-hook"
    return path if path.is_file() else None


def process_cost(command: list[str], event: bytes, env: dict[str, str]) -> tuple[float, float, bytes]:
    """Wall and CPU milliseconds of one process that is given `event`, and what it printed."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, input=event, env=env, capture_output=True, check=True)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return 1000 * wall, 1000 * cpu, done.stdout


def _result(status: int, text: str) -> dict[str, Any]:
    try:
        result: dict[str, Any] = json.loads(text)["result"]
    except (ValueError, KeyError, TypeError) as error:
        raise NexusError(f"MCP answered with status {status}: {text[:300]}") from error
    return result
