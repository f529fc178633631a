"""Guests for tests: a fake tender that does what it is told, the real Python image; and what may be left."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.unit.unikernel.fake import FakeTender

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def fake_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """fake_tender.c, compiled."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("there is no C compiler (cc) to build the tender of these tests with")
    program = tmp_path_factory.mktemp("fake") / "fake-tender"
    include = ROOT / "native" / "libos" / "include"
    source = Path(__file__).with_name("fake_tender.c")
    subprocess.run(
        [compiler, "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{include}", "-o", program, source],
        check=True,
    )
    return program


@pytest.fixture
def fake(fake_program: Path) -> FakeTender:
    """A tender that answers output and exit itself, as those in C do."""
    return FakeTender(fake_program)


@pytest.fixture
def fake_all(fake_program: Path) -> FakeTender:
    """A tender that leaves everything to us, as QEMU does."""
    return FakeTender(fake_program, all_frames=True, name="qemu")


class Left:
    """What this process has open and runs."""

    def __init__(self) -> None:
        self.descriptors = {path.name for path in Path("/proc/self/fd").iterdir()}
        self.threads = set(threading.enumerate())
        self.children = {child.pid for child in psutil.Process().children()}

    def more_than(self, before: Left) -> dict[str, object]:
        """What is here and was not before."""
        found = {
            "descriptors": {
                name: str(Path(f"/proc/self/fd/{name}").readlink())
                for name in self.descriptors - before.descriptors
                if os.path.lexists(f"/proc/self/fd/{name}")  # but for the one that listed them
            },
            "threads": self.threads - before.threads,
            "children": self.children - before.children,
        }
        return {what: these for what, these in found.items() if these}


@pytest.fixture
def nothing_left() -> Iterator[Callable[[], None]]:
    """Checks at the end, and when called, that no descriptor, thread or process is more than at the start."""
    before = Left()

    def check() -> None:
        # A thread that was told to end may take a moment to be gone.
        deadline = time.monotonic() + 10
        while (more := Left().more_than(before)) and time.monotonic() < deadline:
            time.sleep(0.005)
        assert not more

    yield check
    check()
