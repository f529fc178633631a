"""Several processes of torchrun train one model: the same weights in all, and those of one with all rows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
import torch

from tests.running import free_port
from tests.transformer_commands import story

ROOT = Path(__file__).resolve().parents[3]
RANK = ROOT / "tests" / "training_rank.py"
pytestmark = pytest.mark.slow


def torchrun(*command: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Two processes on this machine."""
    two = ["--nproc-per-node", "2", "--master-addr", "127.0.0.1", "--master-port", str(free_port())]
    given = [sys.executable, "-m", "torch.distributed.run", *two, *map(str, command)]
    return subprocess.run(given, env=alone(**(env or {})), capture_output=True, text=True, timeout=300)


def alone(**more: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", **more}


def weights(path: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(path, weights_only=True)
    return found


@pytest.mark.parametrize("part", ["--alone", "--whole"])
def test_two_processes_give_the_weights_of_one_with_all_rows(tmp_path: Path, part: str) -> None:
    text = tmp_path / "text.txt"
    story(text)
    done = torchrun(RANK, text, tmp_path, part)
    assert done.returncode == 0, done.stderr[-3000:]
    single = [sys.executable, str(RANK), str(text), str(tmp_path), part]
    one = subprocess.run(single, env=alone(), capture_output=True, text=True, timeout=300)
    assert one.returncode == 0, one.stderr
    first, second = weights(tmp_path / "weights0of2.pt"), weights(tmp_path / "weights1of2.pt")
    whole = weights(tmp_path / "weights0of1.pt")
    assert first.keys() == second.keys() == whole.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
        print(name, float((value - whole[name]).abs().max()), float(value.abs().max()))
    # Float32 sums in another order, through three steps.
    for name, value in first.items():
        torch.testing.assert_close(
            value, whole[name], rtol=1e-3, atol=1e-4, msg=lambda m, n=name: f"{n}: {m}"
        )
