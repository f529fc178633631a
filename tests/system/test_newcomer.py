"""README's commands and the first guide, typed as they stand in a clean clone with an empty home.

All guides are walked by `python3 -m scripts.walk`; here the small model answers, whose words nobody compares.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

ROOT = Path(__file__).resolve().parents[2]


def test_a_newcomer_gets_what_the_pages_show(models_folder, granite_folder, smollm2_path):
    walk = [sys.executable, "-m", "scripts.walk", "--model", "smollm2-135m"]
    walk += ["--models", f"{granite_folder}:{smollm2_path.parent}"]
    done = subprocess.run(
        [*walk, "README.md", "getting-started.md", "one-day.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    # What was left out stands there with its reason.
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^walk: [1-9]\d* commands typed, \d+ left out, 0 stumbles", done.stdout, re.MULTILINE)
