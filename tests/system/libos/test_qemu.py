"""The backend `qemu`: what its preflight says of a machine, how it starts QEMU, and guests in a real one."""

import os
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

from nexus.core.errors import InvalidInputError, MissingPartError
from nexus.unikernel import abi
from nexus.unikernel.images import Image
from nexus.unikernel.limits import Limits
from nexus.unikernel.tenders import qemu
from tests.system.libos import frame_peer
from tests.unikernel_guests import built

__all__ = ["built"]

LOOK = qemu.Qemu().preflight()
with_qemu = pytest.mark.skipif(not LOOK.works, reason=f"{LOOK.detail}; {LOOK.mend}")


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch):
    """Puts a program by the name of QEMU into PATH, first, where nobody can start it too."""
    made = tempfile.TemporaryDirectory()
    folder = Path(made.name)
    folder.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def make(script: str) -> Path:
        path = folder / qemu.PROGRAM
        path.write_text("#!/bin/sh\n" + textwrap.dedent(script))
        path.chmod(0o755)
        return path

    with made:
        yield make


def says(version: str, machines: str = "microvm              microvm (i386)") -> str:
    return f'case "$1" in --version) echo "{version}";; -M) echo "{machines}";; *) exit 9;; esac\n'


def test_without_qemu_the_preflight_says_how_to_get_it(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    look = qemu.Qemu().preflight()
    assert (look.works, look.code) == (False, "no_program")
    assert "apt install qemu-system-x86" in look.mend
    with pytest.raises(MissingPartError, match="not in PATH"):
        qemu.Qemu().launch(Image(tmp_path, "c", "key"), (), (), Limits())


@pytest.mark.parametrize("version", ["7.2.22 (Debian 1:7.2)", "8.0.0", "10.1.2"])
def test_a_version_that_is_new_enough_works(program, version: str) -> None:
    program(says(f"QEMU emulator version {version}"))
    look = qemu.Qemu().preflight()
    assert look.works, look
    assert f"QEMU {version[: version.index('.', 3)]}," in look.detail


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (says("QEMU emulator version 6.2.0"), "old_program"),
        (says("QEMU emulator version 7.1.0"), "old_program"),
        (says("QEMU emulator version 8.0.0", "pc  Standard PC"), "no_machine"),
        (says("something else"), "no_program"),
        ("exit 1\n", "no_program"),
        ("kill -9 $$\n", "no_program"),
    ],
)
def test_what_does_not_work_has_a_code_and_a_remedy(program, script: str, code: str) -> None:
    program(script)
    look = qemu.Qemu().preflight()
    assert (look.works, look.code, look.mend) == (False, code, qemu.INSTALL)
    assert look.detail


def test_a_qemu_that_is_installed_anew_is_looked_at_anew(program) -> None:
    os.utime(program(says("QEMU emulator version 8.0.0")), (1, 1))
    assert qemu.Qemu().preflight().works
    os.utime(program(says("QEMU emulator version 6.2.0")), (2, 2))
    assert not qemu.Qemu().preflight().works


def test_the_answer_is_kept(program, tmp_path: Path) -> None:
    program(f"echo asked >> {tmp_path}/asked\n" + says("QEMU emulator version 8.0.0"))
    for _ in range(5):
        qemu.Qemu().preflight()
    assert (tmp_path / "asked").read_text().count("asked") == 2  # version and machines


def test_modules_go_into_one_archive_that_is_gone_at_the_end(program, tmp_path: Path) -> None:
    program("exit 0\n")
    (tmp_path / "image.elf").write_bytes(b"elf")
    (tmp_path / "main").write_bytes(b"print()")
    modules = [("main.py", tmp_path / "main"), ("lib", tmp_path / "image.elf")]
    launch = qemu.Qemu().launch(Image(tmp_path, "c", "key"), modules, ("a",), Limits())
    (file,) = launch.files
    assert file.read_bytes() == abi.archive([abi.Module("main.py", b"print()"), abi.Module("lib", b"elf")])
    # Others may not come near it: it can be read by whoever has it open, and the folder entered by its user.
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert frame_peer.run(launch).status == 0
    assert not file.exists()


def test_qemu_gets_the_limits_and_open_files_and_nothing_of_the_environment(program, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "of the host")
    program('ulimit -S -t; ulimit -H -t; ulimit -c; cat /dev/fd/4; cat /dev/fd/5 | wc -c; env; echo "$@"\n')
    (tmp_path / "image.elf").write_bytes(b"the image\n")
    limits = Limits(memory=9 << 20, cpu=2.5)
    launch = qemu.Qemu().launch(Image(tmp_path, "c", "another"), (), ("a", "b"), limits)
    launch = type(launch)(("/bin/sh", "-c", 'exec "$@" >&2', "sh", *launch.argv), "all", 3, launch.files)
    lines = frame_peer.run(launch).stderr.splitlines()
    assert lines[:5] == ["3", "4", "0", "the image", "4096"]
    assert not any("SECRET" in line for line in lines)
    assert "-m 12288K" in lines[-1]  # 10 MiB and what lies below abi.BASE
    assert lines[-1].endswith("-append nx.virtio=0xfeb00e00 a b")
    assert "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny" in lines[-1]


