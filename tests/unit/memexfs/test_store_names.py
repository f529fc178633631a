"""Identity follows the name: what the store says after any sequence of changes, against a plain model."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.memexfs.store import Facts, Passage, Store

NAMES = st.sampled_from([b"a", b"b", b"\xff"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(b"/".join)
CHANGES = st.one_of(
    st.tuples(st.just("write"), PATHS),
    st.tuples(st.just("tag"), PATHS, st.sampled_from(["x", "y"])),
    st.tuples(st.just("rename"), PATHS, PATHS),
    st.tuples(st.just("remove"), PATHS),
    st.tuples(st.just("exchange"), PATHS, PATHS),
)


@pytest.fixture
def store(tmp_path: Path):
    opened = Store(tmp_path / "memex")
    yield opened
    opened.close()


class Model:
    """A file system of names, and what is remembered under each."""

    def __init__(self) -> None:
        self.files: dict[bytes, set[str]] = {}
        self.gone: dict[bytes, set[str]] = {}
        self.folders: set[bytes] = set()

    def free(self, path: bytes) -> bool:
        """Whether a file could be made here, its folders too."""
        above = [path[:n] for n in range(len(path)) if path[n : n + 1] == b"/"]
        return path not in self.folders and not any(one in self.files for one in above)

    def make_above(self, path: bytes) -> None:
        self.folders |= {path[:n] for n in range(len(path)) if path[n : n + 1] == b"/"}

    def below(self, path: bytes, where: dict[bytes, set[str]] | set[bytes]) -> list[bytes]:
        return [one for one in where if one.startswith(path + b"/")]

    def come(self, path: bytes) -> set[str]:
        self.make_above(path)
        return self.files.setdefault(path, self.gone.pop(path, set()))


def play(model: Model, store: Store, change: tuple[Any, ...]) -> None:
    """One change, where a file system would allow it, in both."""
    word, path, *rest = change
    if word == "write" and model.free(path):
        model.come(path)
        store.written(path, 1, 2, 3)
    elif word == "tag" and path in model.files:
        model.files[path].add(rest[0])
        store.tag(store.ensure(path), rest[0])
    elif word == "remove" and path in model.files:
        tags = model.files.pop(path)
        if tags:
            model.gone[path] = tags
        store.removed(path, folder=False)
    elif word == "remove" and path in model.folders:
        if not model.below(path, model.files) and not model.below(path, model.folders):
            model.folders.remove(path)
            store.removed(path, folder=True)
    elif word == "rename" and path in model.files and rest[0] != path and model.free(rest[0]):
        there = rest[0] in model.files
        tags = model.files.pop(path)
        model.come(rest[0]).update(tags)
        store.replaced(path, rest[0]) if there else store.moved(path, rest[0], folder=False)
    elif word == "rename" and path in model.folders:
        rename_folder(model, store, path, rest[0])
    elif word == "exchange" and path in model.files and rest[0] in model.files:
        store.exchanged(path, rest[0])


def rename_folder(model: Model, store: Store, old: bytes, new: bytes) -> None:
    inside = new.startswith(old + b"/") or old.startswith(new + b"/") or old == new
    full = new in model.files or model.below(new, model.files) or model.below(new, model.folders)
    if inside or full or not model.free(new + b"/x"):
        return
    moved = {path: model.gone.pop(path) for path in model.below(old, model.gone)}
    live = {new + path[len(old) :]: model.files.pop(path) for path in model.below(old, model.files)}
    for path, tags in moved.items():
        model.gone[new + path[len(old) :]] = tags
    for path in live:
        model.gone.pop(path, None)
    model.files |= live
    inner = model.below(old, model.folders)
    model.folders -= {old, *inner}
    model.folders |= {new, *(new + path[len(old) :] for path in inner)}
    model.make_above(new)
    store.moved(old, new, folder=True)


@given(st.lists(CHANGES, max_size=25))
@settings(max_examples=60, deadline=None)
def test_after_any_changes_names_tags_and_counts_are_those_of_a_plain_model(
    changes: list[tuple[Any, ...]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store, model = Store(Path(folder)), Model()
        try:
            with store.batch():
                for change in changes:
                    play(model, store, change)
            assert store.check() == []
            assert_same(store, model)
            store.rebuild("the test says so")
            for path in [row.path for row in store.files() if row.path not in model.files]:
                store.removed(path, folder=False)  # as reconcile does
            for path in model.files:
                store.written(path, 1, 2, 3)
            assert store.check() == []
            assert_same(store, model)
        finally:
            store.close()


def assert_same(store: Store, model: Model) -> None:
    expected = sorted(model.files, key=lambda path: path.split(b"/"))
    assert [row.path for row in store.files()] == expected
    paged: list[bytes] = []
    while page := store.files(after=paged[-1] if paged else b"", limit=2):
        paged += [row.path for row in page]
    assert paged == expected
    for path, tags in model.files.items():
        row = store.file(path)
        assert row is not None
        assert set(store.tags_of(row.id)) == tags, path
        assert store.by_id(row.id) == row
    counts = {name: sum(name in tags for tags in model.files.values()) for name in ("x", "y")}
    assert {name: count for name, count in store.tags() if count} == {n: c for n, c in counts.items() if c}


def test_what_replaces_a_file_is_that_file(store: Store) -> None:
    """sed -i, git and editors write beside it and rename over it."""
    file = store.written(b"notes.md", 3, 1, 0)
    store.tag(file, "work")
    store.add_version(b"notes.md", "aa", "raw", 3, 1, 5, "replaced")
    store.written(b"sed8Xf2", 4, 2, 0)
    store.replaced(b"sed8Xf2", b"notes.md")
    row = store.file(b"notes.md")
    assert row is not None
    assert (row.id, row.size, store.tags_of(row.id)) == (file, 4, ["work"])
    assert [version.digest for version in store.versions(b"notes.md")] == ["aa"]
    assert store.file(b"sed8Xf2") is None


def test_a_renamed_file_takes_its_identity_along(store: Store) -> None:
    file = store.written(b"a", 3, 1, 0)
    store.tag(file, "work")
    store.add_version(b"a", "aa", "raw", 3, 1, 5, "truncated")
    store.moved(b"a", b"b/c", folder=False)
    assert [row.id for row in store.tagged(["work"], 9)] == [file]
    assert [version.digest for version in store.versions(b"b/c")] == ["aa"]
    assert store.versions(b"a") == []


def test_what_was_removed_and_comes_back_is_known_again(store: Store) -> None:
    file = store.written(b"a", 3, 1, 0)
    store.tag(file, "work")
    store.removed(b"a", folder=False)
    assert store.tagged(["work"], 9) == []
    assert store.tags() == [("work", 0)]
    assert store.written(b"a", 3, 1, 0) == file
    assert store.tags() == [("work", 1)]
    store.removed(b"a", folder=False)
    assert store.forget(time.time_ns() + 1) == 0
    assert store.forget(0, tagged_before_ns=time.time_ns() + 1) == 1
    assert store.written(b"a", 3, 1, 0) != file


def test_an_id_is_never_given_to_another_file(store: Store) -> None:
    first = store.written(b"deep/in/a", 3, 1, 0)
    store.removed(b"deep/in/a", folder=False)
    assert store.forget(time.time_ns() + 1) == 1
    assert not store.in_folder(b"deep")
    assert store.written(b"b", 3, 1, 0) > first


def test_a_folder_that_takes_an_empty_ones_place_gets_what_is_remembered_there(store: Store) -> None:
    store.add_version(b"new/deep/old.txt", "aa", "raw", 3, 1, 5, "removed")
    store.add_version(b"new/same.txt", "bb", "raw", 3, 1, 5, "removed")
    store.written(b"old/same.txt", 1, 1, 0)
    store.written(b"old/deep/b.txt", 1, 1, 0)
    store.moved(b"old", b"new", folder=True)
    assert [row.path for row in store.files()] == [b"new/deep/b.txt", b"new/same.txt"]
    assert [version.digest for version in store.versions(b"new/deep/old.txt")] == ["aa"]
    assert [version.digest for version in store.versions(b"new/same.txt")] == ["bb"]
    assert store.versioned(b"new") == [b"new/same.txt", b"new/deep/"]


def test_folders_that_change_places_take_what_is_in_them_along(store: Store) -> None:
    one, two = store.written(b"one/a", 1, 1, 0), store.written(b"two/b", 1, 1, 0)
    store.exchanged(b"one", b"two")
    assert {row.path: row.id for row in store.files()} == {b"one/b": two, b"two/a": one}


def test_a_file_and_a_folder_that_change_places(store: Store) -> None:
    one, two = store.written(b"one", 1, 1, 0), store.written(b"two/b", 1, 1, 0)
    store.exchanged(b"one", b"two")
    assert {row.path: row.id for row in store.files()} == {b"two": one, b"one/b": two}


def test_a_link_has_the_tags_of_its_file(store: Store) -> None:
    store.tag(store.written(b"a", 7, 8, 0), "work")
    store.linked(b"a", b"b")
    rows = store.tagged(["work"], 9)
    assert [(row.path, row.size) for row in rows] == [(b"a", 7), (b"b", 7)]


def test_a_tree_deeper_than_any_path_is_listed_moved_and_removed(store: Store) -> None:
    deep = b"/".join([b"d" * 200] * 1500)
    store.written(deep, 1, 1, 0)
    store.moved(b"d" * 200, b"e", folder=True)
    assert [row.path for row in store.files()] == [b"e" + deep[200:]]
    assert store.files(after=b"e" + deep[200:]) == []
    store.removed(b"e", folder=True)
    assert store.files() == []
    assert store.check() == []


@pytest.mark.parametrize("path", [b"/a", b"a/", b"a//b", b"a/../b", b".", b"a\0b"])
def test_what_is_no_path_is_refused(store: Store, path: bytes) -> None:
    with pytest.raises(InvalidInputError, match="no path under files"):
        store.ensure(path)


@pytest.mark.parametrize("name", ["", "a/b", ".hidden", "x" * 201, "é" * 101, "a\0", "\udc80"])
def test_what_cannot_be_a_folders_name_is_no_tag(store: Store, name: str) -> None:
    with pytest.raises(InvalidInputError, match="cannot be a tag"):
        store.make_tag(name)


def test_tags_that_are_renamed_joined_and_dropped(store: Store) -> None:
    one, two = store.ensure(b"one"), store.ensure(b"two")
    store.tag(one, "a", "b")
    store.tag(two, "b")
    store.rename_tag("a", "c")
    assert store.tags() == [("b", 2), ("c", 1)]
    assert store.tags(["b"]) == [("c", 1)]
    assert store.tags(["nothing"]) == []
    store.rename_tag("b", "c")
    assert store.tags() == [("c", 2)]
    store.set_tags(one, ["d", "e"])
    assert store.tags_of(one) == ["d", "e"]
    assert store.drop_tag("d")
    assert not store.drop_tag("d")
    with pytest.raises(NotFoundError):
        store.rename_tag("d", "f")
    with pytest.raises(NotFoundError):
        store.tag(99, "a")
    assert store.check() == []


def test_files_are_listed_by_what_stands_in_them(store: Store) -> None:
    november = 1795222322 * 10**9
    for name, kind, author, project, when in [
        (b"a", "pdf", "Ada", "nexus", november),
        (b"b", "pdf", "", "", november + 1),
        (b"c", "code", "Bob", "nexus", 0),
    ]:
        store.written(name, 1, when, 0)
        facts = Facts(kind, author=author, project=project, size=1, mtime_ns=when)
        assert store.described(name, facts, [Passage("", "text")])
    store.tag(store.ensure(b"b"), "project:other", "x")
    store.make_tag("project:empty")
    assert store.values("kind") == [("code", 1), ("pdf", 2)]
    assert store.values("author") == [("Ada", 1), ("Bob", 1)]
    assert store.values("month") == [("1970-01", 1), ("2026-11", 2)]
    assert store.values("project") == [("empty", 0), ("nexus", 2), ("other", 1)]
    assert store.values("kind", ["x"]) == [("pdf", 1)]
    assert [row.path for row in store.having("kind", "pdf", 9)] == [b"b", b"a"]
    assert [row.path for row in store.having("project", "other", 9)] == [b"b"]
    assert [row.path for row in store.having("project", "nexus", 1)] == [b"a"]
    assert [row.path for row in store.recent(1, 9)] == [b"b", b"a"]
    with pytest.raises(InvalidInputError, match="not listed by"):
        store.having("size", "1", 9)  # type: ignore[arg-type]
