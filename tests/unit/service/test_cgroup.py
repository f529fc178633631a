"""Control groups: what is made, what is written, and that nothing else is touched. On made-up folders, and
on the machine's own where it allows it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from nexus.service.cgroup import ControlGroup

OUR_PID = os.getpid()


class Machine:
    """A folder tree like the kernel's, with this process, a child of it and a stranger."""

    def __init__(self, root: Path) -> None:
        self.root, self.proc = root / "cgroup", root / "proc"
        self.root.mkdir()
        for pid, parent, started in ((OUR_PID, 1, 500), (1, 0, 1), (70001, OUR_PID, 600), (70002, 1, 700)):
            self.process(pid, parent, started)

    def process(self, pid: int, parent: int, started: int) -> None:
        folder = self.proc / str(pid)
        folder.mkdir(parents=True, exist_ok=True)
        fields = ["S", str(parent), *["0"] * 17, str(started), "0"]
        (folder / "stat").write_text(f"{pid} (odd ) name) {' '.join(fields)}\n")

    def member_of(self, text: str) -> None:
        (self.proc / "self").mkdir(exist_ok=True)
        (self.proc / "self" / "cgroup").write_text(text)

    def group(self, path: str, **files: str) -> Path:
        folder = self.root / path
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name.replace("__", ".")).write_text(text)
        return folder

    def control(self) -> ControlGroup:
        return ControlGroup(self.root, self.proc, remove_folder=shutil.rmtree)

    def contents(self) -> dict[str, str]:
        return {
            str(path.relative_to(self.root)): path.read_text()
            for path in sorted(self.root.rglob("*"))
            if path.is_file()
        }


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def made_in(parent: Path) -> list[Path]:
    return sorted(parent.glob("nexus-background-*"))


def delegated(machine: Machine, control: str = "") -> Path:
    """What systemd makes for Delegate=cpu and DelegateSubgroup=service."""
    machine.member_of("0::/user/nexus.service/service\n")
    machine.group("", cgroup__controllers="cpu memory", cgroup__procs="1\n")
    unit = machine.group(
        "user/nexus.service",
        cgroup__controllers="cpu",
        cgroup__subtree_control=control,
        cgroup__procs="",
    )
    machine.group(
        "user/nexus.service/service", cgroup__controllers=control, cgroup__procs=f"{OUR_PID}\n70001\n"
    )
    return unit


def test_v1_gets_period_quota_and_process(machine: Machine) -> None:
    parent = machine.group("cpu,cpuacct/session")
    machine.member_of("5:memory:/elsewhere\n3:cpu,cpuacct:/session\n0::/\n")
    group = machine.control()
    assert group.hold(70001, 0.26)
    assert (group.version, group.reason) == ("v1", "")
    [folder] = made_in(parent)
    assert folder.name == f"nexus-background-{OUR_PID}-500"
    assert {f.name: f.read_text() for f in folder.iterdir()} == {
        "cpu.cfs_period_us": "100000",
        "cpu.cfs_quota_us": "26000",
        "cpu.shares": "2",
        "cgroup.procs": "70001",
    }
    assert group.limit(0.5)
    assert (folder / "cpu.cfs_quota_us").read_text() == "50000"
    assert group.limit(0.0)
    assert (folder / "cpu.cfs_quota_us").read_text() == "1000", "the least that the kernel takes"
    assert group.hold(70002, 0.5), "a child that was started again"
    assert (folder / "cgroup.procs").read_text() == "70002"
    assert group.remove()
    assert made_in(parent) == []
    assert group.version == "none"


def test_v1_in_a_container_that_cannot_see_the_path_of_the_host(machine: Machine) -> None:
    machine.group("cpu")
    machine.member_of("1:cpu:/docker/0123\n")
    group = machine.control()
    assert group.hold(70001, 0.5)
    assert made_in(machine.root / "cpu")


def test_v2_beside_us_where_the_group_above_is_ours(machine: Machine) -> None:
    unit = delegated(machine)
    before = machine.contents()
    group = machine.control()
    assert group.hold(70001, 0.26)
    assert group.version == "v2"
    [folder] = made_in(unit)
    assert (folder / "cpu.max").read_text() == "26000 100000"
    assert (folder / "cgroup.procs").read_text() == "70001"
    assert (folder / "cpu.weight").read_text() == "1"
    assert (unit / "cgroup.subtree_control").read_text() == "+cpu"
    assert group.remove()
    changed = {name for name, text in machine.contents().items() if before.get(name) != text}
    assert changed == {"user/nexus.service/cgroup.subtree_control"}


