"""The programs of docs/guides/python.md run as they stand, each in a process and a folder of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT

_SECTION = re.compile(r"^## (.+?)$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
# What each program must print, by its section.
PRINTS = {
    "Knowledge and memory": "listens on port 6543",
    "A sandbox for code of unknown origin": "25.0",
    "Memory that agents share": "You review patches.",
    "Surprise, byte by byte": "True",
    "The exact words of a long text": " at noon.",
}


def programs() -> dict[str, str]:
    """The Python of the guide by section."""
    text = (ROOT / "docs" / "guides" / "python.md").read_text(encoding="utf-8")
    return {name: block[1] for name, body in _SECTION.findall(text) if (block := _BLOCK.search(body))}


def test_every_program_of_the_guide_is_run_here() -> None:
    assert programs().keys() == PRINTS.keys()


@pytest.mark.parametrize("section", PRINTS)
def test_a_program_of_the_guide_prints_what_it_says(
    section: str, tmp_path: Path, models_folder: Path, request: pytest.FixtureRequest
) -> None:
    home = tmp_path / "home"
    if "sandbox" in section:
        request.getfixturevalue("python_image")
        (home / "cache").mkdir(parents=True)
        (home / "cache" / "unikernel").symlink_to(ROOT / "build" / "unikernel")
    if "long text" in section:
        pytest.importorskip("torch", reason="torch is not installed; scripts/torch.sh installs it")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "staging.md").write_text("# Staging\nThe database of staging is Postgres.\n")
    done = subprocess.run(
        [sys.executable, "-c", programs()[section]],
        cwd=tmp_path,
        env=os.environ | {"NEXUS_HOME": str(home), "NEXUS_MODELS_FOLDER": str(models_folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert PRINTS[section] in done.stdout
