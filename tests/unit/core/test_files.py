"""Paths, atomic files, ids, log."""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from nexus.core import atomic, ids, log
from nexus.core.errors import StorageError
from nexus.core.paths import Home, find_project


def test_home_is_owner_only_also_when_it_existed_open(tmp_path):
    root = tmp_path / "home"
    root.mkdir(mode=0o755)
    home = Home(root)
    home.create()
    for folder in (home.root, home.memories, home.run, home.models):
        assert folder.stat().st_mode & 0o077 == 0


def test_a_home_that_cannot_be_made_says_what_to_set(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        Home(tmp_path / "file" / "home").create()


def test_project_is_found_upwards(tmp_path):
    (tmp_path / ".cortex").mkdir()
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert find_project(deep) == tmp_path
    assert find_project(Path("/")) is None or Path("/.cortex").is_dir()


def test_writing_replaces_the_whole_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "x"
    atomic.write_text(path, "one")
    atomic.write_text(path, "two")
    assert path.read_text() == "two"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert path.stat().st_mode & 0o077 == 0
    assert atomic.remove(path)
    assert not atomic.remove(path)


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x"
    atomic.write_text(path, "old")

    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)  # a full disk at the last moment cannot be provoked otherwise
    with pytest.raises(StorageError, match="no space left"):
        atomic.write_text(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_what_killed_writers_left_is_swept_and_nothing_else(tmp_path):
    left = [atomic.temporary_for(tmp_path / name) for name in ("a.json", "b.vectors")]
    kept = [tmp_path / name for name in ("a.json", ".hidden.tmp", "notes.0a1b2c3d.tmp", ".x.0A1B2C3D.tmp")]
    for path in (*left, *kept):
        path.write_text("x")
    assert atomic.sweep(tmp_path) == 2
    assert sorted(tmp_path.iterdir()) == sorted(kept)
    assert atomic.sweep(tmp_path / "missing") == 0


def test_killed_writers_leave_the_old_or_the_new_file(tmp_path):
    path = tmp_path / "x"
    code = (
        "import sys; from pathlib import Path; from nexus.core import atomic\n"
        "n = 0\n"
        "while True:\n"
        "    n += 1; atomic.write_text(Path(sys.argv[1]), f'{n} ' * 20000); print(n, flush=True)\n"
    )
    for _ in range(5):
        writer = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
        assert writer.stdout
        acknowledged = int(writer.stdout.readline())
        writer.kill()
        acknowledged = max([acknowledged, *map(int, writer.stdout.read().split())])
        writer.wait()
        writer.stdout.close()
        words = path.read_text().split()
        assert len(words) == 20000
        assert len(set(words)) == 1
        assert int(words[0]) >= acknowledged


def test_ids():
    assert ids.memory_id(date(2026, 11, 20), 7).startswith("MEM-2026-11-20-007-")
    assert ids.point_id("a", "b") == ids.point_id("a", "b") != ids.point_id("ab", "")


def test_json_log_is_one_object_a_line(capsys):
    old = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        log.configure("json", "info")
        logging.getLogger("t").info("hello %s", "world", extra={"path": "/x"})
        try:
            raise ValueError("bad")
        except ValueError:
            logging.getLogger("t").exception("failed")
    finally:
        logging.getLogger().handlers[:], _ = old
        logging.getLogger().setLevel(old[1])
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["message"], first["path"], first["level"]) == ("hello world", "/x", "info")
    assert "ValueError: bad" in second["exception"]
