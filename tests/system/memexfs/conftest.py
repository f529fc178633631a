"""Places for the POSIX tests: the same case on the raw disk and on the mount."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.memex_posix import served

_count = itertools.count()


@pytest.fixture(scope="package")
def memex_base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where everybody may go: pytest's own folders are closed to others."""
    base = tmp_path_factory.mktemp("memex")
    for folder in (base, *base.parents):
        if folder == Path("/tmp"):
            break
        if os.stat(folder).st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    yield base
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="package")
def memex_mount(memex_base: Path) -> Iterator[Path]:
    with served(memex_base) as point:
        yield point


@pytest.fixture(scope="package")
def memex_passed(memex_base: Path) -> Iterator[Path]:
    """A second mount, with passthrough."""
    base = memex_base / "passed"
    base.mkdir()
    with served(base, "--passthrough") as point:
        yield point


@pytest.fixture(params=["raw", "mount", "passthrough"])
def place(request: pytest.FixtureRequest, memex_base: Path) -> Iterator[Path]:
    """A fresh folder that belongs to root, mode 755; the umask is 0."""
    if os.geteuid() != 0:
        pytest.skip("acts as several users; run the tests as root (sudo make test-all)")
    if not os.path.exists("/dev/fuse"):
        pytest.skip("needs /dev/fuse: sudo modprobe fuse")
    match request.param:
        case "raw":
            top = memex_base / "raw"
            top.mkdir(exist_ok=True, mode=0o755)
        case "mount":
            top = request.getfixturevalue("memex_mount")
        case _:
            top = request.getfixturevalue("memex_passed")
    before = os.umask(0)
    folder = top / f"case{next(_count)}"
    folder.mkdir(mode=0o755)
    yield folder
    os.umask(before)
    shutil.rmtree(folder, ignore_errors=True)
