"""kill -9 of whoever keeps a tree's history: nothing acknowledged is lost, and fsck finds no problem."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def killed(home: Path, count: int, seed: int) -> None:
    """Raises `AssertionError` with what was wrong."""
    command = [sys.executable, "-m", "tests.memex_kills", str(home), str(count), str(seed)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stdout + done.stderr


def test_after_fifteen_kills_nothing_is_lost_and_nothing_is_wrong(tmp_path: Path) -> None:
    killed(tmp_path, count=15, seed=1)
