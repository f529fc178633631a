"""A release as a stranger gets it: a wheel of the source archive, installed where no checkout is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.network, pytest.mark.timeout(5400)]


def test_the_wheel_of_the_source_archive_comes_up_without_a_checkout(
    tmp_path: Path, models_folder: Path, granite_folder: Path, smollm2_path: Path
) -> None:
    probe: list[str | Path] = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    probe += ["--dest", tmp_path, "blake3"]
    if subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("pip reaches no package index here; name one in its settings, or PIP_FIND_LINKS=FOLDER")
    done = subprocess.run(
        [ROOT / "scripts" / "release.sh", tmp_path / "dist"],
        env=os.environ | {"NEXUS_TEST_MODELS": str(models_folder)},
        capture_output=True,
        text=True,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    for line in ("installed without the checkout", "/api/status: ", "/dashboard: ", "nexus down: stopped"):
        assert line in done.stdout
    made = sorted(path.name for path in (tmp_path / "dist").glob("nexusos-*"))
    assert [name.rpartition(".")[2] for name in made] == ["whl", "gz"]
