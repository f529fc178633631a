"""nexus-pageout: what it tells, what it refuses; and that nothing is paused where that frees nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nexus.agentmem import pageout
from nexus.agentmem.process_tree import process_of
from nexus.core.errors import MissingPartError
from nexus.core.parts import pausing_parts

_STRANGER = 4321
_RIGHT = bytes.fromhex("01000002" + "00008000" + "00" * 12)


@pytest.fixture(scope="module")
def program() -> Path:
    found = pageout.program()
    if found is None:
        pytest.fail("nexus-pageout is not built: make up")
    return found


@pytest.fixture
def shared(program) -> Iterator[Path]:
    """A copy that every user can start."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to be another user")
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    yield Path(shutil.copy(program, folder))
    shutil.rmtree(folder)


def told(program: Path, *words: str, text: str = "", **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *words], input=text, capture_output=True, text=True, check=False, cwd="/", **more
    )


def word(pid: int) -> str:
    process = process_of(pid)
    assert process
    return process.word


def size(lines: str) -> int:
    return sum(int(end, 16) - int(first, 16) for _, first, end in map(str.split, lines.splitlines()))


def test_what_is_resident_is_told_within_the_bound(program, sleeper):
    found = told(program, "out", "1000000", word(sleeper.pid))
    if found.returncode == 3:
        pytest.skip("this user may not page out other processes")
    assert found.returncode == 0
    assert size(found.stdout) > 2**20
    assert {line.split()[0] for line in found.stdout.splitlines()} == {word(sleeper.pid)}
    # Gaps of up to four pages are told with what is around them, and do not count.
    assert 0 < size(told(program, "out", "64", word(sleeper.pid)).stdout) <= 5 * 64 * 1024
    assert told(program, "out", "0", word(sleeper.pid)).stdout == ""


def test_what_was_told_can_be_asked_for_and_the_process_goes_on(program, sleeper):
    pages = told(program, "out", "1000000", word(sleeper.pid))
    if pages.returncode == 3:
        pytest.skip("this user may not page out other processes")
    assert told(program, "in", text=pages.stdout).returncode == 0
    sleeper.stdin.write(b"\n")
    sleeper.stdin.flush()
    assert sleeper.wait(30) == 0


def test_a_process_that_is_gone_or_another_one_is_left_alone(program, sleeper):
    start = int(word(sleeper.pid).split(":")[1])
    for other in (f"{sleeper.pid}:{start + 1}", f"{2**22 + 1}:1"):
        done = told(program, "out", "1000000", other)
        assert (done.returncode, done.stdout) == (0, "")
        assert told(program, "in", text=f"{other} 1000 2000\n").returncode == 0


@pytest.mark.parametrize("words", [(), ("out",), ("out", "5"), ("in", "x"), ("other", "1", "2")])
def test_used_wrongly_it_says_how(program, words):
    done = told(program, *words)
    assert done.returncode == 1
    assert "usage" in done.stderr


@pytest.mark.parametrize("text", ["x\n", "1:2 5 5\n", "1:2 zz yy\n", "a b\n", "1:2 9 1\n", "y" * 500])
def test_lines_that_are_none_are_refused(program, text):
    assert told(program, "in", text=text).returncode == 1


def test_without_the_right_it_is_refused_with_it_only_ones_own(shared, sleeper):
    own = subprocess.Popen(["sleep", "60"], user=_STRANGER, group=_STRANGER, extra_groups=[])
    try:
        mine: dict[str, Any] = {"user": _STRANGER, "group": _STRANGER, "extra_groups": []}
        assert told(shared, "out", "0", word(own.pid), **mine).returncode == 3
        os.setxattr(shared, "security.capability", _RIGHT)
        assert told(shared, "out", "0", word(own.pid), **mine).returncode == 0
        assert told(shared, "out", "0", word(sleeper.pid), **mine).returncode == 3
    finally:
        own.kill()
        own.wait()


def test_without_swap_nothing_is_paused(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 10 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n")
    with pytest.raises(MissingPartError, match="no swap") as caught:
        pageout.refuse_without_swap(tmp_path)
    assert "nexus tune" in caught.value.hint
    (tmp_path / "meminfo").write_text("SwapTotal: 9 kB\nSwapFree: 0 kB\n")
    pageout.refuse_without_swap(tmp_path)


def test_doctor_names_what_is_missing_and_what_mends_it(tmp_path):
    for name, text in {
        "proc/swaps": "Filename Type\n",
        "proc/self/status": "CapEff:\t0000000000800000\n",
        "sys/module/zswap/parameters/enabled": "N\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    parts = {part.name: part for part in pausing_parts(tmp_path)}
    assert (parts["swap"].state, parts["zswap"].state) == ("missing", "missing")
    assert parts["swap"].mend == "sudo nexus tune --apply --only swap"
    assert parts["agent pause"].state == "available"
    (tmp_path / "proc/swaps").write_text("Filename Type\n/x file\n")
    (tmp_path / "sys/module/zswap/parameters/enabled").write_text("Y\n")
    parts = {part.name: part for part in pausing_parts(tmp_path)}
    assert (parts["swap"].state, parts["zswap"].state) == ("available", "available")
