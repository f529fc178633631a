"""Folders of tests in RAM, for conftest.py of those that sync often: on a disk that is most of their time.

No test there pulls a plug or asks a disk for what tmpfs does not have; what does stays on the disk.
"""

from __future__ import annotations

import copy
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

_RAM = Path("/dev/shm")
_ROOM = 3 << 30  # bytes


def _room() -> bool:
    """Whether there is a tmpfs with room, and RAM behind it."""
    if not (_RAM.is_mount() and os.access(_RAM, os.W_OK)):
        return False
    return min(shutil.disk_usage(_RAM).free, psutil.virtual_memory().available) > _ROOM


@pytest.fixture(scope="session")
def tmp_path_factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pytest.TempPathFactory]:
    """pytest's own, with its folders in RAM where there is room."""
    if not _room():
        yield tmp_path_factory
        return
    with tempfile.TemporaryDirectory(prefix="nexus-tests-", dir=_RAM, ignore_cleanup_errors=True) as folder:
        quick = copy.copy(tmp_path_factory)
        quick._basetemp = Path(folder)
        yield quick


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder of this test, gone behind it: RAM is not kept for who might look."""
    folder = tmp_path_factory.mktemp(re.sub(r"\W", "_", request.node.name)[:30])
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
