"""Two hours of five agents in two minutes, with jumps of the clock and a kill: nothing lost, nothing wrong.

The whole day, with a kill storm and a full disk, is `python bench/soak.py`; docs/reference/soak.md tells of
one. `NEXUS_SOAK_HOURS` makes this one longer: from twelve on it has the day's own episodes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOURS = float(os.environ.get("NEXUS_SOAK_HOURS", "2"))
# What SPEC.md promises; a life has to last six hours to have a slope.
MOST_MB_PER_HOUR = 10.0


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_day_loses_nothing_and_memory_does_not_grow(tmp_path, models_folder, smollm2_path):
    result = tmp_path / "soak.json"
    command = [sys.executable, str(ROOT / "bench" / "soak.py"), "--hours", str(HOURS), "--json", str(result)]
    done = subprocess.run([*command, "--models", str(models_folder)], capture_output=True, text=True)
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    found: dict[str, Any] = json.loads(result.read_text())["results"]
    assert found["wrong"] == []
    for kind in ("memory", "document", "followed", "unit", "conversation"):
        row = found["writes"][kind]
        assert (row["lost"], row["checked"] > 0, row["acknowledged"] > 0) == (0, True, True), kind
    assert {each["name"] for each in found["episodes"]} >= ({"kill"} if HOURS < 12 else {"kill storm"})
    for kind, row in found["processes"].items():
        for life in row.get("lives", ()):
            # The whole interval above: that is growth, and no noise.
            assert life["slope"][1] < MOST_MB_PER_HOUR, (kind, life)


def test_the_page_says_what_was_measured():
    command = [sys.executable, str(ROOT / "bench" / "soak_report.py"), "--check"]
    fresh = subprocess.run(command, capture_output=True, text=True)
    assert fresh.returncode == 0, fresh.stderr
    page = (ROOT / "docs" / "reference" / "soak.md").read_text(encoding="utf-8")
    for name in ("memory", "latency", "resources", "writes"):
        assert f"(../images/soak-{name}.png)" in page
        assert (ROOT / "docs" / "images" / f"soak-{name}.png").is_file()