def test_words_that_no_line_carries_are_refused(program, tmp_path: Path) -> None:
    program("exit 0\n")
    with pytest.raises(InvalidInputError):
        qemu.Qemu().launch(Image(tmp_path, "c", "key"), (), ("a b",), Limits())


@with_qemu
def test_a_guest_says_what_it_has_to_say_and_ends(built, tmp_path: Path) -> None:
    launch = qemu.Qemu().launch(built("greedy"), (), ("memory",), Limits(memory=16 << 20))
    outcome = frame_peer.run(launch)
    assert 3000 < int(outcome.stdout.split()[0]) < 4096, outcome
    assert (outcome.exits, outcome.status, outcome.stderr) == ([0], 0, "")


@with_qemu
def test_a_long_command_line_arrives(built) -> None:
    words = ["call", *("x" * 1000 for _ in range(12))]
    outcome = frame_peer.run(qemu.Qemu().launch(built("greedy"), (), words, Limits()))
    asked = [data for op, _, data in outcome.asked if op == abi.Op.CALL]
    assert outcome.exits == [0], outcome
    assert asked[0].startswith(b'{"name": "xxxx')


@with_qemu
def test_a_guest_that_faults_ends_without_an_exit(built) -> None:
    outcome = frame_peer.run(qemu.Qemu().launch(built("faults"), (), ("read-null",), Limits()))
    assert outcome.exits == []
    assert (2, b"before\n") in [(arg, data) for op, arg, data in outcome.asked if op == abi.Op.WRITE]


@with_qemu
def test_processor_time_ends_it(built) -> None:
    launch = qemu.Qemu().launch(built("greedy"), (), ("loop",), Limits(cpu=0.5))
    assert frame_peer.run(launch).status == -signal.SIGXCPU


@with_qemu
def test_qemu_runs_without_rights_and_dies_with_its_parent(built, tmp_path: Path) -> None:
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not in PATH")
    launch = qemu.Qemu().launch(built("greedy"), (), ("loop",), Limits(cpu=60))
    # A parent in between, that starts QEMU, says its number, and ends without a word to it.
    between = (
        "import os, subprocess, sys\n"
        "process = subprocess.Popen(sys.argv[1:], pass_fds=(3,), env={})\n"
        "print(process.pid, flush=True)\nsys.stdin.read()\nos._exit(0)\n"
    )
    ours, theirs = socket.socketpair()
    with ours, theirs:
        parent = subprocess.Popen(
            [sys.executable, "-c", between, *launch.argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            close_fds=False,
            preexec_fn=lambda: os.dup2(theirs.fileno(), 3),
        )
        assert parent.stdout
        pid = int(parent.stdout.readline())
        try:
            descriptor = os.pidfd_open(pid)
            limit = time.monotonic() + 20
            while Path(f"/proc/{pid}/comm").read_text().strip() != qemu.PROGRAM[:15]:
                assert time.monotonic() < limit, "QEMU does not start"
                time.sleep(0.01)
            time.sleep(1)
            status = Path(f"/proc/{pid}/status").read_text()
            user = qemu.NOBODY if os.geteuid() == 0 else os.geteuid()
            assert f"Uid:\t{user}\t{user}\t{user}\t{user}" in status
            assert "NoNewPrivs:\t1" in status
            assert "Seccomp:\t2" in status
            parent.communicate("")
            assert select.select([descriptor], [], [], 20)[0], "QEMU outlives its parent"
            os.close(descriptor)
        finally:
            parent.kill()
            parent.wait()
            for file in launch.files:
                file.unlink()


@with_qemu
def test_nothing_is_left_in_temporary_folders(built) -> None:
    # By a process of its own, because the folder goes with the process.
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from nexus.unikernel.images import opened\nfrom nexus.unikernel.limits import Limits\n"
        "from nexus.unikernel.tenders.qemu import Qemu\nfrom tests.system.libos import frame_peer\n"
        "launch = Qemu().launch(opened(Path(sys.argv[1])), (), ('memory',), Limits())\n"
        "print(launch.files[0].parent)\nassert frame_peer.run(launch).status == 0\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(built("greedy").folder)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        cwd=Path(__file__).resolve().parents[3],
    )
    assert not Path(done.stdout.strip()).exists()
