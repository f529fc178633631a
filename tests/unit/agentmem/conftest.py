"""Real processes to look at, ended after each test; brokers, one for each module of tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from nexus.agentmem import Launcher, Store, registration
from nexus.agentmem.registration import Registration
from nexus.core.paths import Home
from tests import agentmem_store

Start = Callable[..., "subprocess.Popen[bytes]"]


def until(true: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.02)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a program with pipes, in a session of its own; the whole session is ended at the end."""
    running: list[subprocess.Popen[bytes]] = []

    def run(*words: str, **more: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, **more
        )
        running.append(process)
        return process

    yield run
    for process in running:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with process:
            pass


@pytest.fixture
def sleeper(start: Start) -> subprocess.Popen[bytes]:
    """A Python that has begun and waits for its input."""
    process = start(sys.executable, "-c", "print(flush=True); input()")
    assert process.stdout
    process.stdout.readline()
    return process


def registered(home: Home, pid: int, **more: object) -> Registration:
    """The registration of a process, written as `nexus run` does."""
    values = {"name": "agent", "program": "python", "folder": "/", "at": time.time()} | more
    agent = Registration(pid, registration.start_of(pid), registration.boot_of(), **values)  # type: ignore[arg-type]
    registration.write(home, agent)
    return agent


def fake_proc(root: Path, pid: int, fields: str, **files: str) -> None:
    """A process below a folder that looks like /proc."""
    folder = root / str(pid)
    folder.mkdir(parents=True)
    (folder / "stat").write_text(f"{pid} (a (b) c) {fields}")
    for name, text in files.items():
        (folder / name).write_text(text)


@pytest.fixture(scope="module")
def broker() -> Iterator[Launcher]:
    """A broker of this module's tests."""
    with agentmem_store.running() as launcher:
        yield launcher


@pytest.fixture(scope="module")
def here(broker: Launcher) -> Launcher:
    """The broker from which something goes."""
    return broker


@pytest.fixture(scope="module")
def there() -> Iterator[Launcher]:
    """Another one, to which it goes."""
    with agentmem_store.running() as launcher:
        yield launcher


@pytest.fixture
def realm(request: pytest.FixtureRequest) -> str:
    """A realm of this test's own."""
    return str(request.node.name)[:200]


@pytest.fixture
def store(broker: Launcher, realm: str) -> Iterator[Store]:
    """A store as the agent `agent` of that realm."""
    with agentmem_store.attach(broker, "agent", realm=realm) as store:
        yield store
