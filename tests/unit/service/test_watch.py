"""Added folders are followed: what changes is read again, once for a burst of changes."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from nexus.core.errors import BusyError
from nexus.service import watch
from nexus.service.watch import Watcher


class Reader:
    """Notes what it is asked to read; may be busy for the first calls."""

    def __init__(self, busy: int = 0) -> None:
        self.asked: list[str] = []
        self.watcher: Watcher | None = None
        self.busy = busy
        self._changed = threading.Condition()

    def refresh(self, root) -> None:
        with self._changed:
            if self.busy:
                self.busy -= 1
                raise BusyError("busy")
            self.asked.append(str(root))
            self._changed.notify_all()

    def wait_for(self, root, times: int = 1) -> None:
        with self._changed:
            found = self._changed.wait_for(lambda: self.asked.count(str(root)) >= times, timeout=30)
        assert found, f"{root} was not read {times} times: {self.asked}"


@pytest.fixture
def follow():
    watchers = []

    def start(roots, reader, *, refresh=False):
        watcher = Watcher(lambda: [str(root) for root in roots], reader.refresh)
        watchers.append(watcher)
        watcher.start(refresh=refresh)
        return watcher

    yield start
    for watcher in watchers:
        watcher.stop()


def test_a_change_below_a_folder_is_read_and_a_burst_once(tmp_path, follow):
    reader = Reader()
    quiet = tmp_path / "quiet"
    busy = tmp_path / "busy"
    quiet.mkdir()
    busy.mkdir()
    watcher = follow([quiet, busy], reader)
    time.sleep(1)  # the first look at the folders must be over: older changes are nobody's news
    for number in range(50):
        (busy / f"{number}.md").write_text("x")
    reader.wait_for(busy)
    assert reader.asked.count(str(busy)) == 1
    watcher.begun(busy)
    (busy / "deep").mkdir()
    (busy / "deep" / "new.md").write_text("x")
    reader.wait_for(busy, 2)
    assert str(quiet) not in reader.asked


def test_a_reading_that_waits_is_not_asked_for_twice(tmp_path, follow):
    reader = Reader()
    watcher = follow([tmp_path], reader, refresh=True)
    reader.wait_for(tmp_path)
    time.sleep(1)
    (tmp_path / "a.md").write_text("x")
    time.sleep(4)
    assert reader.asked == [str(tmp_path)]
    watcher.begun(tmp_path)
    reader.wait_for(tmp_path, 2)


def test_a_file_that_stands_alone_is_followed_through_a_rename(tmp_path, follow):
    file = tmp_path / "notes.md"
    file.write_text("old")
    reader = Reader()
    follow([file], reader)
    time.sleep(1)
    fresh = tmp_path / "notes.tmp"
    fresh.write_text("newer")
    fresh.replace(file)
    reader.wait_for(file)


def test_a_busy_service_is_asked_again(tmp_path, follow):
    reader = Reader(busy=1)
    follow([tmp_path], reader, refresh=True)
    reader.wait_for(tmp_path)


def test_a_new_root_is_followed_and_a_missing_one_is_no_harm(tmp_path, follow):
    roots = [tmp_path / "missing"]
    reader = Reader()
    follow(roots, reader)
    (tmp_path / "new").mkdir()
    roots.append(tmp_path / "new")
    time.sleep(7)  # the list of roots is looked at every five seconds
    (tmp_path / "new" / "a.md").write_text("x")
    reader.wait_for(tmp_path / "new")


def test_what_changes_right_after_it_was_added_is_not_missed(tmp_path, follow):
    reader = Reader()
    roots: list[Path] = []
    follow(roots, reader)
    folder, file = tmp_path / "folder", tmp_path / "alone.md"
    folder.mkdir()
    # Whatever the first reading has seen, this may have come after it.
    (folder / "a.md").write_text("x")
    file.write_text("x")
    roots += [folder, file]
    reader.wait_for(folder)
    reader.wait_for(file)
    assert sorted(reader.asked) == sorted([str(folder), str(file)])


def test_stopping_is_quick_and_may_be_done_twice(tmp_path, follow):
    watcher = follow([tmp_path], Reader())
    started = threading.active_count()
    watcher.stop()
    watcher.stop()
    assert threading.active_count() < started


def test_what_could_not_be_read_is_asked_for_again(tmp_path, follow, monkeypatch):
    monkeypatch.setattr(watch, "_LATER_SECONDS", 0.1)
    reader = Reader()
    watcher = follow([tmp_path], reader, refresh=True)
    reader.wait_for(tmp_path)
    watcher.begun(tmp_path)
    watcher.failed(tmp_path)
    reader.wait_for(tmp_path, 2)
