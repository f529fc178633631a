"""The harness of the kernel's tests notices what goes wrong in a guest: a module goes wrong when told to."""

from __future__ import annotations

import os

import pytest
from scripts.kernel import build, guest, machine, packages, serial
from scripts.kernel.guest import Step
from scripts.kernel.packages import Kernel, MissingError
from scripts.kernel.suite import GUESTS, ROOT

# Read now: tests run without the variables of ours that the user has set.
pytestmark = [
    pytest.mark.timeout(1800),  # the first test fetches a kernel and builds a module
    pytest.mark.skipif(
        os.environ.get("NEXUS_TEST_KERNEL") != "1", reason="boots kernels: NEXUS_TEST_KERNEL=1 runs it"
    ),
]
FOLDER = ROOT / "build" / "kernel"


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    try:
        packages.need("qemu-system-x86_64", "qemu-system-x86")
        return packages.debian_kernel("6.1", FOLDER)
    except MissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def selfcheck(kernel: Kernel) -> bytes:
    place = FOLDER / "modules" / kernel.release / "selfcheck"
    return build.module(kernel, [GUESTS / "selfcheck"], place)[0].read_bytes()


def _run(
    kernel: Kernel, module: bytes, steps: list[Step], limit_s: float = 600
) -> tuple[machine.Boot, list[str]]:
    archive = guest.initramfs(packages.busybox(FOLDER), [("selfcheck", module)], steps)
    boot = machine.boot(kernel.image, archive, limit_s=limit_s)
    return boot, serial.read(boot.lines).problems(step.name for step in steps)


def _tell(word: str) -> Step:
    return Step(word, f"echo {word} >/proc/nexus_selfcheck")


@pytest.mark.slow
def test_a_guest_where_all_is_well(kernel: Kernel, selfcheck: bytes) -> None:
    boot, problems = _run(kernel, selfcheck, [Step("is-there", "test -e /proc/nexus_selfcheck")])
    assert problems == []
    assert not boot.timed_out
    assert boot.up_s is not None
    assert 0 < boot.up_s < boot.wall_s


@pytest.mark.slow
def test_steps_that_fail_or_hang(kernel: Kernel, selfcheck: bytes) -> None:
    steps = [
        Step("bad", "exit 3"),
        Step("slow", "sleep 60", 2),
        Step("unknown", "echo x >/proc/nexus_selfcheck"),
    ]
    _, problems = _run(kernel, selfcheck, steps)
    assert problems == [
        "FAIL bad: status 3",
        "FAIL slow: killed, or not done after 2 s",
        "FAIL unknown: status 1",
    ]


@pytest.mark.slow
def test_a_warning_of_the_kernel(kernel: Kernel, selfcheck: bytes) -> None:
    _, problems = _run(kernel, selfcheck, [_tell("warn")])
    assert any("WARNING: CPU" in problem for problem in problems)
    assert "kernel: tainted, 0x3200" in problems


@pytest.mark.slow
def test_an_oops(kernel: Kernel, selfcheck: bytes) -> None:
    _, problems = _run(kernel, selfcheck, [_tell("oops")])
    assert any("BUG: kernel NULL pointer dereference" in problem for problem in problems)


@pytest.mark.slow
def test_a_panic_ends_the_machine_and_what_was_not_said_is_missed(kernel: Kernel, selfcheck: bytes) -> None:
    boot, problems = _run(kernel, selfcheck, [_tell("panic"), Step("later", "true")])
    assert not boot.timed_out
    assert any("Kernel panic" in problem for problem in problems)
    assert "later: said nothing" in problems
    assert "end: said nothing" in problems


@pytest.mark.slow
def test_a_machine_that_does_not_end_is_ended(kernel: Kernel, selfcheck: bytes) -> None:
    boot, problems = _run(kernel, selfcheck, [Step("endless", "sleep 1000", 1000)], limit_s=20)
    assert boot.timed_out
    assert boot.wall_s < 120  # and not the guest's 1000
    assert "end: said nothing" in problems
