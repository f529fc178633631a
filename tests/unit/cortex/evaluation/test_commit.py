"""The commit that a result says it is of."""

from __future__ import annotations

import subprocess
from pathlib import Path

from nexus.cortex.evaluation.record import commit


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@t")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def test_code_that_changed_is_told_and_results_that_a_bench_writes_are_not(tmp_path: Path) -> None:
    assert commit(tmp_path) == ""
    results, code = tmp_path / "bench" / "results" / "a.json", tmp_path / "src" / "a.py"
    for file in (results, code):
        file.parent.mkdir(parents=True)
        file.write_text("1")
    git(tmp_path, "init")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-m", "first")
    clean = commit(code.parent)
    assert clean
    assert "dirty" not in clean
    results.write_text("2")
    assert commit(code.parent) == clean
    code.write_text("2")
    assert commit(code.parent) == f"{clean}-dirty"
