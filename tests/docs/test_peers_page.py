"""The table of peers is what the results say, and each row says who won."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.docs.markdown import ROOT


def test_the_table_is_what_was_measured() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "peers.page", "--check"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "bench")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_each_row_says_how_it_came_out_by_which_command() -> None:
    text = (ROOT / "docs" / "reference" / "benchmarks.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 20
    for row in rows:
        assert row[4].strip("*").split("*")[0].split(",")[0] in {"won", "lost", "even"}, row
        assert row[5].startswith("`"), row
