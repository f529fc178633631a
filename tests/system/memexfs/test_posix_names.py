"""POSIX: making, linking, removing and renaming; and which times change by it.

Each case holds on the raw disk too, which is its oracle.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.memex_posix import KINDS, inside, kind_of, make, mode, moved, names, outcome

PLAIN = tuple(kind for kind in KINDS if kind != "folder")
NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4


def rename2(old: Path, new: Path, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(-100, os.fsencode(old), -100, os.fsencode(new), flags) < 0:
        raise OSError(ctypes.get_errno(), "renameat2")


# making


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_name_is_there_and_its_folder_has_changed(place: Path, kind: str) -> None:
    path = place / "x"
    assert moved(place, lambda: make(path, kind)) >= {"mtime", "ctime"}
    assert names(place) == ["x"]
    assert (
        kind_of(path)
        == {
            "regular": stat.S_IFREG,
            "folder": stat.S_IFDIR,
            "fifo": stat.S_IFIFO,
            "block": stat.S_IFBLK,
            "char": stat.S_IFCHR,
            "socket": stat.S_IFSOCK,
            "link": stat.S_IFLNK,
        }[kind]
    )
    st = os.lstat(path)
    assert st.st_nlink == (2 if kind == "folder" else 1)
    parent = os.stat(place)
    assert min(st.st_atime_ns, st.st_mtime_ns) >= parent.st_mtime_ns - 50_000_000


@pytest.mark.parametrize("kind", KINDS)
def test_a_failed_making_changes_no_time(place: Path, kind: str) -> None:
    make(place / "x", "regular")
    assert moved(place, lambda: outcome(make, place / "x", kind)) == set()


def test_a_folders_links_count_its_folders(place: Path) -> None:
    base = os.stat(place).st_nlink
    for n in range(3):
        (place / f"{n}").mkdir()
        assert os.stat(place).st_nlink == base + n + 1
    os.rename(place / "0", place / "1" / "0")
    assert (os.stat(place).st_nlink, os.stat(place / "1").st_nlink) == (base + 2, 3)
    os.rmdir(place / "2")
    assert os.stat(place).st_nlink == base + 1


def test_a_link_holds_any_text_up_to_4095_bytes(place: Path) -> None:
    for target in ("x", "../..", "/", "a//b/", "t" * 1023, "t" * 4095, "ünïcode", "with\nnewline"):
        path = place / "link"
        os.symlink(target, path)
        assert os.readlink(path) == target
        assert os.lstat(path).st_size == len(os.fsencode(target))
        os.unlink(path)
    assert outcome(os.symlink, "t" * 4096, place / "link") == "ENAMETOOLONG"
    assert outcome(os.symlink, "", place / "link") == "ENOENT"
    make(place / "x", "regular")
    assert outcome(os.readlink, place / "x") == "EINVAL"
    assert outcome(os.readlink, place) == "EINVAL"


# links


@pytest.mark.parametrize("kind", PLAIN)
def test_a_further_name_is_the_same_file(place: Path, kind: str) -> None:
    one, two, three = place / "one", place / "two", place / "sub" / "three"
    (place / "sub").mkdir()
    make(one, kind)
    assert moved(one, lambda: os.link(one, two, follow_symlinks=False)) >= {"ctime"}
    assert moved(place / "sub", lambda: os.link(two, three, follow_symlinks=False)) >= {"mtime", "ctime"}
    found = [os.lstat(p) for p in (one, two, three)]
    assert found[0] == found[1] == found[2]
    assert found[0].st_nlink == 3
    if kind != "link":
        os.chmod(two, 0o201)
        os.chown(three, 65533, 65534)
        assert [(mode(p), os.lstat(p).st_uid) for p in (one, two, three)] == [(0o201, 65533)] * 3
    assert moved(three, lambda: os.unlink(one)) == {"ctime"}
    assert [os.lstat(p).st_nlink for p in (two, three)] == [2, 2]
    os.unlink(two)
    assert os.lstat(three).st_nlink == 1
    assert outcome(os.lstat, one) == outcome(os.lstat, two) == "ENOENT"


def test_bytes_written_under_one_name_are_read_under_the_other(place: Path) -> None:
    (place / "one").write_bytes(b"first")
    os.link(place / "one", place / "two")
    with open(place / "one", "ab") as file:
        file.write(b" and more")
    assert (place / "two").read_bytes() == b"first and more"
    assert os.stat(place / "two").st_size == 14
    os.truncate(place / "two", 2)
    assert (place / "one").read_bytes() == b"fi"


def test_a_folder_gets_no_further_name(place: Path) -> None:
    (place / "d").mkdir()
    assert outcome(os.link, place / "d", place / "e") == "EPERM"
    assert outcome(os.link, place / "missing", place / "e") == "ENOENT"


def test_a_file_without_a_name_gets_none_again(place: Path) -> None:
    fd = os.open(place / "x", os.O_CREAT | os.O_RDWR)
    os.unlink(place / "x")
    folder = os.open(place, os.O_RDONLY)
    assert outcome(os.link, f"/proc/self/fd/{fd}", "y", dst_dir_fd=folder) == "ENOENT"
    os.close(folder)
    os.close(fd)
    assert names(place) == []


def test_many_names_of_one_file(place: Path) -> None:
    make(place / "x", "regular")
    for n in range(300):
        os.link(place / "x", place / f"n{n}")
    assert os.stat(place / "n7").st_nlink == 301
    for n in range(300):
        os.rename(place / f"n{n}", place / f"m{n}")
    os.unlink(place / "x")
    assert {os.stat(place / f"m{n}").st_nlink for n in range(300)} == {300}


# removing


@pytest.mark.parametrize("kind", PLAIN)
def test_unlink_takes_the_name_and_only_files(place: Path, kind: str) -> None:
    make(place / "x", kind)
    assert outcome(os.rmdir, place / "x") == "ENOTDIR"
    assert moved(place, lambda: os.unlink(place / "x")) >= {"mtime", "ctime"}
    assert outcome(os.lstat, place / "x") == outcome(os.unlink, place / "x") == "ENOENT"


def test_rmdir_takes_empty_folders_only(place: Path) -> None:
    (place / "d").mkdir()
    assert outcome(os.unlink, place / "d") == "EISDIR"
    for kind in KINDS:
        make(place / "d" / "x", kind)
        assert outcome(os.rmdir, place / "d") == "ENOTEMPTY"
        (os.rmdir if kind == "folder" else os.unlink)(place / "d" / "x")
    assert moved(place, lambda: os.rmdir(place / "d")) >= {"mtime", "ctime"}
    assert outcome(os.lstat, place / "d") == outcome(os.rmdir, place / "d") == "ENOENT"


def test_a_failed_removal_changes_no_time(place: Path) -> None:
    (place / "d").mkdir()
    make(place / "d" / "x", "regular")
    assert moved(place, lambda: outcome(os.rmdir, place / "d")) == set()
    assert moved(place / "d" / "x", lambda: outcome(os.rmdir, place / "d" / "x")) == set()


def test_an_open_file_without_a_name_goes_on(place: Path) -> None:
    fd = os.open(place / "x", os.O_CREAT | os.O_RDWR, 0o600)
    os.write(fd, b"still")
    assert os.fstat(fd).st_nlink == 1
    os.unlink(place / "x")
    assert os.fstat(fd).st_nlink == 0
    assert names(place) == []
    os.write(fd, b" here")
    assert os.pread(fd, 99, 0) == b"still here"
    os.ftruncate(fd, 3)
    assert (os.pread(fd, 99, 0), os.fstat(fd).st_size) == (b"sti", 3)
    os.utime(fd, (1, 2))
    assert (os.fstat(fd).st_atime, os.fstat(fd).st_mtime) == (1, 2)
    make(place / "x", "regular")
    assert os.fstat(fd).st_ino != os.stat(place / "x").st_ino
    os.close(fd)


def test_a_removed_working_folder_is_empty(place: Path) -> None:
    (place / "d").mkdir()
    with inside(place / "d"):
        os.rmdir(place / "d")
        assert os.listdir(".") == []
        assert outcome(os.open, "x", os.O_CREAT | os.O_WRONLY) == "ENOENT"
        assert outcome(os.mkdir, "x") == "ENOENT"


# renaming


@pytest.mark.parametrize("kind", KINDS)
def test_a_renamed_file_is_the_same_file(place: Path, kind: str) -> None:
    (place / "sub").mkdir()
    make(place / "a", kind)
    before = os.lstat(place / "a")
    assert moved(place, lambda: os.rename(place / "a", place / "b")) >= {"mtime", "ctime"}
    assert moved(place / "sub", lambda: os.rename(place / "b", place / "sub" / "c")) >= {"mtime", "ctime"}
    after = os.lstat(place / "sub" / "c")
    assert (before.st_ino, before.st_mode, before.st_nlink, before.st_mtime_ns) == (
        *(after.st_ino, after.st_mode, after.st_nlink, after.st_mtime_ns),
    )
    assert names(place) == ["sub"]
    os.rename(place / "sub" / "c", place / "a")
    assert (names(place), names(place / "sub")) == (["a", "sub"], [])


@pytest.mark.parametrize(("old", "new"), list(itertools.product(PLAIN, PLAIN)))
def test_a_file_replaces_a_file_of_any_kind(place: Path, old: str, new: str) -> None:
    make(place / "old", old)
    make(place / "new", new)
    inode = os.lstat(place / "old").st_ino
    os.rename(place / "old", place / "new")
    assert (names(place), os.lstat(place / "new").st_ino) == (["new"], inode)


@pytest.mark.parametrize("kind", PLAIN)
def test_folders_and_files_do_not_replace_each_other(place: Path, kind: str) -> None:
    make(place / "file", kind)
    (place / "folder").mkdir()
    assert outcome(os.rename, place / "file", place / "folder") == "EISDIR"
    assert outcome(os.rename, place / "folder", place / "file") == "ENOTDIR"
    assert names(place) == ["file", "folder"]


def test_a_folder_replaces_an_empty_folder(place: Path) -> None:
    for name in ("a", "b", "c"):
        (place / name).mkdir()
    make(place / "a" / "x", "regular")
    make(place / "c" / "y", "regular")
    assert outcome(os.rename, place / "a", place / "c") in ("ENOTEMPTY", "EEXIST")
    inode = os.stat(place / "a").st_ino
    os.rename(place / "a", place / "b")
    assert (names(place), names(place / "b"), os.stat(place / "b").st_ino) == (["b", "c"], ["x"], inode)


def test_a_folder_does_not_go_into_itself(place: Path) -> None:
    (place / "a" / "b" / "c").mkdir(parents=True)
    for below in ("a/x", "a/b/x", "a/b/c/x", "a/b/c", "a/b"):
        assert outcome(os.rename, place / "a", place / below) == "EINVAL", below
    assert outcome(os.rename, place / "a" / "b", place / "a") in ("ENOTEMPTY", "EEXIST")
    assert outcome(os.rename, f"{place}/a/.", place / "x") in ("EBUSY", "EINVAL")


def test_two_names_of_one_file_both_stay(place: Path) -> None:
    (place / "a").write_bytes(b"kept")
    os.link(place / "a", place / "b")
    os.rename(place / "a", place / "b")
    os.rename(place / "a", place / "a")
    assert (names(place), (place / "b").read_bytes(), os.stat(place / "a").st_nlink) == (
        ["a", "b"],
        b"kept",
        2,
    )


def test_what_was_replaced_loses_a_link(place: Path) -> None:
    (place / "a").write_bytes(b"new")
    (place / "b").write_bytes(b"old")
    os.link(place / "b", place / "b2")
    with open(place / "b", "rb") as held:
        assert moved(place / "b2", lambda: os.rename(place / "a", place / "b")) == {"ctime"}
        assert (os.fstat(held.fileno()).st_nlink, os.stat(place / "b2").st_nlink) == (1, 1)
        os.rename(place / "b", place / "b2")
        assert os.fstat(held.fileno()).st_nlink == 0
        assert held.read() == b"old"
    assert (place / "b2").read_bytes() == b"new"


def test_a_renamed_folder_keeps_what_is_open_in_it(place: Path) -> None:
    (place / "a" / "b").mkdir(parents=True)
    with open(place / "a" / "b" / "x", "w+") as file, inside(place / "a" / "b"):
        os.rename(place / "a", place / "z")
        file.write("text")
        file.flush()
        assert Path("x").read_text() == "text"
        assert os.getcwd() == str(place / "z" / "b")
        Path("y").write_text("beside")
    assert (place / "z" / "b" / "y").read_text() == "beside"


def test_noreplace_and_exchange(place: Path) -> None:
    (place / "a").write_bytes(b"a")
    (place / "d").mkdir()
    (place / "d" / "inner").write_bytes(b"inner")
    assert outcome(rename2, place / "a", place / "d", NOREPLACE) == "EEXIST"
    assert outcome(rename2, place / "a", place / "a", NOREPLACE) == "EEXIST"
    rename2(place / "a", place / "b", NOREPLACE)
    inodes = os.stat(place / "b").st_ino, os.stat(place / "d").st_ino
    rename2(place / "b", place / "d", EXCHANGE)
    assert (os.stat(place / "d").st_ino, os.stat(place / "b").st_ino) == inodes
    assert ((place / "d").read_bytes(), (place / "b" / "inner").read_bytes()) == (b"a", b"inner")
    assert outcome(rename2, place / "b", place / "missing", EXCHANGE) == "ENOENT"
    assert outcome(rename2, place / "b", place / "d", NOREPLACE | EXCHANGE) == "EINVAL"
    (place / "sub").mkdir()
    (place / "sub" / "x").write_bytes(b"x")
    rename2(place / "sub" / "x", place / "b", EXCHANGE)
    assert ((place / "b").read_bytes(), names(place / "sub" / "x")) == (b"x", ["inner"])


def test_a_failed_rename_changes_no_time(place: Path) -> None:
    (place / "d").mkdir()
    make(place / "x", "regular")
    failing: Callable[[], str] = lambda: outcome(os.rename, place / "x", place / "d")  # noqa: E731
    for path in (place, place / "x", place / "d"):
        assert moved(path, failing) == set()


# listing


def test_every_name_is_listed_once_whatever_happens_meanwhile(place: Path) -> None:
    wanted = {f"file{n:04}" + "x" * (n % 90) for n in range(1500)}
    for name in wanted:
        make(place / name, "regular")
    seen: list[str] = []
    with os.scandir(place) as found:
        for count, entry in enumerate(found):
            seen.append(entry.name)
            assert entry.is_file(follow_symlinks=False)
            assert entry.inode() == os.lstat(entry).st_ino
            os.unlink(entry)
            if count % 100 == 0:
                make(place / f"later{count}", "regular")
    assert {n for n in seen if n.startswith("file")} == wanted
    assert len(seen) == len(set(seen))
    assert all(n.startswith("later") for n in names(place))


def test_a_folder_lists_itself_and_its_parent(place: Path) -> None:
    (place / "d").mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.opendir.restype = libc.readdir.restype = ctypes.c_void_p
    libc.readdir.argtypes = libc.rewinddir.argtypes = libc.closedir.argtypes = (ctypes.c_void_p,)
    stream = libc.opendir(os.fsencode(place / "d"))

    def listed() -> dict[bytes, int]:
        found = {}
        while entry := libc.readdir(stream):
            inode = ctypes.c_uint64.from_address(entry).value
            found[ctypes.string_at(entry + 19)] = inode
        return found

    before = listed()
    make(place / "d" / "new", "regular")
    libc.rewinddir(stream)
    after = listed()
    libc.closedir(stream)
    assert before == {b".": os.stat(place / "d").st_ino, b"..": os.stat(place).st_ino}
    assert after == {**before, b"new": os.stat(place / "d" / "new").st_ino}


def test_a_socket_and_a_fifo_in_the_tree_carry_bytes(place: Path) -> None:
    with inside(place), socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind("sock")
        server.listen()
        client.connect("sock")
        accepted, _ = server.accept()
        with accepted:
            client.sendall(b"through")
            assert accepted.recv(10) == b"through"
    os.mkfifo(place / "fifo")
    reader = os.open(place / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(place / "fifo", os.O_WRONLY)
    os.write(writer, b"piped")
    assert os.read(reader, 10) == b"piped"
    os.close(reader)
    os.close(writer)
