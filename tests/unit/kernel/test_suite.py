"""What the suites of several kernels need is built at once, each guest once; a failure is told."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from scripts.kernel import packages
from scripts.kernel.build import BuildError
from scripts.kernel.packages import Kernel
from scripts.kernel.suite import LIBRARY, PROGRAMS, Suite, build_all


def _suites(folder: Path) -> list[Suite]:
    kernels = [Kernel(release, folder, folder, None) for release in ("6.1", "6.12")]
    return [Suite(kernel, folder) for kernel in kernels]


def test_modules_are_built_at_once_and_guests_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2, timeout=60)
    programs: list[str] = []
    monkeypatch.setattr(Suite, "build_module", lambda self: both.wait())
    monkeypatch.setattr(Suite, "build_program", lambda self, name: programs.append(name))
    build_all(_suites(tmp_path))
    assert sorted(programs) == sorted([LIBRARY, *PROGRAMS])


def test_a_failure_is_told_when_all_have_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []

    def fail(suite: Suite) -> None:
        ended.append(suite.kernel.release)
        raise BuildError(suite.kernel.release)

    monkeypatch.setattr(Suite, "build_module", fail)
    monkeypatch.setattr(Suite, "build_program", lambda self, name: ended.append(name))
    with pytest.raises(BuildError, match=r"6\.1$"):
        build_all(_suites(tmp_path))
    assert len(ended) == 2 + 1 + len(PROGRAMS)


def test_machines_that_start_together_take_a_whole_busybox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[Path] = []

    def fetch(_: object, home: Path) -> None:
        fetched.append(home)
        (home / "bin").mkdir(parents=True, exist_ok=True)
        (home / "bin" / "busybox").write_bytes(b"ha")
        time.sleep(0.2)  # as long as it takes to unpack
        (home / "bin" / "busybox").write_bytes(b"half and half")

    monkeypatch.setattr(packages, "fetch", fetch)
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda _: packages.busybox(tmp_path).read_bytes(), range(4)))
    assert read == [b"half and half"] * 4
    assert len(fetched) == 1
