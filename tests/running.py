"""A real service in a process of its own, for tests that need one."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Service:
    """`nexus up` with a home of its own, the real embedder and the small real model."""

    def __init__(self, root: Path, models: Path, **env: str) -> None:
        self.root = root
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.command = [sys.executable, "-m", "nexus", "up"]
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("NEXUS_")},
            "NEXUS_HOME": str(root),
            "NEXUS_MODELS_FOLDER": str(models),
            "NEXUS_ENGINE_MODEL": "smollm2-135m",
            "NEXUS_ENGINE_CONTEXT": "4096",
            "NEXUS_ENGINE_REPLY_TOKENS": "48",
            "NEXUS_SERVICE_PORT": str(self.port),
            **env,
        }
        self.process: subprocess.Popen[bytes] | None = None
        # Tests of many commands take `warm_nexus.run`: processes too, without the start of each.
        self.run: Callable[..., subprocess.CompletedProcess[str]] = subprocess.run

    def start(self, timeout: float = 90) -> None:
        """Start and wait until it is ready."""
        root = self.root
        root.mkdir(parents=True, exist_ok=True)
        with open(root.parent / f"{root.name}.log", "ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + timeout
        with _plain(timeout=5) as http:
            while time.monotonic() < deadline:
                assert self.process.poll() is None, self.log()
                with suppress(httpx.TransportError):
                    if http.get(f"{self.url}/readyz").status_code == 200:
                        return
                time.sleep(0.05)
        raise AssertionError(f"not ready after {timeout} s\n{self.log()}")

    def stop(self) -> int:
        """SIGTERM and wait. Returns the exit status."""
        assert self.process
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        # The learner goes last: where others take the whole machine, it saves late.
        return self.process.wait(120)

    def kill(self) -> None:
        """kill -9 and wait: what a crash does to the process."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def log(self) -> str:
        """What it wrote so far."""
        return (self.root.parent / f"{self.root.name}.log").read_text(errors="replace")[-5000:]

    @property
    def token(self) -> str:
        """The token that clients must send."""
        return (self.root / "run" / "token").read_text().strip()

    def client(self, **more: Any) -> httpx.Client:
        """A client with the token."""
        headers = {"authorization": f"Bearer {self.token}"}
        return _plain(base_url=self.url, headers=headers, timeout=120, **more)

    def cli(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run `nexus ARGUMENTS` against this home."""
        command = [sys.executable, "-m", "nexus", *arguments]
        return self.run(command, env=self.env, capture_output=True, text=True, timeout=300, **more)


def _plain(**settings: Any) -> httpx.Client:
    """A client that loads no certificates, which would take 30 ms of CPU each time; nothing here is TLS."""
    return httpx.Client(**{"verify": False, **settings})


@contextmanager
def running(root: Path, models: Path, timeout: float = 90, /, **env: str) -> Iterator[Service]:
    """A service that is ready within `timeout` seconds; stopped at the end, whatever happened."""
    service = Service(root, models, **env)
    try:
        service.start(timeout)
        yield service
    finally:
        if service.process:
            service.stop()
