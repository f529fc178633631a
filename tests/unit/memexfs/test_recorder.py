"""What the tree tells becomes rows and versions; what was not told is found by comparing."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.errors import AlreadyRunningError, StorageError
from nexus.memexfs.fsck import check
from nexus.memexfs.keeping import parsed
from nexus.memexfs.objects import ChangedError, Objects
from nexus.memexfs.store import Store
from tests.memex_tree import Tree

LONG = b"a line of a text that is long enough\n" * 500


@pytest.fixture
def tree(tmp_path: Path):
    made = Tree(tmp_path)
    made.start()
    yield made
    made.stop()


def test_what_is_written_is_known_and_queued_two_seconds_later(tree: Tree) -> None:
    tree.write(b"a/b.txt", b"hello")
    tree.write(b"node_modules/x.js", b"hello")
    tree.write(b".a.txt.swp", b"hello")
    assert tree.history.settle()
    [row] = tree.store.files()
    assert (row.path, row.size, row.state) == (b"a/b.txt", 5, "waiting")
    assert tree.store.take(9, time.time_ns()) == []
    assert [one.path for one in tree.store.take(9, time.time_ns() + 3 * 10**9)] == [b"a/b.txt"]


def test_each_way_to_save_keeps_the_identity_and_a_version(tree: Tree) -> None:
    """In place (vim), beside and over it (sed -i, git), with a backup by rename (emacs)."""
    tree.write(b"notes.md", LONG + b"1")
    assert tree.history.settle()
    file = tree.store.ensure(b"notes.md")
    tree.store.tag(file, "work")

    tree.write(b"notes.md", LONG + b"2")
    tree.next_burst()
    tree.write(b"sedAb3dEf", LONG + b"3")
    tree.rename(b"sedAb3dEf", b"notes.md")
    tree.next_burst()
    tree.rename(b"notes.md", b"notes.md~")
    tree.write(b"notes.md", LONG + b"4")
    assert tree.history.settle()

    row = tree.store.file(b"notes.md")
    assert row is not None
    assert (row.id, tree.store.tags_of(row.id)) == (file, ["work"])
    assert [row.path for row in tree.store.files()] == [b"notes.md"]
    versions = tree.store.versions(b"notes.md")
    assert [(tree.text(one)[-1:], one.cause) for one in versions] == [(b"2", "replaced"), (b"1", "truncated")]
    tree.assert_sound()


def test_a_removed_file_leaves_a_version_and_comes_back_as_itself(tree: Tree) -> None:
    tree.write(b"d/a.txt", LONG)
    tree.remove(b"d/a.txt")
    tree.rmdir(b"d")
    assert tree.history.settle()
    [version] = tree.store.versions(b"d/a.txt")
    assert (tree.text(version), version.cause, version.form) == (LONG, "removed", "zstd")
    assert tree.store.versioned(b"d") == [b"d/a.txt"]
    assert list((tree.folder / "kept").iterdir()) == [tree.folder / "kept" / "list"]
    assert (tree.folder / "kept" / "list").stat().st_size == 0
    tree.assert_sound()


def test_a_version_belongs_to_the_file_wherever_it_went_since(tree: Tree) -> None:
    tree.write(b"a", LONG)
    tree.write(b"a", LONG + b"2")
    tree.rename(b"a", b"b")
    assert tree.history.settle()
    assert [tree.text(one) for one in tree.store.versions(b"b")] == [LONG]
    assert tree.store.versions(b"a") == []


def test_what_is_ignored_secret_or_saved_all_the_time_leaves_no_versions(tree: Tree) -> None:
    for path in (b".git/config", b"x.pyc", b".env", b"id_rsa"):
        tree.write(path, LONG)
        tree.remove(path)
    for number in range(30):
        tree.write(b"log.txt", LONG + b"%d" % number)
    assert tree.history.settle()
    assert tree.store.versioned() == [b"log.txt"]
    assert len(tree.store.versions(b"log.txt")) == 1


def test_other_names_of_a_file_do_not_change_what_was_kept(tree: Tree) -> None:
    tree.write(b"a", LONG)
    os.link(tree.real(b"a"), tree.real(b"b"))
    tree.history.linked(b"a", b"b")
    tree.remove(b"a")
    tree.real(b"b").write_bytes(b"changed")
    assert tree.history.settle()
    assert [tree.text(one) for one in tree.store.versions(b"a")] == [LONG]


def test_who_has_a_removed_file_open_sees_no_name_of_it(tree: Tree) -> None:
    """unlink leaves st_nlink at 0, whatever is kept."""
    tree.write(b"a", LONG)
    with tree.real(b"a").open("r+b") as opened:
        status = os.fstat(opened.fileno())
        tree.history.opened((status.st_dev, status.st_ino))
        tree.remove(b"a")
        assert os.fstat(opened.fileno()).st_nlink == 0
        opened.write(b"changed")
        opened.flush()
        tree.history.closed((status.st_dev, status.st_ino))
    assert tree.history.settle()
    assert [tree.text(one) for one in tree.store.versions(b"a")] == [LONG]


def test_the_version_of_a_sealed_file_is_its_object(tree: Tree) -> None:
    tree.write(b"a", LONG)
    assert tree.history.settle()
    with tree.real(b"a").open("r+b") as opened:
        assert tree.content.seal(opened.fileno())
    tree.remove(b"a")
    assert tree.history.settle()
    assert [tree.text(one) for one in tree.store.versions(b"a")] == [LONG]
    tree.assert_sound()


def test_more_than_is_held_is_found_by_comparing(tmp_path: Path) -> None:
    tree = Tree(tmp_path, held=10)
    for number in range(300):
        tree.write(b"%d.txt" % number, b"x")
    assert tree.history.overflows > 0
    assert tree.history.status()["to_compare"] == [""]
    tree.start()
    assert tree.history.settle()
    assert len(tree.store.files()) == 300
    assert tree.history.status()["to_compare"] == []
    tree.stop()


def test_a_folder_that_is_not_ignored_any_more_is_compared(tree: Tree) -> None:
    tree.write(b".cache/a.txt", b"x")
    tree.rename(b".cache", b"cache")
    assert tree.history.settle()
    assert [row.path for row in tree.store.files()] == [b"cache/a.txt"]
    tree.rename(b"cache", b".cache")
    assert tree.history.settle()
    assert tree.store.files() == []


def test_what_waits_at_a_kill_becomes_a_version_at_the_next_start(tmp_path: Path, monkeypatch) -> None:
    tree = Tree(tmp_path)  # never started: as if killed at once
    for number in range(5):
        tree.write(b"%d" % number, LONG + b"%d" % number)
        tree.remove(b"%d" % number)
    (tmp_path / "memex" / "kept" / "ffff-1").write_bytes(b"a copy that was cut off")
    with (tmp_path / "memex" / "kept" / "list").open("ab") as listing:
        listing.write(b"half a li")
    again = Tree(tmp_path)
    again.start()
    assert again.history.settle()
    for number in range(5):
        assert [again.text(one)[-1:] for one in again.store.versions(b"%d" % number)] == [b"%d" % number]
    again.assert_sound()
    again.stop()
    tree.stop()


def test_only_one_keeps_the_history_of_a_tree(tree: Tree, tmp_path: Path) -> None:
    other = Tree(tmp_path)
    with pytest.raises(AlreadyRunningError, match="in use"):
        other.start()
    with pytest.raises(AlreadyRunningError, match="in use"):
        check(tmp_path, repair=True)
    other.stop()


def test_a_database_that_cannot_be_written_delays_and_loses_nothing(tree: Tree, monkeypatch) -> None:
    real = Store.batch

    def full(self: Store):
        raise StorageError("no space left")

    monkeypatch.setattr(Store, "batch", full)
    tree.write(b"a", LONG)
    deadline = time.monotonic() + 30
    while not tree.history.status()["problem"] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert tree.history.status()["problem"] == "no space left"
    monkeypatch.setattr(Store, "batch", real)
    assert tree.history.settle()
    assert tree.store.file(b"a") is not None


def test_on_a_disk_that_is_nearly_full_what_is_removed_is_gone(tree: Tree) -> None:
    tree.history.keeper.reserve = 2.0
    tree.write(b"a", LONG)
    tree.remove(b"a")
    assert tree.history.settle()
    assert tree.history.status()["contents_not_kept"] == 1
    assert tree.store.versions(b"a") == []
    tree.history.keeper.reserve = 0.0
    time.sleep(1.1)  # the disk is looked at once a second
    tree.next_burst()
    tree.write(b"a", LONG)
    tree.remove(b"a")
    assert tree.history.settle()
    assert len(tree.store.versions(b"a")) == 1


def test_a_full_disk_does_not_stop_what_the_user_does(tree: Tree, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    tree.write(b"a", LONG)
    monkeypatch.setattr(os, "link", full)
    tree.remove(b"a")
    assert tree.history.settle()
    assert tree.history.status()["contents_not_kept"] == 1
    assert tree.store.versions(b"a") == []


def test_closing_a_file_waits_for_nothing(tree: Tree) -> None:
    """Whatever the database does: the tree's calls only queue."""
    holding, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with tree.store.batch():
            holding.set()
            let_go.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    holding.wait(30)
    for number in range(1000):
        tree.history.written(b"%d" % number)
    assert not let_go.is_set()
    let_go.set()
    holder.join()
    assert tree.history.settle()


