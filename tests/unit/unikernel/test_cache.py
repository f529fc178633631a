"""The cache of built things: made once, whole or not at all, whoever asks at the same time."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.errors import NexusError, StorageError
from nexus.unikernel import cache


def write(folder: Path) -> None:
    (folder / "file").write_text("content")


def test_made_once(tmp_path: Path) -> None:
    made = []

    def make(folder: Path) -> None:
        made.append(folder)
        write(folder)

    first = cache.kept("name", make, tmp_path / "base")
    assert cache.kept("name", make, tmp_path / "base") == first == tmp_path / "base" / "name"
    assert (first / "file").read_text() == "content"
    assert len(made) == 1


def test_what_fails_leaves_nothing_and_can_be_tried_again(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        write(folder)
        raise NexusError("does not compile")

    for _ in range(2):
        with pytest.raises(NexusError, match="does not compile"):
            cache.kept("name", fail, tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["locks"]
    assert (cache.kept("name", write, tmp_path) / "file").exists()


def test_many_at_once_wait_for_one(tmp_path: Path) -> None:
    made, found = [], []

    def make(folder: Path) -> None:
        made.append(folder)
        time.sleep(0.1)
        write(folder)

    def ask() -> None:
        found.append((cache.kept("name", make, tmp_path) / "file").read_text())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["content"] * 8
    assert len(made) == 1


def test_a_build_that_was_killed_is_never_used(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, time\n"
        "from nexus.unikernel import cache\n"
        "def make(folder):\n"
        "    (folder / 'file').write_text('half')\n"
        "    print('building', flush=True)\n"
        "    time.sleep(60)\n"
        "cache.kept('name', make, pathlib.Path(sys.argv[1]))\n"
    )
    builder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert builder.stdout is not None
    with builder.stdout:
        assert builder.stdout.readline() == b"building\n"
    builder.send_signal(signal.SIGKILL)
    builder.wait()
    assert not (tmp_path / "name").exists()
    assert len(list(tmp_path.glob(".name.*"))) == 1
    assert (cache.kept("name", write, tmp_path) / "file").read_text() == "content"
    assert list(tmp_path.glob(".name.*")) == []


def test_no_place_to_write(tmp_path: Path) -> None:
    (tmp_path / "base").write_text("a file")
    with pytest.raises(StorageError, match="cannot write"):
        cache.kept("name", write, tmp_path / "base")


def test_only_the_owner_reads_it(tmp_path: Path) -> None:
    folder = cache.kept("name", write, tmp_path / "base")
    assert folder.stat().st_mode & 0o077 == 0
    assert folder.parent.stat().st_mode & 0o077 == 0


def test_a_key_knows_its_parts_and_their_order() -> None:
    keys = [("ab", "c"), ("a", "bc"), ("abc",), ("c", "ab"), ("ab", "c", "")]
    assert len({cache.key(parts) for parts in keys}) == len(keys)
    assert cache.key([b"ab", "c"]) == cache.key(["ab", b"c"])


@given(st.lists(st.binary(max_size=5), max_size=4), st.lists(st.binary(max_size=5), max_size=4))
def test_equal_keys_are_of_equal_parts(one: list[bytes], two: list[bytes]) -> None:
    assert (cache.key(one) == cache.key(two)) == (one == two)


def test_a_tree_is_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "deep" / "__pycache__").mkdir(parents=True)
    (tmp_path / "deep" / "__pycache__" / "x.pyc").write_text("made")
    (tmp_path / "deep" / "b.c").write_text("B")
    (tmp_path / "a.h").write_text("A")
    assert list(cache.tree(tmp_path)) == [b"a.h", b"A", b"deep/b.c", b"B"]


def test_the_cache_lies_in_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXUS_HOME", str(tmp_path))
    assert cache.root() == tmp_path / "cache" / "unikernel"
    assert list(tmp_path.iterdir()) == []
