"""What the suites of several kernels need is built at once, each guest once; a failure is told."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from scripts.kernel import machine, packages
from scripts.kernel.build import BuildError
from scripts.kernel.guest import Step
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


@pytest.mark.parametrize(("ups", "boots", "problem"), [([None, 5.0], 2, False), ([None] * 9, 3, True)])
def test_a_kernel_that_dies_before_init_is_started_again_and_that_is_told(
    ups: list[float | None], boots: int, problem: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = list(ups)

    def boot(*_: object, **__: object) -> machine.Boot:
        up = left.pop(0)
        lines = [] if up is None else ["NEXUS-KERNEL one: ok", "NEXUS-KERNEL end: ok"]
        return machine.Boot(lines, up, 1.0, 1.0, timed_out=False)

    monkeypatch.setattr(machine, "boot", boot)
    for name in ("busybox", *(f"guests/{name}" for name in (*PROGRAMS, LIBRARY)), "text-6.1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    monkeypatch.setattr(packages, "busybox", lambda folder: folder / "busybox")
    outcome = _suites(tmp_path)[0].run([Step("one", "true")])
    assert len(ups) - len(left) == boots
    assert outcome.deaths == boots - 1
    assert bool(outcome.problems) == problem
