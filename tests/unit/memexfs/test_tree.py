"""The tree over real folders, asked as the kernel asks it: numbers, and those of a process before."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus.memexfs import real
from nexus.memexfs.operations import ROOT
from nexus.memexfs.real import Files
from tests.memex_shown import ME, Heard, Shown, Told, refused


def test_one_inode_has_one_number_under_all_its_names(shown: Shown) -> None:
    shown.write("a", b"x")
    shown.tree.mkdir(ROOT, b"d", 0o755, ME)
    node = shown.number("a")
    shown.tree.link(node, shown.number("d"), b"b", ME)
    assert shown.number("d/b") == node
    shown.tree.rename(ROOT, b"a", ROOT, b"c", 0, ME)
    assert shown.number("c") == node
    shown.tree.unlink(shown.number("d"), b"b", ME)
    assert shown.tree.getattr(node, None)[0].nlink == 1
    assert shown.files.path_of(shown.tree.node(node)) == b"c"


def test_a_forgotten_number_means_nothing_and_is_not_given_again(shown: Shown) -> None:
    shown.write("a", b"x")
    node = shown.number("a")
    shown.tree.forget(node, 2)
    with refused(errno.ESTALE):
        shown.tree.getattr(node, None)
    assert shown.number("a") not in (node, 0)


def test_a_number_is_known_as_long_as_one_lookup_is_left(shown: Shown) -> None:
    shown.write("a", b"x")
    node = shown.number("a")
    shown.number("a")
    shown.tree.forget(node, 2)
    assert shown.tree.getattr(node, None)[0].size == 1
    shown.tree.forget(ROOT, 99)
    assert shown.tree.getattr(ROOT, None)


def test_a_missing_name_may_be_believed_for_as_long_as_the_others(shown: Shown) -> None:
    entry = shown.tree.lookup(ROOT, b"missing", ME)
    assert (entry.node, entry.name_seconds) == (0, 60.0)
    with refused(errno.ENAMETOOLONG):
        shown.tree.lookup(ROOT, b"n" * 256, ME)


def test_folders_are_found_with_few_descriptors(
    folder: Path, monkeypatch: pytest.MonkeyPatch, heard: Heard
) -> None:
    monkeypatch.setattr(real, "_FOLDERS", 3)
    shown = Shown(Files(folder, recorder=heard))
    parts = [f"d{n}" for n in range(40)]
    (folder / "/".join(parts)).mkdir(parents=True)
    before = len(os.listdir("/proc/self/fd"))
    deepest = shown.number("/".join(parts))
    for turn in range(3):
        shown.tree.rename(
            ROOT, b"d%d" % turn if turn == 0 else b"r%d" % turn, ROOT, b"r%d" % (turn + 1), 0, ME
        )
        shown.tree.mkdir(deepest, b"m%d" % turn, 0o700, ME)
        assert len(os.listdir("/proc/self/fd")) - before <= 5
    assert sorted(p.name for p in (folder / "r3" / "/".join(parts[1:])).iterdir()) == ["m0", "m1", "m2"]


def test_the_kernel_is_asked_to_forget_what_is_too_much(folder: Path) -> None:
    shown = Shown(Files(folder), most=50)
    kernel = Told()
    shown.tree.begin(kernel)
    (folder / "d").mkdir()
    for n in range(200):
        (folder / "d" / f"f{n}").touch()
    for n in range(200):
        shown.tree.lookup(shown.number("d"), b"f%d" % n, ME)
    asked = {name for _, name in kernel.thrown_out}
    assert b"f0" in asked
    assert b"d" not in {name for _, name in kernel.names}, "a folder that others are found through"


def test_a_folder_that_is_too_much_is_only_doubted(folder: Path) -> None:
    """Somebody may work in it, whose folder would have no name any more."""
    shown = Shown(Files(folder), most=50)
    kernel = Told()
    shown.tree.begin(kernel)
    for n in range(60):
        (folder / f"d{n}").mkdir()
        shown.number(f"d{n}")
    assert (ROOT, b"d0") in kernel.names
    assert not kernel.thrown_out


def test_a_change_that_was_no_request_is_told_to_the_kernel(shown: Shown) -> None:
    kernel = Told()
    shown.tree.begin(kernel)
    shown.write("a", b"x")
    node = shown.number("a")
    shown.tree.forget_name(shown.files.root, b"a")
    shown.tree.forget_content(shown.files.resolve(b"a"))
    assert (kernel.names, kernel.contents) == ([(ROOT, b"a")], [node])


# after a death


@pytest.fixture
def log() -> Iterator[int]:
    fd = os.memfd_create("numbers")
    yield fd
    os.close(fd)


def test_the_next_tree_knows_the_same_numbers(folder: Path, log: int) -> None:
    first = Shown(Files(folder), log_fd=log)
    first.tree.mkdir(ROOT, b"d", 0o755, ME)
    first.write("d/a", b"one")
    first.write("d/gone", b"nameless")
    kept = {path: first.number(path) for path in ("d", "d/a", "d/gone")}
    handle = first.tree.open(kept["d/gone"], os.O_RDWR, ME).handle
    first.tree.unlink(kept["d"], b"gone", ME)
    first.tree.rename(ROOT, b"d", ROOT, b"e", 0, ME)
    files = Files(folder)
    second = Shown(files, log_fd=log, orphans=files.orphan)
    assert files.orphans.sweep(second.tree.inodes()) == 0
    assert (second.number("e"), second.number("e/a")) == (kept["d"], kept["d/a"])
    assert second.tree.read(kept["d/gone"], handle, 0, 99, os.O_RDWR) == b"nameless"
    assert second.tree.getattr(kept["d/gone"], None)[0].nlink == 0
    new = second.tree.mkdir(ROOT, b"new", 0o755, ME).node
    assert new not in kept.values()
    second.tree.release(kept["d/gone"], handle)
    second.tree.forget(kept["d/gone"], 3)
    assert os.listdir(folder.parent / "orphans") == []


def test_a_file_that_a_process_before_opened_goes_on_when_this_one_removes_it(folder: Path, log: int) -> None:
    first = Shown(Files(folder), log_fd=log)
    first.write("a", b"held")
    first.write("b", b"over")
    node = first.number("a")
    handle = first.tree.open(node, os.O_RDWR, ME).handle
    files = Files(folder)
    second = Shown(files, log_fd=log, orphans=files.orphan)
    second.tree.rename(ROOT, b"b", ROOT, b"a", 0, ME)
    files = Files(folder)
    third = Shown(files, log_fd=log, orphans=files.orphan)
    assert third.tree.read(node, handle, 0, 9, os.O_RDWR) == b"held"
    assert third.tree.getattr(node, None)[0].nlink == 0
    assert third.read("a") == b"over"


def test_a_removal_that_was_begun_by_a_process_before_is_ended(folder: Path, log: int) -> None:
    first = Shown(Files(folder), log_fd=log)
    first.write("a", b"held")
    node = first.number("a")
    os.link(folder / "a", folder.parent / "orphans" / f"{(folder / 'a').stat().st_ino}")
    files = Files(folder)
    second = Shown(files, log_fd=log, orphans=files.orphan)
    second.tree.unlink(ROOT, b"a", ME)
    assert second.tree.getattr(node, None)[0].nlink == 0
    second.tree.forget(node, 99)
    assert os.listdir(folder.parent / "orphans") == []


def test_what_became_something_else_meanwhile_is_stale(folder: Path, log: int) -> None:
    first = Shown(Files(folder), log_fd=log)
    first.write("a", b"one")
    node = first.number("a")
    (folder / "b").write_bytes(b"another")
    (folder / "b").replace(folder / "a")
    second = Shown(Files(folder), log_fd=log)
    with refused(errno.ESTALE):
        second.tree.getattr(node, None)
    assert second.number("a") != node


def test_lookups_of_a_process_before_count_at_the_end_only(folder: Path, log: int) -> None:
    first = Shown(Files(folder), log_fd=log)
    first.write("a", b"one")
    node = first.number("a")  # the kernel counts two
    second = Shown(Files(folder), log_fd=log)
    assert second.number("a") == node  # three
    second.tree.forget(node, 1)
    assert second.tree.getattr(node, None)[0].size == 3
    second.tree.forget(node, 2)
    with refused(errno.ESTALE):
        second.tree.getattr(node, None)


# what is told to the recorder