def test_a_fault_of_ours_holds_up_nothing_else(tree: Tree, monkeypatch) -> None:
    real = Store.moved

    def faulty(self: Store, *_: object, **__: object) -> None:
        monkeypatch.setattr(Store, "moved", real)
        raise ZeroDivisionError

    tree.write(b"a", LONG)
    tree.write(b"b", LONG)
    assert tree.history.settle()
    monkeypatch.setattr(Store, "moved", faulty)
    tree.rename(b"a", b"c")
    tree.write(b"b", LONG + b"2")
    assert tree.history.settle()
    assert [row.path for row in tree.store.files()] == [b"b", b"c"]


def test_bytes_that_somebody_still_writes_to_wait_and_hold_up_no_others(tree: Tree, monkeypatch) -> None:
    store = Objects.put
    written = threading.Event()

    def changing(self: Objects, source: int):
        if os.pread(source, 4, 0) == b"slow" and not written.is_set():
            raise ChangedError("it changes")
        return store(self, source)

    monkeypatch.setattr(Objects, "put", changing)
    for name in (b"slow", b"quick"):
        tree.write(name, name + LONG)
        tree.remove(name)
    deadline = time.monotonic() + 30
    while not tree.store.versions(b"quick") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert tree.store.versions(b"quick")
    assert tree.history.status()["versions_waiting"] == 1
    assert tree.store.versions(b"slow") == []
    written.set()
    assert tree.history.settle()
    assert tree.store.versions(b"slow")


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=8)))
def test_no_line_in_the_list_of_what_was_kept_is_an_error(line: object) -> None:
    assert parsed([line] * 8) is None
    assert parsed(["1-2", "a", 1, 2, 3, "removed", line, ""]) is not None
    assert parsed(["../x", "a", 1, 2, 3, "removed", line, ""]) is None
