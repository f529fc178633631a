"""Which processes belong to an agent, and what its activity is made of."""

from __future__ import annotations

import os
import sys

import pytest

from nexus.agentmem.activity import observe
from nexus.agentmem.footprint import Compression, Footprint, compression, footprint
from nexus.agentmem.process_tree import process_of, processes, terminal_path, tree
from tests.unit.agentmem.conftest import fake_proc, until

_FAMILY = """
import os, subprocess, sys, time
child = subprocess.Popen(["sh", "-c", "sleep 61 & exec sleep 62"])
if os.fork() == 0:
    if os.fork() == 0:
        time.sleep(63)      # its parent has ended: it belongs to init, but is in the same job
    os._exit(0)
os.wait()
print(flush=True)
time.sleep(64)
"""
# What stands behind the name: state, parent, job, session, terminal, foreground, then much, cpu, start.
_FIELDS = (
    "{state} {parent} {job} {session} {tty} {front} 0 0 0 0 0 {user} {system} 0 0 20 0 1 0 {start} 0 0\n"
)


def line(**more: object) -> str:
    values = {
        "state": "S", "parent": 1, "job": 1, "session": 1, "tty": 0, "front": -1,
        "user": 3, "system": 4, "start": 99,
    }  # fmt: skip
    return _FIELDS.format(**{**values, **more})


def test_children_grandchildren_and_orphans_belong_to_it(start):
    process = start(sys.executable, "-c", _FAMILY)
    assert process.stdout
    process.stdout.readline()
    # Python, the shell's two sleeps, and the orphan.
    until(lambda: len(tree(process.pid, processes())) == 4, "all four are there")
    assert tree(process.pid, processes())[0].pid == process.pid
    assert os.getpid() not in [member.pid for member in tree(process.pid, processes())]


def test_a_tree_without_its_root_is_empty(tmp_path):
    fake_proc(tmp_path, 8, line(parent=7))
    assert tree(7, processes(tmp_path)) == []


def test_members_of_a_group_belong_to_it_whoever_their_parent_is(tmp_path):
    for pid, parent in ((7, 1), (8, 1), (9, 8), (10, 1)):
        fake_proc(tmp_path / "proc", pid, line(parent=parent))
    (tmp_path / "cgroup.procs").write_text("7\n8\n4000\n")
    found = tree(7, processes(tmp_path / "proc"), str(tmp_path))
    assert [member.pid for member in found] == [7, 8, 9]


def test_parents_in_a_circle_do_not_hang_it(tmp_path):
    fake_proc(tmp_path, 7, line(parent=8))
    fake_proc(tmp_path, 8, line(parent=7))
    assert [member.pid for member in tree(7, processes(tmp_path))] == [7, 8]


def test_a_name_with_brackets_and_blanks_is_read_over(tmp_path):
    fake_proc(tmp_path, 7, line(user=30, system=12, tty=(136 << 8) + 5))
    process = process_of(7, tmp_path)
    assert process
    assert (process.cpu, process.start, process.word) == (42, 99, "7:99")
    assert str(terminal_path(process.terminal)) == "/dev/pts/5"


@pytest.mark.parametrize("state", ["Z", "X"])
def test_a_zombie_is_no_process(tmp_path, state):
    fake_proc(tmp_path, 7, line(state=state))
    assert process_of(7, tmp_path) is None


def test_a_real_terminal_is_found_by_its_number():
    master, slave = os.openpty()
    try:
        assert str(terminal_path(os.fstat(slave).st_rdev)) == os.ttyname(slave)
        assert terminal_path(os.makedev(1, 3)) is None
    finally:
        os.close(master)
        os.close(slave)


def test_what_a_process_reads_writes_and_computes_is_seen(start):
    # A fifth of a second: the kernel counts processor time in hundredths.
    work = (
        "import time; [0 for _ in iter(lambda: time.process_time() < 0.2, False)]; print(flush=True); input()"
    )
    process = start(sys.executable, "-c", work)
    process.stdout.readline()
    before = observe(tree(process.pid, processes()), 1.0)
    assert before.bytes[process.pid] > 0
    assert before.seconds > 0
    assert observe([], 1.0).terminal == 0


def test_sizes_are_added_over_processes(sleeper, start):
    other = start(sys.executable, "-c", "print(flush=True); input()")
    other.stdout.readline()  # it has started: its size stays
    one, two = footprint([sleeper.pid]), footprint([other.pid])
    assert one.pss > 0
    assert two.pss > 0
    assert footprint([sleeper.pid, other.pid, 2**22 + 1]).rss == one.rss + two.rss
    assert sum([one, two], Footprint()).private == one.private + two.private


def test_what_swapped_memory_takes_is_estimated_from_the_whole_machine(tmp_path):
    lines = {"SwapTotal": 1000, "SwapFree": 400, "Zswap": 100, "Zswapped": 300}
    (tmp_path / "meminfo").write_text("".join(f"{name}: {n} kB\n" for name, n in lines.items()))
    found = compression(tmp_path)
    assert found == Compression(0.5, 3.0)
    assert found.in_ram(600) == 100
    assert compression(tmp_path / "absent").in_ram(600) == 0
