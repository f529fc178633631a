"""What KSM saves, what it takes, who is looked at, how it is set: on a folder that looks like a machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nexus.agentmem import ksm_trial
from nexus.agentmem.ksm import FOLDER, PAGE, Ksm, Marked
from nexus.agentmem.ksm_trial import Setting, Tried, choose
from nexus.agentmem.machine import Machine

MIB = 2**20
SMAPS = """\
7f0000000000-7f0010000000 rw-p 00000000 00:00 0
Rss:              {kib} kB
Anonymous:        {kib} kB
VmFlags: rd wr mr mw me ac sd{flag}
7f1000000000-7f1000100000 rw-p 00000000 00:00 0                          [heap]
Anonymous:            1024 kB
VmFlags: rd wr mr mw me ac sd
"""


class Kernel:
    """KSM of a machine in a folder. It works as long as somebody waits."""

    def __init__(self, root: Path, *, advisor: bool = False, micros: float = 2.0) -> None:
        self.root, self.machine, self.micros = root, Machine(root), micros
        self.now, self.cpu, self.waited = 100.0, 5.0, 0
        self.clock: Callable[[], float] = lambda: self.now
        for name, value in (
            *(("run", "0"), ("pages_to_scan", "100"), ("sleep_millisecs", "20"), ("smart_scan", "1")),
            *(("pages_scanned", "0"), ("pages_sharing", "0"), ("general_profit", "0")),
        ):
            self.put(f"{FOLDER}/{name}", value)
        if advisor:
            self.put(f"{FOLDER}/advisor_mode", "[none] scan-time")
            self.put(f"{FOLDER}/advisor_max_cpu", "70")
            self.put(f"{FOLDER}/advisor_target_scan_time", "200")
        self.put("/proc/sys/kernel/random/boot_id", "first")
        self.put("/proc/36/stat", "36 (ksmd) S 2 0 0 0 -1 2097216 0 0 0 0 300 200 0 0 25 5 1 0 13")
        self.spend(0)

    def put(self, name: str, text: str) -> None:
        path = self.root / name[1:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def spend(self, seconds: float) -> None:
        self.cpu += seconds
        self.put("/proc/36/schedstat", f"{int(self.cpu * 1e9)} 1 1\n")

    def mark(self, pid: int, size: int, program: str = "node") -> None:
        self.put(f"/proc/{pid}/smaps", SMAPS.format(kib=size >> 10, flag=" mg"))
        self.put(f"/proc/{pid}/comm", program)

    def wait(self, seconds: float) -> None:
        """As many pages as are set, each time it has slept, as long as it runs."""
        self.waited += 1
        self.now += seconds
        if self.machine.read(f"{FOLDER}/run") != "1":
            return
        pages = int(self.machine.read(f"{FOLDER}/pages_to_scan"))
        sleep = int(self.machine.read(f"{FOLDER}/sleep_millisecs")) / 1000
        looked = seconds / (sleep + pages * self.micros / 1e6) * pages
        self.put(
            f"{FOLDER}/pages_scanned", str(int(self.machine.read(f"{FOLDER}/pages_scanned")) + int(looked))
        )
        self.spend(looked * self.micros / 1e6)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def tried(name: str, pages: float, percent: float) -> Tried:
    return Tried(Setting(name, ()), pages, percent)


def test_what_it_saves_is_the_kernels_sum_and_without_it_the_same_sum_from_its_counts(kernel):
    kernel.put(f"{FOLDER}/general_profit", "-4096")
    assert Ksm(kernel.machine).profit() == -4096
    (kernel.root / FOLDER[1:] / "general_profit").unlink()
    for name, count in (("shared", 10), ("sharing", 1000), ("unshared", 3000), ("volatile", 90)):
        kernel.put(f"{FOLDER}/pages_{name}", str(count))
    assert Ksm(kernel.machine).profit() == 1000 * PAGE - 4100 * 64


def test_the_thread_of_the_kernel_is_found_and_nobody_who_calls_himself_so(kernel):
    kernel.put("/proc/12/stat", "12 (ksmd) S 1 0 0 0 -1 0 0 0 0 0 99999 99999 0 0")
    assert Ksm(kernel.machine).cpu() == 5.0
    (kernel.root / "proc/36/schedstat").unlink()
    assert Ksm(kernel.machine).cpu() == 5.0  # 500 ticks
    (kernel.root / "proc/36/stat").unlink()
    assert Ksm(kernel.machine).cpu() is None


def test_who_has_marked_memory_is_named_with_how_much(kernel):
    kernel.mark(70, 32 * MIB)
    kernel.mark(71, 64 * MIB, "qemu")
    kernel.put("/proc/72/smaps", SMAPS.format(kib=1024, flag=""))
    kernel.mark(73, 8 * MIB)
    kernel.put("/proc/73/ksm_stat", "ksm_merge_any: no\nksm_mergeable: no\n")
    found = Ksm(kernel.machine).marked()
    assert found == [Marked(71, "qemu", 64 * MIB, 1), Marked(70, "node", 32 * MIB, 1)]


def test_the_cheapest_that_is_fast_enough_is_taken(kernel):
    pages = 262_144  # a round in 30 s: 8738 pages a second
    slow, fit, dear = tried("slow", 5000, 0.7), tried("fit", 16_000, 4), tried("dear", 30_000, 9)
    assert choose([slow, fit, dear], pages).name == "fit"
    assert choose([slow, dear], pages).name == "dear"
    assert choose([slow, tried("far too dear", 90_000, 40)], pages).name == "slow"
    assert choose([tried("a", 9000, 30), tried("b", 20_000, 50)], pages).name == "a"
    assert choose([tried("did nothing", 0, 0), fit], pages).name == "fit"


def test_a_trial_measures_each_sets_the_chosen_and_puts_smart_scan_back(kernel, monkeypatch):
    monkeypatch.setattr(ksm_trial, "Ksm", lambda machine: Ksm(machine, kernel.clock))
    kernel.mark(70, 2048 * MIB)
    found = ksm_trial.trial(kernel.machine, 1.0, kernel.wait)
    # 2 us a page: 100 each 20 ms are 4950/s, 500 are 23,800/s; 2 GB in 30 s are 17,476/s.
    assert [round(one.pages, -2) for one in found.tried] == [5000, 23_800, 45_500, 83_300, 142_900]
    assert [round(one.percent, 1) for one in found.tried] == [1.0, 4.8, 9.1, 16.7, 28.6]
    assert found.chosen.name == "500 pages each 20 ms"
    assert kernel.machine.read(f"{FOLDER}/pages_to_scan") == "500"
    assert kernel.machine.read(f"{FOLDER}/run") == "1"
    assert kernel.machine.read(f"{FOLDER}/smart_scan") == "1"
    assert sum("<- chosen" in line for line in found.lines()) == 1
    assert "2048 MB that 1 process(es) have marked" in found.lines()[0]


def test_a_dear_kernel_gets_a_slow_setting(tmp_path, monkeypatch):
    kernel = Kernel(tmp_path, micros=15)
    monkeypatch.setattr(ksm_trial, "Ksm", lambda machine: Ksm(machine, kernel.clock))
    kernel.mark(70, 2048 * MIB)
    assert ksm_trial.trial(kernel.machine, 1.0, kernel.wait).chosen.name == "100 pages each 20 ms"


def test_where_nothing_can_be_measured_the_usual_is_taken_and_it_is_said(kernel):
    found = ksm_trial.trial(kernel.machine, 0, kernel.wait)
    assert (found.tried, kernel.waited) == ((), 0)
    assert "not asked for; the usual 1000 pages" in found.lines()[0]
    (kernel.root / "proc/36/stat").unlink()
    found = ksm_trial.trial(kernel.machine, 1, kernel.wait)
    assert "ksmd cannot be seen from here" in found.lines()[0]
    assert kernel.machine.read(f"{FOLDER}/pages_to_scan") == "1000"
    assert kernel.machine.read(f"{FOLDER}/run") == "1"


def test_a_ksmd_that_looks_at_nothing_is_no_measurement(kernel, monkeypatch):
    monkeypatch.setattr(ksm_trial, "Ksm", lambda machine: Ksm(machine, kernel.clock))
    kernel.mark(70, 2048 * MIB)
    found = ksm_trial.trial(kernel.machine, 1.0, lambda seconds: None)
    assert found.tried == ()
    assert "looked at nothing" in found.lines()[0]
