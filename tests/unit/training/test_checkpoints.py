"""Checkpoints: complete or not there, five of them, and a damaged one is passed over aloud."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nexus.core.errors import InvalidInputError, StorageError
from nexus.training.checkpoints import MANIFEST, Checkpoints, verified


def save(checkpoints: Checkpoints, content: str) -> Path:
    def write(folder: Path) -> None:
        (folder / "model").write_text(content)
        (folder / "more").write_text(content * 3)

    return checkpoints.save(write, {"content": content})


def read(folder: Path, facts: Mapping[str, Any]) -> str:
    content = (folder / "model").read_text()
    assert facts == {"content": content}
    return content


def test_the_newest_comes_back_with_its_facts_and_five_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.restore(read)[0] is None
    for number in range(8):
        save(checkpoints, f"state {number}")
    content, report = Checkpoints(tmp_path).restore(read)
    assert content == "state 7"
    assert (report.name, report.facts, report.skipped) == ("checkpoint-00000008", {"content": "state 7"}, ())
    assert [name[-1] for name in checkpoints.names()] == list("45678")
    facts = checkpoints.as_dict()
    assert facts["count"] == 5
    assert facts["last_seconds_ago"] >= 0


@pytest.mark.parametrize("damage", ["flip", "cut", "missing", "manifest", "nested", "escape", "facts"])
def test_a_damaged_newest_one_is_named_and_the_one_before_it_used(tmp_path: Path, damage: str) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, "old")
    newest = save(checkpoints, "new")
    manifest = json.loads((newest / MANIFEST).read_text())
    match damage:
        case "flip":
            (newest / "more").write_text("nev" + "new" * 2)
        case "cut":
            (newest / "model").write_text("ne")
        case "missing":
            (newest / "model").unlink()
        case "manifest":
            (newest / MANIFEST).write_bytes(os.urandom(50))
        case "nested":
            (newest / MANIFEST).write_text('{"files": ' + "[" * 500 + "]" * 500 + "}")
        case "escape":
            (tmp_path / "outside").write_text("x")
            manifest["files"]["../outside"] = manifest["files"]["model"]
            (newest / MANIFEST).write_text(json.dumps(manifest))
        case "facts":
            (newest / MANIFEST).write_text(json.dumps({**manifest, "facts": None}))
    content, report = checkpoints.restore(read)
    assert content == "old"
    assert len(report.skipped) == 1
    assert "checkpoint-00000002 is damaged" in report.skipped[0]
    # The next start is not troubled again, and numbers are not used twice for different things.
    assert checkpoints.restore(read)[1].skipped == ()
    assert (tmp_path / "damaged").is_dir()


def test_a_clock_that_went_back_changes_neither_the_order_nor_the_age_below_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints, now = Checkpoints(tmp_path), time.time()
    save(checkpoints, "first")
    monkeypatch.setattr(time, "time", lambda: now - 30 * 86_400)
    save(checkpoints, "second")
    monkeypatch.setattr(time, "time", lambda: now - 60 * 86_400)
    content, report = checkpoints.restore(read)
    assert (content, report.age_seconds) == ("second", 0.0)
    assert checkpoints.as_dict()["last_seconds_ago"] == 0.0


def test_what_the_reader_refuses_counts_as_damaged(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, "good")
    save(checkpoints, "bad")

    def picky(folder: Path, facts: Mapping[str, Any]) -> str:
        if facts["content"] == "bad":
            raise InvalidInputError("of another version")
        return read(folder, facts)

    content, report = checkpoints.restore(picky)
    assert content == "good"
    assert "of another version" in report.skipped[0]


def test_a_write_that_fails_changes_nothing(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, "kept")

    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise OSError(errno.ENOSPC, "no space")

    with pytest.raises(StorageError, match="no space left"):
        checkpoints.save(fail, {})
    assert checkpoints.restore(read)[0] == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-00000001"]


def test_what_an_interrupted_write_left_is_removed(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, "kept")
    (tmp_path / ".writing-00000002").mkdir()
    (tmp_path / ".writing-00000002" / "model").write_text("half")
    again = Checkpoints(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-00000001"]
    assert again.restore(read)[0] == "kept"


def test_cleared_there_is_nothing(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, "private")
    checkpoints.clear()
    assert list(tmp_path.iterdir()) == []
    assert checkpoints.as_dict() == {"count": 0, "total_size_mb": 0.0, "last_seconds_ago": None}


def test_killed_at_any_moment_every_checkpoint_is_whole(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from nexus.training.checkpoints import Checkpoints\n"
        "checkpoints = Checkpoints(Path(sys.argv[1]))\n"
        "for n in range(10**9):\n"
        "    def write(folder):\n"
        "        (folder / 'model').write_bytes(bytes([n % 256]) * 300_000)\n"
        "        (folder / 'more').write_bytes(bytes([n % 256]) * 1000)\n"
        "    checkpoints.save(write, {'n': n})\n"
        "    print(n, flush=True)\n"
    )
    chance = random.Random(5)
    last = 0
    for _ in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        for _ in range(chance.randrange(1, 12)):
            last = int(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        for line in child.stdout.read().splitlines():
            last = int(line)
        child.wait()
        child.stdout.close()
        names = [path.name for path in tmp_path.glob("checkpoint-*")]
        assert all(verified(tmp_path / name) for name in names)
        assert 1 <= len(names) <= 6  # one more, where it died before the oldest was taken away
        n, report = Checkpoints(tmp_path).restore(lambda folder, facts: facts["n"])
        assert report.skipped == ()
        assert n in (last, last + 1)
