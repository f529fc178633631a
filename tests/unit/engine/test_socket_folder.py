"""The engine's socket lies in a private folder with a path the kernel accepts."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus.engine.socket_folder import SocketFolder


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """As short as a user's own: pytest's folders have names of half the length a socket's may have."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


def bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def test_the_folder_is_private_and_the_socket_goes_at_the_end(tmp_path: Path) -> None:
    folder = SocketFolder(tmp_path, "a/model name")
    assert folder.path.parent.parent == tmp_path
    assert stat.S_IMODE(folder.path.parent.stat().st_mode) == 0o700
    bind(folder.path)
    folder.clear()
    bind(folder.path)  # a socket left behind would make this fail
    folder.remove()
    assert not folder.path.exists()


def test_a_long_home_gets_a_short_private_folder_that_is_removed(tmp_path: Path, runtime: Path) -> None:
    folder = SocketFolder(tmp_path / ("x" * 100), "model")
    assert len(os.fsencode(folder.path)) <= 107
    assert folder.path.parent.parent == runtime
    assert stat.S_IMODE(folder.path.parent.stat().st_mode) == 0o700
    bind(folder.path)
    folder.remove()
    assert list(runtime.iterdir()) == []


def test_killed_services_leave_one_folder_behind_however_often(tmp_path: Path, runtime: Path) -> None:
    home = tmp_path / ("x" * 100)
    first = SocketFolder(home, "model")
    bind(first.path)
    for _ in range(3):  # nobody called `remove`
        again = SocketFolder(home, "model")
        assert again.path == first.path
        again.clear()
        bind(again.path)
    other = SocketFolder(home, "another model")
    bind(other.path)
    other.remove()
    assert again.path.exists()
    again.remove()
    assert list(runtime.iterdir()) == []


def test_a_name_that_somebody_took_is_not_used(tmp_path: Path, runtime: Path) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir(mode=0o777)
    home = tmp_path / ("x" * 100)
    taken = SocketFolder(home, "model").path.parent
    taken.rmdir()
    taken.symlink_to(open_to_all)
    folder = SocketFolder(home, "model")
    assert folder.path.parent != taken
    assert stat.S_IMODE(folder.path.parent.stat().st_mode) == 0o700
    assert list(open_to_all.iterdir()) == []
    folder.remove()
    assert list(runtime.iterdir()) == [taken]


def test_two_models_have_two_sockets(tmp_path: Path) -> None:
    assert SocketFolder(tmp_path, "a").path != SocketFolder(tmp_path, "b").path
