"""What a guest says on its serial line is sorted as it should be."""

from __future__ import annotations

import pytest
from scripts.kernel.serial import read

GOOD = [
    "NEXUS-KERNEL up: ok",
    "figure cost-info 1.250 us\r",
    "NEXUS-KERNEL a: ok 3 things",
    "NEXUS-KERNEL end: ok",
]


def test_a_good_run() -> None:
    report = read(GOOD)
    assert report.problems(["a"]) == []
    assert report.figures == {"cost-info": (1.25, "us")}
    assert report.notes == ["a: 3 things"]


def test_what_was_not_said_is_a_problem() -> None:
    assert read(GOOD).problems(["a", "b"]) == ["b: said nothing"]
    assert read(GOOD[:-1]).problems(["a"]) == ["end: said nothing"]


def test_a_failure_is_a_problem_with_its_text() -> None:
    report = read([*GOOD, "[ 1.0] tail of a line NEXUS-KERNEL b: FAIL status 3"])
    assert report.problems(["a", "b"]) == ["FAIL b: status 3"]


@pytest.mark.parametrize(
    "line",
    [
        "[    4.1] WARNING: CPU: 1 PID: 101 at x.c:28 f+0xc3/0xf5 [selfcheck]",
        "[    4.1] BUG: kernel NULL pointer dereference, address: 0000000000000000",
        "[    4.1] BUG: KASAN: slab-use-after-free in f+0x1/0x2",
        "[    4.1] WARNING: possible circular locking dependency detected",
        "[    4.1] BUG: sleeping function called from invalid context at mm/slab.h:1",
        "[    4.1] watchdog: BUG: soft lockup - CPU#0 stuck for 22s!",
        "[    4.1] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        "[    4.1] Kernel panic - not syncing: x",
        "[    4.1] list_add corruption. prev->next should be next",
        "[    4.1] refcount_t: underflow; use-after-free.",
        "[    4.1] BUG kmalloc-64 (Tainted: G    OE): Right Redzone overwritten",
        "unreferenced object 0xffff888004ef1800 (size 64):",
    ],
)
def test_what_a_kernel_says_of_its_own_faults(line: str) -> None:
    assert read([*GOOD, line]).problems([]) == [f"kernel: {line}"]


@pytest.mark.parametrize(
    "line",
    [
        "[    0.0] ..MP-BIOS bug: 8254 timer not connected to IO-APIC",
        '[    3.2] Unstable clock detected, switching default tracing clock to "global"',
        "[   34.9] Out of memory: Killed process 264 (pressure) total-vm:49760kB",
    ],
)
def test_what_is_no_fault(line: str) -> None:
    assert read([*GOOD, line]).problems([]) == []


@pytest.mark.parametrize(("taint", "bad"), [(0, False), (12288, False), (12800, True), (128, True)])
def test_a_kernel_is_tainted_by_more_than_a_foreign_module(taint: int, bad: bool) -> None:
    assert bool(read([*GOOD, f"figure kernel_taint {taint} flags"]).problems([])) is bad
