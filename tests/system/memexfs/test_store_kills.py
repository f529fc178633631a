"""A thousand kills of whoever keeps a tree's history (the fast suite has forty)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("seed", range(10))
def test_after_a_thousand_kills_nothing_is_lost_and_nothing_is_wrong(tmp_path: Path, seed: int) -> None:
    count = int(os.environ.get("NEXUS_TEST_KILLS", "100"))
    command = [sys.executable, "-m", "tests.memex_kills", str(tmp_path), str(count), str(100 + seed)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
