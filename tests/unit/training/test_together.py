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
from tests.transformer_commands import TINY, story

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


def test_two_processes_give_the_weights_of_one_with_all_rows(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    story(text)
    done = torchrun(RANK, text, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    single = [sys.executable, str(RANK), str(text), str(tmp_path)]
    one = subprocess.run(single, env=alone(), capture_output=True, text=True, timeout=300)
    assert one.returncode == 0, one.stderr
    first, second = weights(tmp_path / "weights0of2.pt"), weights(tmp_path / "weights1of2.pt")
    whole = weights(tmp_path / "weights0of1.pt")
    assert first.keys() == second.keys() == whole.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
    # Float32 sums in another order, through three steps. The gate's error is a mean over what was written,
    # of which one process has more than the other: its mean is one of means.
    for name, value in first.items():
        near = 5e-3 if name.startswith("regret.") else 1e-4
        assert torch.allclose(value, whole[name], rtol=1e-3, atol=near), (name, value, whole[name])


def test_processes_that_do_not_go_together_are_told_so(tmp_path: Path) -> None:
    text, config = tmp_path / "text.txt", tmp_path / "tiny.json"
    story(text)
    config.write_text(TINY.to_json())
    command = [sys.executable, "-m", "nexus", "train", str(text), "--config", str(config)]
    command += ["--tokens", "512"]
    few = ["--steps", "2", "--save-every", "1", "--threads", "1", "--out"]
    first = subprocess.run([*command, *few, tmp_path / "a"], env=alone(), capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    # Each finds a folder of its own, and one of them has been trained already.
    script = tmp_path / "apart.py"
    script.write_text(
        "import os, sys\n"
        "from nexus.cli.entry import main\n"
        f"sys.argv = ['nexus', *{[str(word) for word in [*command[3:], *few]]!r}]\n"
        f"sys.argv.append({str(tmp_path)!r} + ('/a', '/b')[int(os.environ['RANK'])])\n"
        "main()\n"
    )
    apart = torchrun(script)
    assert apart.returncode != 0
    assert "have not the same step: 2 and 0" in apart.stderr
    assert "one shared folder as --out" in apart.stderr
    # Half of what torchrun sets.
    env = alone(WORLD_SIZE="2", RANK="0")
    lonely = subprocess.run([*command, *few, tmp_path / "c"], env=env, capture_output=True, text=True)
    assert lonely.returncode == 2, lonely.stderr
    assert "do not find each other" in lonely.stderr
    assert "start them with torchrun" in lonely.stderr
