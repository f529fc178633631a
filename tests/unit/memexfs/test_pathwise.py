"""A tree asked by path keeps nothing known that nobody can ask for, whatever fails on the way."""

from __future__ import annotations

import contextlib
import errno
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.memexfs.operations import ROOT, Caller, Entry
from nexus.memexfs.pathwise import Pathwise
from nexus.memexfs.real import Files
from nexus.memexfs.tree import Tree

_US = Caller(os.geteuid(), os.getegid(), os.getpid())


class Counted:
    """A file system that counts lookups given and taken back, and what is open."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.known: Counter[int] = Counter()
        self.held = 0

    def forget(self, node: int, lookups: int) -> None:
        assert node != ROOT
        self.known[node] -= lookups
        assert self.known[node] >= 0
        self.tree.forget(node, lookups)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call: Callable[..., Any] = getattr(self.tree, name)

        def counted(*args: Any) -> Any:
            found = call(*args)
            entry = found[0] if name == "create" else found
            if isinstance(entry, Entry) and entry.node:
                self.known[entry.node] += 1
            self.held += {"open": 1, "create": 1, "opendir": 1, "release": -1, "releasedir": -1}.get(name, 0)
            return found

        return counted

    def clean(self) -> bool:
        return not +self.known and self.held == 0


@pytest.fixture
def counted(tmp_path: Path) -> Counted:
    folder = tmp_path / "tree"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").write_bytes(b"words")
    (folder / "a" / "to-b").symlink_to("b")
    (folder / "a" / "b" / "up").symlink_to("../../a/./to-b/file")
    (folder / "out").symlink_to(folder)
    (folder / "above").symlink_to("../../..")
    (folder / "loop").symlink_to("loop")
    files = Files(folder)
    return Counted(Tree(files.root, orphans=files.orphan))


def _tree(counted: Counted, *, follow: bool = False) -> Pathwise:
    return Pathwise(counted, lambda: _US, follow=follow)


def test_links_are_followed_inside_the_tree_only(counted: Counted) -> None:
    tree = _tree(counted, follow=True)
    assert tree.attributes((b"a", b"to-b", b"up")).size == 5
    assert sorted(found.name for found in tree.listed((b"a", b"to-b"))) == [b"file", b"up"]
    for path, number in (
        ((b"out",), errno.ENOENT),
        ((b"above", b"etc"), errno.ENOENT),
        ((b"loop",), errno.ELOOP),
        ((b"a", b"none"), errno.ENOENT),
        ((b"a", b"b", b"file", b"x"), errno.ENOTDIR),
    ):
        with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is what is tested
            tree.attributes(path)
        assert caught.value.errno == number
    assert counted.clean()


def test_without_following_a_link_is_itself(counted: Counted) -> None:
    tree = _tree(counted)
    assert tree.attributes((b"loop",)).kind == 0o120000
    with pytest.raises(NotADirectoryError):
        tree.attributes((b"a", b"to-b", b"file"))
    assert counted.clean()


def test_what_is_open_is_known_until_it_is_closed(counted: Counted) -> None:
    tree = _tree(counted)
    opened = tree.create((b"a", b"new"), os.O_RDWR | os.O_EXCL, 0o600)
    assert sum((+counted.known).values()) == 1
    tree.remove((b"a", b"new"), folder=False)
    counted.write(opened.node, opened.handle, 0, memoryview(b"still"), os.O_RDWR)
    assert bytes(counted.read(opened.node, opened.handle, 0, 10, os.O_RDWR)) == b"still"
    tree.release(opened)
    assert counted.clean()


_NAME = st.sampled_from([b"a", b"b", b"file", b"to-b", b"loop", b"none", b"x" * 300, b"new"])
_PATH = st.lists(_NAME, max_size=4).map(tuple)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.integers(0, 9), _PATH, _PATH), max_size=8), follow=st.booleans())
def test_nothing_stays_known_whatever_is_asked(counted: Counted, steps: list[Any], follow: bool) -> None:
    tree = _tree(counted, follow=follow)
    calls: list[Callable[[Any, Any], object]] = [
        lambda path, other: tree.attributes(path),
        lambda path, other: list(tree.listed(path)),
        lambda path, other: tree.mkdir(path, 0o700),
        lambda path, other: tree.release(tree.create(path, os.O_WRONLY, 0o600)),
        lambda path, other: tree.release(tree.open(path, os.O_RDONLY)),
        lambda path, other: tree.release_folder(tree.open_folder(path)),
        lambda path, other: tree.rename(path, other),
        lambda path, other: tree.link(path, other),
        lambda path, other: tree.symlink(path, b"file"),
        lambda path, other: tree.mknod(path, 0o10600, 0),
    ]
    for step, path, other in steps:
        with contextlib.suppress(OSError):
            calls[step](path, other)
        assert counted.clean()
