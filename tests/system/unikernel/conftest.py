"""What every test of the escape suite has: this machine's backends, the images, and that nothing is left."""

from __future__ import annotations

import gc
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from nexus.unikernel import backends
from nexus.unikernel.images import Image
from nexus.unikernel.tender import Backend
from tests.unikernel_guests import built

__all__ = ["built"]

ROOT = Path(__file__).resolve().parents[3]


def works(backend: Backend) -> Backend:
    """Gives the backend, or skips with what its preflight says."""
    look = backends.tender(backend).preflight()
    if not look.works:
        pytest.skip(f"{backend}: {look.detail}; {look.mend}")
    return backend


@pytest.fixture(params=backends.ORDER)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each backend that works here."""
    name: Backend = request.param
    return works(name)


@dataclass
class Held:
    """What this process has: descriptors, threads, processes below it, temporary files."""

    descriptors: set[str]
    threads: set[threading.Thread]
    processes: set[int]
    files: set[str]

    @classmethod
    def now(cls) -> Held:
        return cls(
            {path.name for path in Path("/proc/self/fd").iterdir()},
            set(threading.enumerate()),
            {child.pid for child in psutil.Process().children(recursive=True)},
            {str(file) for file in Path(tempfile.gettempdir()).glob(f"nexus-qemu-{os.getpid()}-*/*.nxa")},
        )

    def left(self) -> str:
        """What is there now and was not then, in words; empty: nothing."""
        now = Held.now()
        paths = [Path("/proc/self/fd", number) for number in now.descriptors - self.descriptors]
        # But for the one that listed them.
        descriptors = [f"descriptor {path.readlink()}" for path in paths if path.is_symlink()]
        threads = [f"thread {thread.name}" for thread in now.threads - self.threads if thread.is_alive()]
        processes = [f"process {pid}" for pid in now.processes - self.processes]
        return ", ".join([*descriptors, *threads, *processes, *(now.files - self.files)])


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test this process holds what it held before."""
    if "backend" in request.fixturenames:
        request.getfixturevalue("backend")
    held = Held.now()
    yield
    gc.collect()
    # A host function that was given up on ends when it returns, which its test sees to.
    limit = time.monotonic() + 10
    while (left := held.left()) and time.monotonic() < limit:
        time.sleep(0.01)
    assert not left


@pytest.fixture
def home_with_image(tmp_path: Path, python_image: Image) -> Path:
    """A NEXUS_HOME that has the Python image."""
    home = tmp_path / "home"
    (home / "cache").mkdir(parents=True, mode=0o700)
    (home / "cache" / "unikernel").symlink_to(python_image.folder.parent)
    return home
