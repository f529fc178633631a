"""A tender's process: what it is given, and that nothing is left of it."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import psutil
import pytest

from nexus.core.errors import BusyError, MissingPartError
from nexus.unikernel.descriptors import Descriptors
from nexus.unikernel.process import Process
from nexus.unikernel.spawn import spawn
from nexus.unikernel.tender import Launch

SHELL = "/bin/sh"


def said(process: Process, descriptor: int | None = None) -> bytes:
    descriptor = process.stdout if descriptor is None else descriptor
    os.set_blocking(descriptor, True)
    with os.fdopen(os.dup(descriptor), "rb") as stream:
        return stream.read()


def alive_in_group(process: psutil.Process, group: int) -> bool:
    try:
        return os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


def shell(script: str) -> Launch:
    return Launch((SHELL, "-c", script), "forwarded")


@pytest.mark.parametrize("frames", ["forwarded", "all"])
def test_it_has_an_empty_environment_the_root_folder_and_a_group_of_its_own(
    nothing_left, monkeypatch, frames: Literal["forwarded", "all"]
):
    monkeypatch.setenv("SECRET_OF_MINE", "1")
    look = "(cat /proc/$$/environ; pwd; cut -d' ' -f5,6 /proc/$$/stat) >&2"
    process = Process(Launch((SHELL, "-c", look), frames))
    folder, numbers = said(process, process.stderr).decode().split("\n", 1)
    group, session = map(int, numbers.split())
    process.close()
    assert folder == "/"  # and nothing of the environment before it
    assert group == process.pid
    assert (session == process.pid) == (frames == "all")


def test_it_has_no_descriptor_but_its_four(nothing_left, fake_program: Path, tmp_path: Path):
    (tmp_path / "script").write_text("descriptors")
    inherited = os.dup(2)
    os.set_inheritable(inherited, True)
    process = Process(Launch((str(fake_program), str(tmp_path / "script")), "forwarded"))
    listed = said(process)
    process.close()
    os.close(inherited)
    assert listed == b"0 1 2 3 "


def test_input_is_all_there_and_ends(nothing_left):
    process = Process(shell("cat"), stdin=b"abc" * 100_000)
    assert said(process) == b"abc" * 100_000
    process.close()


def test_input_given_later_is_what_it_reads_next(nothing_left):
    process = Process(shell("read x <&3; cat; read x <&3; cat"), stdin=None)
    process.give_input(b"first")
    assert process.channel.reply(0, b"\n", time.monotonic() + 10)
    time.sleep(0.2)
    process.give_input(b", second")
    assert process.channel.reply(0, b"\n", time.monotonic() + 10)
    assert said(process) == b"first, second"
    process.close()


def test_closing_ends_what_runs_and_deletes_its_files(nothing_left, tmp_path: Path):
    file = tmp_path / "initrd"
    file.touch()
    process = Process(Launch((SHELL, "-c", "sleep 1000 & sleep 1000"), "forwarded", files=(file,)))
    process.close()
    process.close()
    assert process.dead()
    assert not file.exists()
    assert not [p for p in psutil.process_iter() if alive_in_group(p, process.pid)]


def test_an_object_that_goes_takes_its_process_along(nothing_left):
    process = Process(shell("sleep 1000"))
    pid = process.pid
    del process
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_its_cpu_time_is_seen(nothing_left):
    process = Process(shell("while :; do :; done"))
    deadline = time.monotonic() + 60
    while process.cpu() < 0.1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.cpu() >= 0.1
    process.close()


def test_a_program_that_is_not_there_is_a_missing_part(nothing_left, tmp_path: Path):
    with pytest.raises(MissingPartError, match=r"/nowhere/x.*No such file"):
        Process(Launch(("/nowhere/x",), "forwarded"))


def test_no_descriptor_left_is_told_with_the_remedy_and_before_the_last_is_taken(nothing_left):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    processes: list[Process] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        with pytest.raises(BusyError, match=r"this process may have 200.*ulimit -n"):  # noqa: PT012
            for _ in range(200):
                processes.append(Process(shell("sleep 1000")))
        assert 5 < len(processes) < 60
        os.close(os.dup(0))  # others still find some
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for process in processes:
            process.close()


def test_a_status_that_somebody_else_took_is_no_exception(nothing_left):
    process = Process(shell("exit 3"))
    os.waitpid(process.pid, 0)
    assert process.wait() == -1
    process.close()


def test_descriptors_below_four_may_be_in_use_or_free():
    # In a process of its own, whose standard descriptors are closed: then ours get their numbers.
    code = (
        "import os, ctypes\n"
        "from nexus.unikernel.spawn import spawn\n"
        "keep = os.dup(1); os.close(0); os.close(1)\n"
        "a = os.pipe(); pid = ctypes.c_int(0)\n"
        "spawn(pid, ['/bin/sh', '-c', 'echo one; echo three >&3'], {0: a[0], 1: a[1], 2: 2, 3: keep})\n"
        "os.waitpid(pid.value, 0); os.close(a[1])\n"
        "os.write(keep, b'got ' + os.read(a[0], 100))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"three\ngot one\n"


def test_ignored_signals_are_not_ignored_by_the_program():
    pid, old = ctypes.c_int(0), signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    own = Descriptors()
    reading, writing = own.pipe()
    try:
        spawn(pid, (SHELL, "-c", "kill -PIPE $$; exit 0"), {0: reading, 1: writing, 2: 2, 3: writing})
        assert os.waitpid(pid.value, 0)[1] == signal.SIGPIPE
    finally:
        signal.signal(signal.SIGPIPE, old)
        own.close_all()


def test_a_forked_child_does_not_end_its_parents_guest(nothing_left):
    process = Process(shell("sleep 1000"))
    child = os.fork()
    if child == 0:
        process.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert not process.dead()
    process.close()
