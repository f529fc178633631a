"""A mount outlives the processes that serve it, and programs on it notice nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus.core import config
from nexus.core.errors import AlreadyRunningError, NexusError
from nexus.core.paths import Home
from nexus.memexfs import launch, mounting
from nexus.memexfs.mount import is_stale, unmount
from nexus.memexfs.mount_table import mounted_at
from tests.memex_mounts import names, needs_root, take_away
from tests.memex_supervised import ROOT, Mount, ended, until

pytestmark = needs_root


@pytest.fixture(scope="module")
def _modules() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        yield


@pytest.fixture
def mount(tmp_path: Path, _modules: None) -> Iterator[Mount]:
    one = Mount(tmp_path)
    try:
        yield one
    finally:
        one.end()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, _modules: None) -> Iterator[Mount]:
    one = Mount(tmp_path_factory.mktemp("running"))
    try:
        one.start()
        yield one
    finally:
        one.end()


# A program, where the worker dies in it, and what the folder holds afterwards.
CASES = [
    ('cat "$1/big" | cksum', "before read"),
    ('cat "$1/big" | cksum', "after read"),
    ('ls "$1" | sort', "after readdir"),
    ('ls -l "$1" | wc -l', "before entry"),
    ('printf 12345 > "$1/new" && cat "$1/new"', "before write"),
    ('printf 12345 > "$1/new" && cat "$1/new"', "after write"),
    ('set -C; printf 12345 > "$1/new" && cat "$1/new"', "after create"),  # O_EXCL
    ('printf 12345 >> "$1/small" && cat "$1/small"', "after write"),
    ('mkdir "$1/d" && ls -d "$1/d"', "after mkdir"),
    ('mkfifo "$1/p" && test -p "$1/p"', "after mknod"),
    ('ln -s small "$1/l" && cat "$1/l"', "after symlink"),
    ('ln "$1/small" "$1/h" && cat "$1/h"', "after link"),
    ('rm "$1/small" && ls "$1"', "after unlink"),
    ('rmdir "$1/empty" && ls "$1"', "after rmdir"),
    ('mv "$1/small" "$1/moved" && cat "$1/moved"', "after rename"),
    ('mv -T "$1/small" "$1/big" && cat "$1/big"', "after rename"),
    ('chmod 640 "$1/small" && stat -c %a "$1/small"', "after setattr"),
    ('truncate -s 3 "$1/small" && cat "$1/small"', "before setattr"),
    ('stat -c %s "$1/big"', "after lookup"),
    ('sync "$1/small" && echo synced', "before fsync"),
]


@pytest.mark.parametrize(("script", "where"), CASES, ids=[f"{where}: {script}" for script, where in CASES])
def test_a_worker_killed_inside_an_operation_costs_its_caller_nothing(
    running: Mount, script: str, where: str, tmp_path: Path
) -> None:
    def filled(folder: Path) -> Path:
        (folder / "empty").mkdir(parents=True)
        (folder / "small").write_text("small")
        (folder / "big").write_bytes(b"0123456789abcdef" * 100_000)
        return folder

    real, undisturbed = filled(running.real / tmp_path.name), filled(tmp_path / "undisturbed")
    expected = running.client(script, undisturbed).communicate(timeout=30)[0]

    before = running.serving
    running.held(where)
    at = running.at / tmp_path.name
    program = running.client(script, at)
    running.kill_when_held()
    said = program.communicate(timeout=60)[0]
    assert program.returncode == 0, said
    assert said.replace(str(at), "") == expected.replace(str(undisturbed), "")
    assert names(real) == names(undisturbed)
    after = running.serving
    assert (after.pid, after.restarts) == (before.pid, before.restarts + 1)


def test_what_fails_in_the_first_attempt_fails_in_the_second(mount: Mount) -> None:
    (mount.real / "d").mkdir()
    mount.start()
    mount.held("before mkdir")
    program = mount.client('mkdir "$1/x/y"; mkdir "$1/z" && rmdir "$1/d" "$1/missing"')
    mount.kill_when_held()
    program.communicate(timeout=60)
    assert program.returncode == 1
    assert names(mount.real) == ["z"]


def test_files_that_are_open_stay_open(mount: Mount) -> None:
    mount.start()
    program = mount.client(
        'exec 3<> "$1/f"; echo one >&3; read -r _ < "$1/../go"; echo two >&3; exec 3>&-; cat "$1/f"'
    )
    until((mount.real / "f").exists)
    worker = mount.serving.worker
    os.kill(worker, signal.SIGKILL)
    mount.go.write_text("go\n")
    assert program.communicate(timeout=60)[0] == "one\ntwo\n"


def test_a_supervisor_that_is_killed_is_replaced_and_the_next_one_restarts_workers_too(mount: Mount) -> None:
    (mount.real / "f").write_text("there")
    first = mount.start()
    os.kill(first.pid, signal.SIGKILL)
    assert (mount.at / "f").read_text() == "there"
    until(lambda: (now := launch.serving(mount.home)) is not None and now.pid != first.pid)
    second = mount.serving
    assert (second.worker, second.since) == (first.worker, first.since)
    os.kill(second.worker, signal.SIGKILL)
    assert (mount.at / "f").read_text() == "there"
    until(lambda: mount.serving.worker != first.worker)
    os.kill(mount.serving.pid, signal.SIGKILL)
    until(lambda: (now := launch.serving(mount.home)) is not None and now.pid != second.pid)
    third = mount.serving
    unmount(mount.at)
    until(lambda: ended(third.pid))
    assert not (mount.home / "run" / "memexfs.json").exists()


def test_both_killed_leave_a_stale_mount_that_the_next_one_takes_away(mount: Mount) -> None:
    found = mount.start()
    os.kill(found.pid, signal.SIGSTOP)  # it cannot start the next worker
    os.kill(found.worker, signal.SIGKILL)
    os.kill(found.pid, signal.SIGKILL)
    until(lambda: is_stale(mount.at))
    assert launch.serving(mount.home) is None
    mount.start()
    (mount.at / "f").write_text("again")
    assert (mount.real / "f").read_text() == "again"


def test_a_home_is_mounted_once(mount: Mount) -> None:
    mount.start()
    with pytest.raises(AlreadyRunningError, match="is mounted already"):
        launch.start(mount.home, mount.at.parent, mount.command)
    other = mount.at.parent / "other home"
    other.mkdir()
    with pytest.raises(AlreadyRunningError, match="mount is mounted already"):
        launch.start(other, mount.at, mount.command)


def test_sigterm_unmounts_and_says_who_is_in_the_way(mount: Mount) -> None:
    found = mount.start()
    user = mount.client('cd "$1" && echo in && read -r _ < "$1/../go"; ls')
    assert user.stdout is not None
    assert user.stdout.readline() == "in\n"
    os.kill(found.pid, signal.SIGTERM)
    log = mount.home / "run" / "memexfs.log"
    until(lambda: f"is in use by sh ({user.pid}" in log.read_text())
    assert mounted_at(mount.at) is not None
    os.kill(found.pid, signal.SIGTERM)  # the second time: whoever is in it may stay
    until(lambda: mounted_at(mount.at) is None)
    (mount.real / "seen").touch()
    mount.go.write_text("\n")
    assert user.communicate(timeout=60)[0] == "seen\n"
    until(lambda: launch.serving(mount.home) is None)


def test_a_worker_that_cannot_begin_ends_the_mount(mount: Mount) -> None:
    mount.hold.with_suffix(".broken").touch()
    with pytest.raises(NexusError, match=r"does not answer.*memexfs\.log"):
        mount.start()
    assert "ended before they answered" in (mount.home / "run" / "memexfs.log").read_text()
    assert mounted_at(mount.at) is None


def test_a_command_that_does_not_exist_is_named(mount: Mount) -> None:
    mount.command = ["/nonexistent/worker"]
    with pytest.raises(NexusError, match="cannot start /nonexistent/worker"):
        mount.start()
    assert mounted_at(mount.at) is None


def test_without_resend_a_fresh_mount_takes_the_place(mount: Mount) -> None:
    """As on kernels before 6.9: who waited gets an error, and does not wait for ever."""
    (mount.real / "f").write_text("there")
    supervisor = subprocess.Popen(
        [
            *(sys.executable, "-m", "nexus.memexfs.supervisor", "--no-resend"),
            *("--home", str(mount.home), "--point", str(mount.at), "--", *mount.command),
        ],
        stdout=subprocess.PIPE,
    )
    mount.pids.add(supervisor.pid)
    assert supervisor.stdout is not None
    assert json.loads(supervisor.stdout.readline()) == {"pid": supervisor.pid}
    assert (mount.at / "f").read_text() == "there"
    mount.held("before open")
    waiting = mount.client('cat "$1/f"')
    mount.kill_when_held()
    assert "cat:" in waiting.communicate(timeout=60)[0]
    until(lambda: mounted_at(mount.at) is not None and not is_stale(mount.at))
    assert (mount.at / "f").read_text() == "there"
    unmount(mount.at)
    assert supervisor.wait(30) == 0
    supervisor.stdout.close()


def test_a_home_is_mounted_again_where_nobody_serves_its_mount_any_more(tmp_path: Path, home: Home) -> None:
    settings, point = config.load(), tmp_path / "point"
    try:
        found = mounting.mount(settings, point)
        os.kill(found.pid, signal.SIGSTOP)
        os.kill(found.worker, signal.SIGKILL)
        os.kill(found.pid, signal.SIGKILL)
        until(lambda: is_stale(point))
        mounting.mount(settings, point)
        assert "files" in names(point)
    finally:
        take_away(point)
        until(lambda: launch.serving(home.root) is None)
