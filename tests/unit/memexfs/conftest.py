"""A tree over a real folder, for the tests of what a tree answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexus.memexfs.real import Files
from tests.memex_shown import Heard, Shown


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tree").mkdir()
    return tmp_path / "tree"


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def shown(folder: Path, heard: Heard) -> Shown:
    return Shown(Files(folder, recorder=heard))