def test_v2_in_a_root_group_that_hands_on_already(machine: Machine) -> None:
    machine.member_of("0::/\n")
    root = machine.group(
        "", cgroup__controllers="cpu", cgroup__subtree_control="cpu", cgroup__procs=f"1\n{OUR_PID}\n70002\n"
    )
    group = machine.control()
    assert group.hold(70001, 1.5)
    [folder] = made_in(root)
    assert (folder / "cpu.max").read_text() == "150000 100000"


@pytest.mark.parametrize("control", ["", "cpu"])
def test_v2_a_group_that_others_are_in_is_let_be(machine: Machine, control: str) -> None:
    unit = delegated(machine, control)
    machine.group("user/nexus.service/other", cgroup__procs="70002\n")
    if control:
        (unit / "service" / "cgroup.controllers").write_text("")
    before = machine.contents()
    group = machine.control()
    assert not group.hold(70001, 0.26)
    assert group.version == "none"
    assert "not this service's own" in group.reason
    assert machine.contents() == before


def test_where_there_are_none_it_is_said(machine: Machine) -> None:
    group = machine.control()
    assert not group.hold(70001, 0.5)
    assert group.reason == "this system has no cpu control groups"
    assert not group.limit(0.5)
    assert group.remove()
    assert group.remove_stale() == []


def test_a_refusal_of_the_kernel_leaves_nothing_behind(machine: Machine) -> None:
    parent = machine.group("cpu")
    machine.member_of("1:cpu:/\n")
    group = machine.control()
    # Where the quota would stand there is a folder: the write is refused.
    (parent / f"nexus-background-{OUR_PID}-500" / "cpu.cfs_quota_us").mkdir(parents=True)
    assert not group.hold(70001, 0.5)
    assert "Is a directory" in group.reason
    assert made_in(parent) == []


def test_what_killed_services_left_goes_and_nothing_else(machine: Machine) -> None:
    parent = machine.group("cpu")
    machine.member_of("1:cpu:/\n")
    kept = [
        "nexus-background-70002-700",  # another service that runs
        "nexus-background-x-1",
        "nexus-other",
        "docker",
    ]
    stale = ["nexus-background-70002-699", "nexus-background-70009-5"]  # the number was given anew; nobody
    for name in (*kept, *stale):
        machine.group(f"cpu/{name}")
    removed = machine.control().remove_stale()
    assert [folder.name for folder in removed] == stale
    assert sorted(folder.name for folder in parent.iterdir()) == sorted(kept)


def test_a_group_that_cannot_be_removed_is_named(machine: Machine) -> None:
    def refuse(folder: Path) -> None:
        raise OSError(16, "Device or resource busy")

    parent = machine.group("cpu")
    machine.member_of("1:cpu:/\n")
    group = ControlGroup(machine.root, machine.proc, remove_folder=refuse)
    assert group.hold(70001, 0.5)
    assert not group.remove()
    assert group.reason == f"{made_in(parent)[0]} stays: Device or resource busy"


@pytest.fixture
def spinning():
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    yield child
    child.kill()
    child.wait()


@pytest.fixture
def group():
    group = ControlGroup()
    yield group
    group.remove()


def test_the_kernel_of_this_machine_holds_it(group: ControlGroup, spinning: subprocess.Popen[bytes]) -> None:
    if not group.hold(spinning.pid, 0.1):
        pytest.skip(f"no control group here: {group.reason}")
    assert group._folder
    folder = group._folder
    assert str(spinning.pid) in (folder / "cgroup.procs").read_text().split()
    idle = folder / "cpu.idle"
    assert (idle.read_text() if idle.exists() else "1").strip() == "1"
    began, used = time.monotonic(), cpu_seconds(spinning.pid)
    time.sleep(2)
    spent = cpu_seconds(spinning.pid) - used
    # It wants all of a core; a tenth of a second is what it may hold when the measurement begins.
    assert spent <= 0.1 * (time.monotonic() - began) + 0.1
    # A group of a living service is not stale, one of a dead service is.
    assert folder not in ControlGroup().remove_stale()
    dead = folder.with_name("nexus-background-4194999-1")
    dead.mkdir()
    assert dead in ControlGroup().remove_stale()
    assert not dead.exists()
    spinning.kill()
    spinning.wait()
    assert group.remove()
    assert not folder.exists()


def cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system
