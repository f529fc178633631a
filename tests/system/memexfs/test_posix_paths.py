"""POSIX: what is wrong with a path, in every call that takes one.

Each case holds on the raw disk too, which is its oracle.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.memex_posix import (
    NOT_FOLDERS,
    USER,
    all_of,
    inside,
    kind_of,
    long_path,
    make,
    outcome,
    user,
)

Call = Callable[[str], object]


def _beside(path: str) -> str:
    """Another existing file, for the calls with two paths."""
    return os.environ["MEMEX_BESIDE"]


# Calls that need something at the path, and calls that make something there.
USING: dict[str, Call] = {
    "chmod": lambda p: os.chmod(p, 0o640),
    "chown": lambda p: os.chown(p, 0, 0),
    "lchown": lambda p: os.lchown(p, 0, 0),
    "truncate": lambda p: os.truncate(p, 3),
    "open": lambda p: os.close(os.open(p, os.O_RDONLY)),
    "stat": os.stat,
    "lstat": os.lstat,
    "access": lambda p: os.stat(p),
    "utime": lambda p: os.utime(p, (1, 1)),
    "link from": lambda p: os.link(p, _beside(p) + ".new"),
    "rename from": lambda p: os.rename(p, _beside(p) + ".new"),
    "setxattr": lambda p: os.setxattr(p, "user.a", b"b"),
    "unlink": os.unlink,
}
MAKING: dict[str, Call] = {
    "mkdir": os.mkdir,
    "mkfifo": os.mkfifo,
    "mknod": lambda p: os.mknod(p, stat.S_IFREG | 0o600),
    "create": lambda p: os.close(os.open(p, os.O_CREAT | os.O_WRONLY, 0o600)),
    "symlink": lambda p: os.symlink("x", p),
    "link to": lambda p: os.link(_beside(p), p),
    "rename to": lambda p: os.rename(_beside(p), p),
}
FOLDER: dict[str, Call] = {"rmdir": os.rmdir, "listdir": os.listdir}
ALL = {**USING, **MAKING, **FOLDER}


@pytest.fixture
def beside(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = place / "beside"
    folder.mkdir(mode=0o777)
    monkeypatch.setenv("MEMEX_BESIDE", str(folder / "file"))
    return folder


def _tried(calls: dict[str, Call], path: str | Path, beside: Path) -> dict[str, str]:
    found = []
    for name, call in calls.items():
        for old in beside.iterdir():
            old.unlink()
        make(beside / "file", "regular", 0o666)
        found.append((name, outcome(call, str(path))))
    return all_of(found)


@pytest.mark.parametrize("kind", NOT_FOLDERS)
def test_a_folder_of_the_path_that_is_none_is_enotdir(place: Path, beside: Path, kind: str) -> None:
    make(place / "plain", kind)
    assert _tried(ALL, place / "plain" / "name", beside) == dict.fromkeys(ALL, "ENOTDIR")


def test_what_is_not_there_is_enoent(place: Path, beside: Path) -> None:
    found = {**USING, **FOLDER}
    assert _tried(found, place / "missing", beside) == dict.fromkeys(found, "ENOENT")
    assert _tried(ALL, place / "missing" / "name", beside) == dict.fromkeys(ALL, "ENOENT")
    os.symlink("nowhere", place / "dangling")
    assert _tried(ALL, place / "dangling" / "name", beside) == dict.fromkeys(ALL, "ENOENT")


def test_an_empty_path_is_enoent(place: Path, beside: Path) -> None:
    assert _tried(ALL, "", beside) == dict.fromkeys(ALL, "ENOENT")


def test_a_name_may_have_255_bytes_and_no_more(place: Path, beside: Path) -> None:
    for name in ("n" * 255, "é" * 127 + "x"):
        assert len(name.encode()) == 255
        for call, undo in (
            (MAKING["create"], os.unlink),
            (MAKING["mkdir"], os.rmdir),
            (MAKING["symlink"], os.unlink),
            (MAKING["mkfifo"], os.unlink),
        ):
            assert outcome(call, str(place / name)) == "ok"
            assert os.listdir(place) == [name] or set(os.listdir(place)) == {name, "beside"}
            assert outcome(undo, str(place / name)) == "ok"
    assert _tried(ALL, place / ("n" * 256), beside) == dict.fromkeys(ALL, "ENAMETOOLONG")
    assert _tried(ALL, place / ("n" * 256) / "x", beside) == dict.fromkeys(ALL, "ENAMETOOLONG")
    assert _tried(ALL, place / ("n" * 2000), beside) == dict.fromkeys(ALL, "ENAMETOOLONG")


def test_names_are_bytes_of_any_kind(place: Path) -> None:
    folder = os.fsencode(place)
    wanted = {b"\xff\xfe", b"\x01", b"new\nline", b" ", b"-rf", b"\xc3\x28", b"*", b"\\", bytes(range(1, 47))}
    for name in wanted:
        os.close(os.open(folder + b"/" + name, os.O_CREAT | os.O_EXCL))
    assert set(os.listdir(folder)) == wanted
    for name in wanted:
        os.rename(folder + b"/" + name, folder + b"/" + name + b"2")
        os.unlink(folder + b"/" + name + b"2")
    assert os.listdir(folder) == []


def test_a_path_may_have_4095_bytes_and_no_more(place: Path, beside: Path) -> None:
    path = long_path(place, 4095)
    for name, call in MAKING.items():
        assert (name, _tried({name: call}, path, beside)) == (name, {name: "ok"})
        (os.rmdir if kind_of(path) == stat.S_IFDIR else os.unlink)(path)
    make(path, "regular")
    for name, call in USING.items():
        if not name.startswith("rename"):
            assert (name, _tried({name: call}, path, beside)) == (name, {name: "ok"})
    assert _tried(ALL, path + "x", beside) == dict.fromkeys(ALL, "ENAMETOOLONG")


def test_a_tree_deeper_than_any_path_is_walked_and_removed(place: Path) -> None:
    with inside(place):
        for _ in range(60):
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
        make("deep", "regular")
        with open("deep", "w") as file:
            file.write("below 12,000 bytes of path")
        assert Path("deep").read_text() == "below 12,000 bytes of path"
        os.rename("deep", "deeper")
        os.unlink("deeper")
        for _ in range(60):
            os.chdir("..")
            os.rmdir("d" * 200)
    assert os.listdir(place) == []


def test_a_ring_of_links_is_eloop(place: Path, beside: Path) -> None:
    os.symlink("b", place / "a")
    os.symlink("a", place / "b")
    assert _tried(ALL, place / "a" / "name", beside) == dict.fromkeys(ALL, "ELOOP")
    following = {
        n: c for n, c in USING.items() if n in ("chmod", "chown", "truncate", "open", "stat", "utime")
    }
    assert _tried(following, place / "a", beside) == dict.fromkeys(following, "ELOOP")
    assert outcome(os.open, place / "a", os.O_RDONLY | os.O_NOFOLLOW) == "ELOOP"
    os.symlink("c", place / "c")
    assert outcome(os.stat, place / "c") == "ELOOP"


def test_links_on_the_way_are_followed_and_at_the_end_by_those_who_follow(place: Path) -> None:
    (place / "real").mkdir()
    make(place / "real" / "file", "regular")
    os.symlink("real", place / "way")
    os.symlink("real/file", place / "end")
    os.chmod(place / "way" / "file", 0o600)
    os.truncate(place / "end", 5)
    assert os.stat(place / "real" / "file").st_size == 5
    assert os.lstat(place / "end").st_size == len("real/file")
    os.unlink(place / "end")
    assert outcome(os.stat, place / "real" / "file") == "ok"


@pytest.mark.parametrize("bits", [0o600, 0o000])
def test_without_search_permission_on_the_way_all_is_eacces(place: Path, beside: Path, bits: int) -> None:
    (place / "closed").mkdir()
    make(place / "closed" / "name", "regular", 0o666)
    (place / "closed" / "folder").mkdir(0o777)
    os.chown(place / "closed", USER, USER)
    os.chmod(place / "closed", bits)
    beside.chmod(0o777)
    found = {}
    for name, call in ALL.items():
        target = "folder" if name in FOLDER else "new" if name in MAKING else "name"
        for old in beside.iterdir():
            old.unlink()
        make(beside / "file", "regular", 0o666)
        os.chown(beside / "file", USER, USER)
        with user(USER):
            found[name] = outcome(call, str(place / "closed" / target))
    assert found == dict.fromkeys(ALL, "EACCES")


def test_without_write_permission_on_the_folder_names_stay_as_they_are(place: Path, beside: Path) -> None:
    shut = place / "shut"
    shut.mkdir()
    make(shut / "name", "regular", 0o666)
    (shut / "folder").mkdir(0o777)
    os.chown(shut, USER, USER)
    os.chown(shut / "name", USER, USER)
    os.chmod(shut, 0o555)
    calls = {
        **{name: (call, "new") for name, call in MAKING.items()},
        "unlink": (os.unlink, "name"),
        "rmdir": (os.rmdir, "folder"),
        "rename from": (USING["rename from"], "name"),
    }
    found = {}
    for name, (call, target) in calls.items():
        for old in beside.iterdir():
            old.unlink()
        make(beside / "file", "regular", 0o666)
        os.chown(beside / "file", USER, USER)
        with user(USER):
            found[name] = outcome(call, str(shut / target))
    assert found == dict.fromkeys(calls, "EACCES")
    with user(USER):
        assert outcome(USING["link from"], str(shut / "name")) == "ok"
        assert outcome(USING["chmod"], str(shut / "name")) == "ok"


def test_what_is_there_is_eexist_for_all_that_make(place: Path) -> None:
    makers = {n: c for n, c in MAKING.items() if n in ("mkdir", "mkfifo", "mknod", "symlink")}
    for kind in ("regular", "folder", "fifo", "block", "char", "socket", "link"):
        path = place / kind
        make(path, kind)
        make(place / f"{kind}.other", "regular")
        before = os.lstat(path)
        for call in makers.values():
            assert outcome(call, str(path)) == "EEXIST"
        assert outcome(os.link, place / f"{kind}.other", path) == "EEXIST"
        assert outcome(os.open, path, os.O_CREAT | os.O_EXCL | os.O_WRONLY) == "EEXIST"
        assert os.lstat(path) == before


def test_slashes_and_dots_at_the_end(place: Path) -> None:
    (place / "d").mkdir()
    make(place / "f", "regular")
    assert outcome(os.rmdir, f"{place}/d/.") == "EINVAL"
    assert outcome(os.rmdir, f"{place}/d/..") == "ENOTEMPTY"
    assert outcome(os.stat, f"{place}/f/") == "ENOTDIR"
    assert outcome(os.unlink, f"{place}/f/") == "ENOTDIR"
    assert outcome(os.open, f"{place}/n/", os.O_CREAT | os.O_WRONLY) == "EISDIR"
    assert outcome(os.mkdir, f"{place}/n/") == "ok"
    assert outcome(os.rename, f"{place}/d/", f"{place}/e/") == "ok"
    assert outcome(os.rmdir, f"{place}/e//") == "ok"
