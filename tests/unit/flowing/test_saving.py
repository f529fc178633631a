"""Saving goes slice by slice: what is killed or given up in between leaves the old file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nexus.flowing import saved
from nexus.flowing.flow import Flow
from nexus.flowing.settings import FlowSettings

# Several slices for the largest arrays.
SETTINGS = FlowSettings(base_bits=17, user_bits=10, energy_bits=8, match_bits=10)
PROGRAM = """
import os, signal, sys
from pathlib import Path
from nexus.flowing.flow import Flow
path, kill_at = Path(sys.argv[1]), int(sys.argv[2])
flow = Flow.load(path)
flow.read(b"this is newer than what was saved", learn=True)
for number, _ in enumerate(flow.saving(path)):
    if number == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def learnt() -> Flow:
    flow = Flow(SETTINGS)
    flow.read(b"something was learnt here, " * 20, learn=True)
    return flow


def slices_of(flow: Flow, path: Path) -> int:
    return sum(1 for _ in flow.saving(path))


def test_no_slice_is_larger_than_it_may_be(tmp_path: Path) -> None:
    flow = learnt()
    count = slices_of(flow, tmp_path / "a.flow")
    arrays = [array.nbytes for array in flow._core.arrays().values()]
    assert count >= sum(-(-size // saved.SLICE) for size in arrays)
    assert max(arrays) >= 4 * saved.SLICE


def test_in_slices_it_is_the_file_that_is_written_at_once(tmp_path: Path) -> None:
    flow = learnt()
    slices_of(flow, tmp_path / "a")
    flow.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert Flow.load(tmp_path / "a").bytes_learned == flow.bytes_learned


def test_who_gives_up_half_way_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    flow, path = learnt(), tmp_path / "a.flow"
    flow.save(path)
    old = path.read_bytes()
    flow.read(b"and more", learn=True)
    for steps in (1, 3, slices_of(flow, tmp_path / "b") - 1):
        saving = flow.saving(path)
        for _ in range(steps):
            next(saving)
        saving.close()  # type: ignore[attr-defined]
        assert path.read_bytes() == old
        assert {each.name for each in tmp_path.iterdir()} == {"a.flow", "b"}


def test_between_slices_it_may_be_asked_but_not_taught(tmp_path: Path) -> None:
    flow = learnt()
    flow.save(tmp_path / "a")
    for number, _ in enumerate(flow.saving(tmp_path / "b")):
        if number % 3 == 0:
            flow.begin()
            flow.read(b"how surprising is this?", learn=False, mixer=1)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("part", [0.0, 0.5, 1.0])
def test_kill_9_in_the_middle_leaves_the_old_file(tmp_path: Path, part: float) -> None:
    flow, path = learnt(), tmp_path / "a.flow"
    flow.save(path)
    old = path.read_bytes()
    at = int(part * (slices_of(flow, tmp_path / "b") - 1))
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(path), str(at)], env=dict(os.environ))
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == old
    assert Flow.load(path).bytes_learned == flow.bytes_learned
