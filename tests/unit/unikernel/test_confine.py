"""What a process that has confined itself can still do. Each test runs a process of its own."""

import os
import signal
import subprocess
import sys

import pytest

from nexus.unikernel import confine

TRIED = """
import os, signal, socket, sys
from nexus.unikernel import confine
{before}
def tried(what):
    try:
        what()
        return "done"
    except (OSError, MemoryError) as error:
        return type(error).__name__
sys.stdout.write({what})
sys.stdout.flush()
os._exit(0)
"""

linux_only = pytest.mark.skipif(not confine.SECCOMP, reason="the system call filter is for Linux on x86-64")


def ran(before: str, what: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", TRIED.format(before=before, what=what)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@linux_only
@pytest.mark.parametrize(
    "call",
    [
        "os.open('/etc/passwd', 0)",
        "os.fork()",
        "socket.socket()",
        "os.execv('/bin/true', ['true'])",
        "os.kill(os.getppid(), 0)",
        "os.unlink('/nonexistent')",
        "os.readlink('/proc/self/exe')",
        "os.setuid(0)",
    ],
)
def test_without_system_calls_nothing_is_to_be_had(call: str) -> None:
    assert ran("confine.leave_system()", f"tried(lambda: {call})").stdout == "PermissionError"


@linux_only
def test_whether_filters_are_taken_is_known_beforehand() -> None:
    assert confine.can_leave_system()
    # Within the filter there is no prctl any more, so no filter either.
    assert ran("confine.leave_system()", "str(confine.can_leave_system())").stdout == "False"


@linux_only
def test_what_is_open_goes_on_and_memory_too() -> None:
    done = ran("pair = os.pipe(); confine.leave_system()", "str(os.write(pair[1], bytes(1 << 14)))")
    assert (done.stdout, done.stderr) == ("16384", "")
    assert ran("confine.leave_system()", "str(len(bytearray(100 << 20)))").stdout == str(100 << 20)


def test_rights_are_dropped() -> None:
    what = "str((os.geteuid(), tried(lambda: os.setuid(0)), open('/proc/self/status').read()))"
    done = ran("confine.drop_rights()", what)
    user = confine.NOBODY if os.geteuid() == 0 else os.geteuid()
    assert done.stdout.startswith(f"({user}, 'PermissionError'"), done
    assert "NoNewPrivs:\\t1" in done.stdout


def test_it_writes_no_file(tmp_path) -> None:
    tmp_path.chmod(0o777)
    (tmp_path / "file").touch()
    (tmp_path / "file").chmod(0o666)
    before = f"signal.signal(signal.SIGXFSZ, signal.SIG_IGN); f = os.open({str(tmp_path / 'file')!r}, 1)\n"
    done = ran(before + "confine.drop_rights()", "tried(lambda: os.write(f, b'x'))")
    assert done.stdout == "OSError", done


def test_processor_time_ends() -> None:
    done = ran("confine.limit(0.2, 1 << 30)", "exec('while True: pass')")
    assert done.returncode == -signal.SIGPROF


def test_memory_ends() -> None:
    done = ran("confine.limit(10, 64 << 20)", "tried(lambda: bytearray(200 << 20))")
    assert done.stdout == "MemoryError"


def test_the_parents_end_is_its_end() -> None:
    # The child of a child says its number, its parent goes, and it has to go too.
    script = (
        "import os, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'from nexus.unikernel import confine\\n"
        "confine.drop_rights()\\nprint(1, flush=True)\\nimport time\\ntime.sleep(60)'],\n"
        "    stdout=subprocess.PIPE)\n"
        "child.stdout.read(1)\nprint(child.pid, flush=True)\nos._exit(0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    descriptor = None
    try:
        descriptor = os.pidfd_open(int(done.stdout))
    except ProcessLookupError:
        return
    try:
        import select

        assert select.select([descriptor], [], [], 20)[0], "it still runs"
    finally:
        os.close(descriptor)
