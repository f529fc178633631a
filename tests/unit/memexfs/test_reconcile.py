"""The tree against what is known of it: comparing, letting go of objects, fsck."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from nexus.memexfs import collecting
from nexus.memexfs.collecting import collect
from nexus.memexfs.fsck import check
from nexus.memexfs.reconcile import reconcile
from nexus.memexfs.store import Facts, Store
from nexus.memexfs.walking import walk
from tests.memex_tree import Tree

LONG = b"a line of a text that is long enough\n" * 500


@pytest.fixture
def tree(tmp_path: Path):
    made = Tree(tmp_path)
    made.start()
    yield made
    made.stop()


def test_what_changed_without_a_word_is_found(tree: Tree) -> None:
    for name in (b"same", b"changed", b"gone", b"d/gone"):
        tree.write(name, b"x")
    assert tree.history.settle()
    for pending in tree.store.take(9, time.time_ns() + 10**10):
        row = tree.store.file(pending.path)
        assert row is not None
        assert tree.store.described(pending.path, Facts("text", size=row.size, mtime_ns=row.mtime_ns))
        tree.store.done(pending)
    tree.real(b"changed").write_bytes(b"longer")
    tree.real(b"gone").unlink()
    shutil.rmtree(tree.real(b"d"))
    tree.real(b"new\xff").write_bytes(b"x")
    tree.real(b".git").mkdir()
    tree.real(b".git/config").write_bytes(b"x")
    done = reconcile(tree.store, tree.root, {}, tree.content)
    assert (done.files, done.queued, done.dropped) == (3, 2, 2)
    assert [row.path for row in tree.store.files()] == [b"changed", b"new\xff", b"same"]
    for chore in tree.store.take(9, time.time_ns()):
        tree.store.done(chore)
    assert {one.path for one in tree.store.take(9, time.time_ns())} == {b"changed", b"new\xff"}
    assert reconcile(tree.store, tree.root, {}, tree.content)[1:] == (0, 0, 0)


def test_folders_in_place_are_compared_where_they_are(tree: Tree, tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    (documents / "deep").mkdir(parents=True)
    (documents / "deep" / "a.txt").write_bytes(b"x")
    (documents / "node_modules").mkdir()
    (documents / "node_modules" / "b.js").write_bytes(b"x")
    sources = {b"Documents": documents}
    assert reconcile(tree.store, tree.root, sources, tree.content)[:3] == (1, 1, 0)
    assert [row.path for row in tree.store.files()] == [b"Documents/deep/a.txt"]
    tree.store.add_source("Documents", documents)
    assert reconcile(tree.store, tree.root, {}, tree.content).dropped == 0  # its disk is not there
    (documents / "deep" / "a.txt").unlink()
    assert reconcile(tree.store, tree.root, sources, tree.content, b"Documents/deep").dropped == 1


def test_a_tree_deeper_than_any_path_is_compared(tree: Tree) -> None:
    at = os.open(tree.root, os.O_RDONLY)
    for _ in range(120):  # 120 x 200 bytes: six times what a path may have
        os.mkdir("d" * 200, dir_fd=at)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(os.open("a.txt", os.O_CREAT | os.O_WRONLY, dir_fd=at))
    os.close(at)
    assert reconcile(tree.store, tree.root, {}, tree.content).queued == 1
    [row] = tree.store.files()
    assert len(row.path) == 120 * 201 + 5
    assert reconcile(tree.store, tree.root, {}, tree.content)[1:3] == (0, 0)


# ---- objects that nothing needs


def test_what_versions_and_sealed_files_need_stays_and_the_rest_goes(tree: Tree, monkeypatch) -> None:
    monkeypatch.setattr("nexus.memexfs.collecting._SLACK", -60.0)
    for name in (b"sealed", b"version", b"unneeded"):
        tree.write(name, LONG + name)
    with tree.real(b"sealed").open("r+b") as opened:
        assert tree.content.seal(opened.fileno())
    tree.remove(b"version")
    with tree.real(b"unneeded").open("rb") as opened:
        tree.objects.put(opened.fileno())
    assert tree.history.settle()
    done = collect(tree.folder, tree.store, tree.objects, tree.history.moved)
    assert (done.needed, done.discarded) == (2, 1)
    assert collect(tree.folder, tree.store, tree.objects, tree.history.moved)[:2] == (2, 0)
    tree.store.prune(time.time_ns(), 0)
    assert collect(tree.folder, tree.store, tree.objects, tree.history.moved)[:2] == (1, 1)
    tree.assert_sound()


def test_a_sealed_file_that_is_renamed_during_the_walk_keeps_its_object(tree: Tree, monkeypatch) -> None:
    monkeypatch.setattr("nexus.memexfs.collecting._SLACK", -60.0)
    tree.write(b"a", LONG)
    with tree.real(b"a").open("r+b") as opened:
        assert tree.content.seal(opened.fileno())
    asked = iter([[], [b"b"], []])  # the walk came to where it was after it had gone

    def gone(top: int, under: bytes = b""):
        return iter(()) if not under else walk(top, under)

    monkeypatch.setattr(collecting, "walk", gone)
    tree.rename(b"a", b"b")
    assert collect(tree.folder, tree.store, tree.objects, lambda: next(asked))[:2] == (1, 0)


# ---- fsck


def test_each_inconsistency_is_named_and_what_can_be_is_repaired(tree: Tree, tmp_path: Path) -> None:
    tree.write(b"sealed", LONG + b"1")
    tree.write(b"version", LONG + b"2")
    with tree.real(b"sealed").open("r+b") as opened:
        sealed = tree.content.seal(opened.fileno())
    assert sealed is not None
    tree.remove(b"version")
    assert tree.history.settle()
    [version] = tree.store.versions(b"version")
    tree.assert_sound()
    tree.stop()
    objects = tmp_path / "memex" / "objects"
    (objects / sealed.digest[:2] / f"{sealed.digest[2:]}.zst").unlink()
    damaged = objects / version.digest[:2] / f"{version.digest[2:]}.zst"
    damaged.chmod(0o600)
    damaged.write_bytes(damaged.read_bytes()[:-20] + bytes(20))
    report = check(tmp_path)
    assert len(report.problems) == 2
    assert any("damaged" in one and version.digest in one for one in report.problems)
    assert any("tree/sealed" in one and sealed.digest in one for one in report.problems)
    damaged.unlink()
    report = check(tmp_path, repair=True)
    assert "1 versions without a content are forgotten" in report.repaired
    report = check(tmp_path)
    assert report.problems == [f"tree/sealed: its content {sealed.digest} is not stored"]
    store = Store(tmp_path / "memex")
    path = store._database.path
    store.close()
    data = bytearray(path.read_bytes())
    data[4096 : len(data) // 2] = bytes(len(data) // 2 - 4096)
    path.write_bytes(data)
    report = check(tmp_path, repair=True)
    assert any("made anew" in one for one in report.notes)


def test_a_home_without_a_tree_is_sound(tmp_path: Path) -> None:
    report = check(tmp_path)
    assert report.sound
    assert "nothing was mounted yet" in report.notes[0]


def test_a_file_whose_sealing_was_cut_off_is_known_as_it_is_after_mending(tree: Tree, monkeypatch) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    tree.write(b"a", LONG)
    os.utime(tree.real(b"a"), ns=(10**18, 10**18))
    assert reconcile(tree.store, tree.root, {}, tree.content).files == 1
    with monkeypatch.context() as patch, tree.real(b"a").open("r+b") as opened:
        patch.setattr(os, "utime", killed)  # after the hole, before its time is put back
        with pytest.raises(Killed):
            tree.content.seal(opened.fileno())
    assert tree.real(b"a").stat().st_mtime_ns != 10**18
    assert reconcile(tree.store, tree.root, {}, tree.content)[1:] == (0, 0, 1)
    assert tree.real(b"a").stat().st_mtime_ns == 10**18
    assert tree.history.settle()
    tree.assert_sound()
