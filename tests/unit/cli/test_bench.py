"""`nexus bench cortex` as a user meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.unit.cortex.evaluation import small_sets


@pytest.fixture
def nexus(home, models_folder, embedder_folder, granite_folder):
    env = {**os.environ, "NEXUS_MODELS_FOLDER": str(models_folder), "COLUMNS": "200", "NO_COLOR": "1"}

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "nexus", "bench", "cortex", *arguments]
        return subprocess.run(command, env=env | more, capture_output=True, text=True, check=False)

    return run


@pytest.mark.slow
def test_a_table_a_file_and_no_goal_missed_is_an_error(nexus, tmp_path):
    small_sets.claude_docs(tmp_path)
    target = tmp_path / "out" / "results.json"
    done = nexus("--data", str(tmp_path), "--only", "documents", "--json", str(target))
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("Claude docs, product")]
    assert line.split()[3:] == ["1", "1", "-", "1", ">=", "0.8", "reached"]
    assert "control" in done.stdout
    assert "missing: a folder with cran.all.1400.xml" in done.stdout
    assert done.stdout.endswith("1 of 1 goals reached\n")
    found = json.loads(target.read_text())
    assert found["results"][0]["rows"][0]["what"] == "Claude docs, product"
    assert found["machine"]["cores"] == os.cpu_count()
    assert found["versions"]["numpy"]
    assert found["command"][-1] == str(target)


def test_sets_that_are_missing_are_named_and_no_error(nexus, tmp_path):
    done = nexus("--data", str(tmp_path), "--only", "locomo", "--only", "speed")
    assert done.returncode == 0, done.stderr
    assert "missing: a file locomo*.json" in done.stdout
    assert "0 of 0 goals reached" in done.stdout


@pytest.mark.slow
def test_what_cannot_run_says_why(nexus, tmp_path):
    unknown = nexus("--data", str(tmp_path), "--only", "colour")
    assert (unknown.returncode, "'colour'" in unknown.stderr) == (2, True)
    nowhere = nexus("--data", str(tmp_path / "nowhere"))
    assert (nowhere.returncode, "is not there" in nowhere.stderr) == (5, True)
    bare = nexus("--data", str(tmp_path), NEXUS_MODELS_FOLDER=str(tmp_path))
    assert (bare.returncode, "not installed" in bare.stderr) == (9, True)
    (tmp_path / "locomo.json").write_text("{}")
    damaged = nexus("--data", str(tmp_path), "--only", "locomo")
    assert (damaged.returncode, "locomo.json" in damaged.stderr) == (2, True)
    assert all(not done.stdout for done in (unknown, nowhere, bare, damaged))
    assert all("Traceback" not in done.stderr for done in (unknown, nowhere, bare, damaged))
