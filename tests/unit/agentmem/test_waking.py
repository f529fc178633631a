"""What arrives at a frozen agent is noticed and never taken; nothing stays frozen when its watcher dies."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus.agentmem import freezer
from nexus.agentmem.guard import Guard
from nexus.agentmem.process_tree import process_of, processes, tree
from nexus.agentmem.waking import Waking, signalled
from tests.unit.agentmem.conftest import until

_LISTENS = """
import select, socket, sys, threading
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
if sys.argv[1:] == ["connected"]:
    peer, _ = server.accept()
    print(flush=True)
threading.Event().wait()
"""
_IN_A_GROUP = """
import signal, sys
from nexus.agentmem import freezer
signal.signal(signal.SIGUSR1, lambda *_: None)
print(freezer.enter("test-" + sys.argv[1]), flush=True)
input()
"""
_WATCHER = """
import sys
from nexus.agentmem import freezer
from nexus.agentmem.guard import Guard
guard = Guard()
print(guard.keep([sys.argv[1]]) and freezer.freeze(sys.argv[1]), flush=True)
input()
"""


@pytest.fixture
def waking() -> Iterator[Waking]:
    waking = Waking()
    yield waking
    waking.close()


@pytest.fixture
def grouped(start) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A process in a group of its own, and the group."""
    process = start(sys.executable, "-c", _IN_A_GROUP, str(os.getpid()))
    folder = process.stdout.readline().decode().strip()
    if not folder:
        pytest.skip("this user may make no control group that can be frozen")
    yield process, folder
    freezer.thaw(folder)
    process.kill()
    process.wait()
    until(lambda: not Path(folder, "cgroup.procs").read_text(), "the group is empty")
    Path(folder).rmdir()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def watched(waking: Waking, process: subprocess.Popen[bytes]) -> None:
    if not waking.add("a", tree(process.pid, processes())):
        pytest.skip("this user may not look at the descriptors of other processes")


def test_a_line_in_a_pipe_is_noticed_and_still_there(waking, start):
    process = start(sys.executable, "-c", "print(flush=True); print(input(), flush=True)")
    process.stdout.readline()
    watched(waking, process)
    assert waking.wait(0) == set()
    process.stdin.write(b"hello\n")
    process.stdin.flush()
    assert waking.wait(30) == {"a"}
    assert process.stdout.readline() == b"hello\n"


def test_what_was_there_before_is_no_reason(waking, start):
    process = start("sleep", "60")
    process.stdin.write(b"never read\n")
    process.stdin.flush()
    watched(waking, process)
    assert waking.wait(0.2) == set()
    process.stdin.write(b"more\n")
    process.stdin.flush()
    assert waking.wait(30) == {"a"}


def test_a_connection_and_its_data_are_noticed(waking, start):
    process = start(sys.executable, "-c", _LISTENS, "connected")
    with socket.create_connection(("127.0.0.1", int(process.stdout.readline()))) as peer:
        process.stdout.readline()
        watched(waking, process)
        assert waking.wait(0.2) == set()
        peer.sendall(b"x")
        assert waking.wait(30) == {"a"}


def test_a_key_press_is_noticed_and_the_end_too(waking, start):
    master, slave = os.openpty()
    process = subprocess.Popen(["sleep", "60"], stdin=slave, start_new_session=True)
    os.close(slave)
    try:
        until(lambda: (found := process_of(process.pid)) and found.session == process.pid, "it runs")
        watched(waking, process)
        os.write(master, b"x\n")
        assert waking.wait(30) == {"a"}
        waking.remove("a")
        watched(waking, process)
        process.kill()
        assert waking.wait(30) == {"a"}
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_nothing_is_held_of_an_agent_that_was_let_go_of(waking, sleeper):
    before = descriptors()
    watched(waking, sleeper)
    assert descriptors() > before
    waking.remove("a")
    waking.remove("a")
    assert descriptors() == before


def test_an_agent_that_has_ended_is_not_watched(waking, start):
    process = start("sleep", "60")
    found = tree(process.pid, processes())
    process.kill()
    process.wait()
    assert not waking.add("a", found)
    assert waking.wait(0) == set()


def test_a_frozen_group_stands_still_and_a_signal_waits(grouped):
    process, folder = grouped
    assert freezer.freeze(folder)
    until(lambda: freezer.is_frozen(folder), "it is frozen")
    found = tree(process.pid, processes(), folder)
    assert not signalled(found)
    process.send_signal(signal.SIGUSR1)
    until(lambda: signalled(found), "the signal waits")
    assert freezer.thaw(folder)
    until(lambda: not signalled(found), "it is taken")
    assert not freezer.is_frozen(folder)


def test_kill_9_of_who_froze_it_lets_it_go_on(grouped, start):
    _, folder = grouped
    watcher = start(sys.executable, "-c", _WATCHER, folder)
    assert watcher.stdout.readline() == b"True\n"
    assert freezer.is_frozen(folder)
    watcher.kill()
    until(lambda: not freezer.is_frozen(folder), "it is thawed")


def test_a_guard_that_is_told_less_leaves_the_rest_frozen(grouped):
    _, folder = grouped
    guard = Guard()
    assert guard.keep([folder, folder + "-absent"])
    assert freezer.freeze(folder)
    assert guard.keep([folder])
    assert freezer.is_frozen(folder)
    assert guard.keep([])
    assert freezer.is_frozen(folder)


def test_groups_of_agents_that_have_ended_are_taken_away(grouped, start):
    _, folder = grouped
    stale = Path(folder).with_name(f"nexus-agent-{2**22 + 1}-5")
    stale.mkdir()
    process = start(sys.executable, "-c", _IN_A_GROUP, "another")
    made = Path(process.stdout.readline().decode().strip())
    assert not stale.exists()
    assert Path(folder).exists()
    process.kill()
    process.wait()
    until(lambda: not (made / "cgroup.procs").read_text(), "the group is empty")
    made.rmdir()


def test_where_no_group_can_be_made_there_is_none(tmp_path):
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "cgroup").write_text("0::/a\n3:freezer:/b\n")
    assert freezer.enter("x", root=str(tmp_path / "absent"), proc=str(tmp_path)) == ""
    assert freezer.enter("x", root=str(tmp_path), proc=str(tmp_path / "absent")) == ""
    # A folder that is no control group is left as it was.
    (tmp_path / "freezer").mkdir()
    assert freezer.enter("x", root=str(tmp_path), proc=str(tmp_path)) == ""
    assert list((tmp_path / "freezer").iterdir()) == []
    assert not freezer.freeze(str(tmp_path))
    assert not freezer.is_frozen(str(tmp_path))
