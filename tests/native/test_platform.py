"""nexus.core.platform does what it says, in real processes."""

from __future__ import annotations

import mmap
import platform as machine
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nexus.core import platform
from nexus.core.errors import InvalidInputError, MissingPartError

ROOT = Path(__file__).resolve().parents[2]

# What /proc/cpuinfo calls our names.
_KERNEL_NAMES = {"sse4.2": "sse4_2", "avx512vnni": "avx512_vnni", "neon": "asimd"}

_CHILD = """
import os, sys, time
from nexus.core import platform
platform.die_with_parent(int(sys.argv[1]))
print("tied", flush=True)
time.sleep(3600)
"""

_PARENT = """
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid())])
time.sleep(3600)
"""

_TRIM = """
from pathlib import Path
from nexus.core import platform

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

# Small enough for the C heap (not mmap), too large for Python's own small-object pools.
blocks = [bytes(2000) for _ in range(50_000)]
full = resident()
del blocks[:-1]
assert platform.trim_heap()
print(full - resident())
"""

# Each thread's heap is a region of 64 MB of addresses.
_HEAPS = """
import sys, threading
from pathlib import Path
from nexus.core import platform

def addresses():
    return int(Path("/proc/self/statm").read_text().split()[0]) * 4096

if sys.argv[1] == "limited":
    assert platform.limit_heaps(1)
threading.stack_size(2**20)
together = threading.Barrier(9)
def work():
    held = [bytes(2000) for _ in range(100)]
    together.wait()
    together.wait()
before = addresses()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
together.wait()
print(addresses() - before)
together.wait()
"""

_RELEASE = """
from pathlib import Path
import numpy
from nexus.core import platform

def mapped():
    status = Path("/proc/self/status").read_text().split()
    return 1024 * int(status[status.index("RssFile:") + 1])

numpy.linalg.inv(numpy.eye(100))
platform.native()
before = mapped()
print(platform.release_libraries())
print(before, mapped())
assert numpy.linalg.inv(numpy.eye(100)).trace() == 100
"""


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_features_are_those_the_kernel_reports() -> None:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    flags = next(set(x.split()) for x in lines if x.startswith(("flags", "Features")))
    found = platform.cpu_features()
    assert found
    assert {_KERNEL_NAMES.get(name, name) for name in found} <= flags
    assert ("neon" in found) == (machine.machine() == "aarch64")


def test_trimming_gives_memory_back_that_freeing_kept() -> None:
    if not platform.can_trim_heap():
        pytest.skip("this C library has no malloc_trim")
    done = run(_TRIM)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 50_000_000


def test_threads_share_the_heaps_that_are_allowed() -> None:
    if not platform.can_trim_heap():
        pytest.skip("this C library has no heaps to limit")
    limited, free = (run(_HEAPS, how) for how in ("limited", "free"))
    assert limited.returncode == free.returncode == 0, limited.stderr + free.stderr
    assert int(limited.stdout) < int(free.stdout) / 2


def test_mapped_code_is_given_back_and_mapped_again() -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux can")
    done = run(_RELEASE)
    assert done.returncode == 0, done.stderr
    released, before, after = (int(line) for line in done.stdout.split())
    assert released > 2_000_000
    assert after < before / 2


def test_files_that_are_mapped_are_given_back_without_a_loss(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux can")
    path = tmp_path / "mapped"
    path.write_bytes(bytes(2**20))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[:] = b"x" * 2**20
        assert platform.release_files(tmp_path / "elsewhere") == 0
        assert platform.release_files(tmp_path, left_alone="map") == 0
        assert platform.release_files(tmp_path) == 2**20
        assert platform.release_files(tmp_path) == 0
        assert mapped[:] == b"x" * 2**20
    assert path.read_bytes() == b"x" * 2**20


def test_the_child_ends_when_its_parent_is_killed() -> None:
    command = [sys.executable, "-c", _PARENT, _CHILD]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        try:
            tied = parent.stdout.readline()
        finally:
            parent.kill()
        assert tied == b"tied\n"
        assert parent.wait() == -signal.SIGKILL
        # The pipe's other end is held by parent and child; it closes when both are gone.
        assert parent.stdout.read() == b""


def test_a_parent_that_ended_before_is_noticed() -> None:
    nobody = 2**22 + 1  # beyond the largest process id of Linux
    code = f"from nexus.core import platform\nplatform.die_with_parent({nobody})"
    assert run(code).returncode == -signal.SIGKILL


def test_an_unknown_signal_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="signal 4711"):
        platform.die_with_parent(signal=4711)


def test_a_missing_native_part_is_named_with_its_remedy() -> None:
    code = (
        "import sys; sys.modules['nexus._native'] = None\n"
        "from nexus.core import platform; from nexus.core.errors import MissingPartError\n"
        "assert not platform.available()\n"
        "try: platform.cpu_features()\n"
        "except MissingPartError as error: print(error)"
    )
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert "not built" in done.stdout
    assert "make up" in done.stdout


def test_the_part_is_there() -> None:
    assert platform.available(), MissingPartError.__doc__


def test_a_machine_without_a_compiler_still_configures(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("cmake", "ninja"):
        found = shutil.which(name)
        assert found
        (tools / name).symlink_to(found)
    done = subprocess.run(
        [str(tools / "cmake"), "-S", str(ROOT), "-B", str(tmp_path / "build"), "-G", "Ninja"],
        env={"PATH": str(tools), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "the native part is left out" in done.stderr
