"""POSIX: modes and owners: who may change them, what they allow, which bits go. The disk is the oracle."""

from __future__ import annotations

import itertools
import os
import stat
from functools import partial
from pathlib import Path

import pytest

from tests.memex_posix import (
    KINDS,
    OTHER,
    THIRD,
    USER,
    kind_of,
    make,
    mode,
    moved,
    outcome,
    owner,
    user,
)

FOLLOWED = tuple(kind for kind in KINDS if kind != "link")


# chmod


@pytest.mark.parametrize("kind", FOLLOWED)
def test_chmod_sets_every_bit_and_the_time_of_change(place: Path, kind: str) -> None:
    path = place / "x"
    make(path, kind)
    for bits in (0o111, 0o000, 0o777, 0o1755, 0o2755, 0o4755, 0o7777, 0o644):
        assert moved(path, partial(os.chmod, path, bits)) == {"ctime"}
        assert mode(path) == bits
    os.symlink("x", place / "way")
    os.chmod(place / "way", 0o321)
    assert (mode(path), mode(place / "way")) == (0o321, 0o777)


@pytest.mark.parametrize("kind", FOLLOWED)
def test_only_the_owner_and_root_may_chmod(place: Path, kind: str) -> None:
    path = place / "x"
    make(path, kind)
    os.chown(path, USER, USER)
    with user(USER):
        assert outcome(os.chmod, path, 0o640) == "ok"
    for uid in (OTHER, THIRD):
        with user(uid, USER):
            assert moved(path, lambda: outcome(os.chmod, path, 0o777)) == set()
            assert outcome(os.chmod, path, 0o777) == "EPERM"
    assert mode(path) == 0o640


def test_fchmod_is_chmod(place: Path) -> None:
    make(place / "x", "regular")
    fd = os.open(place / "x", os.O_RDONLY)
    assert moved(fd, lambda: os.fchmod(fd, 0o4711)) == {"ctime"}
    assert mode(place / "x") == 0o4711
    os.unlink(place / "x")
    os.fchmod(fd, 0o600)
    assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o600
    os.close(fd)


def test_sgid_is_cleared_when_the_owner_is_not_of_the_group(place: Path) -> None:
    path = place / "x"
    make(path, "regular", 0o755)
    os.chown(path, USER, OTHER)
    with user(USER, USER):
        os.chmod(path, 0o2755)
    assert mode(path) == 0o755
    with user(USER, USER, OTHER):
        os.chmod(path, 0o2755)
    assert mode(path) == 0o2755


def test_an_ordinary_user_may_set_the_sticky_bit_of_a_file_or_gets_it_not(place: Path) -> None:
    make(place / "x", "regular")
    make(place / "d", "folder")
    for name in ("x", "d"):
        os.chown(place / name, USER, USER)
        with user(USER):
            assert outcome(os.chmod, place / name, 0o1644) == "ok"
        assert mode(place / name) == 0o1644


@pytest.mark.parametrize("bits", [0o4777, 0o2777, 0o6777])
def test_a_write_of_an_ordinary_user_clears_the_set_id_bits(place: Path, bits: int) -> None:
    for writer in (USER, OTHER):
        path = place / f"{bits:o}{writer}"
        make(path, "regular", bits)
        os.chown(path, USER, USER)
        os.chmod(path, bits)
        assert mode(path) == bits
        with user(writer):
            fd = os.open(path, os.O_WRONLY)
            os.write(fd, b"x")
            assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o777
            os.close(fd)
        assert mode(path) == 0o777


@pytest.mark.parametrize("how", ["truncate", "ftruncate", "O_TRUNC"])
def test_cutting_by_an_ordinary_user_clears_the_set_id_bits(place: Path, how: str) -> None:
    path = place / "x"
    make(path, "regular")
    path.write_bytes(b"abc")
    os.chown(path, USER, USER)
    os.chmod(path, 0o6777)
    with user(OTHER):
        if how == "truncate":
            os.truncate(path, 1)
        elif how == "ftruncate":
            fd = os.open(path, os.O_RDWR)
            os.ftruncate(fd, 1)
            os.close(fd)
        else:
            os.close(os.open(path, os.O_WRONLY | os.O_TRUNC))
    assert mode(path) == 0o777


def test_a_write_of_root_leaves_them(place: Path) -> None:
    make(place / "x", "regular", 0o6755)
    (place / "x").write_bytes(b"x")
    assert mode(place / "x") == 0o6755


# chown


@pytest.mark.parametrize("kind", KINDS)
def test_root_gives_anything_to_anybody(place: Path, kind: str) -> None:
    path = place / "x"
    make(path, kind)
    assert moved(path, lambda: os.lchown(path, USER, OTHER)) == {"ctime"}
    assert owner(path) == (USER, OTHER)
    os.lchown(path, -1, THIRD)
    assert owner(path) == (USER, THIRD)
    os.lchown(path, OTHER, -1)
    assert owner(path) == (OTHER, THIRD)
    if kind != "link":
        os.symlink("x", place / "way")
        os.chown(place / "way", 0, 0)
        assert (owner(path), owner(place / "way")) == ((0, 0), (0, 0))
        os.lchown(place / "way", USER, USER)
        assert (owner(path), owner(place / "way")) == ((0, 0), (USER, USER))


@pytest.mark.parametrize("kind", FOLLOWED)
def test_the_owner_may_give_it_to_a_group_of_his_own(place: Path, kind: str) -> None:
    path = place / "x"
    make(path, kind)
    os.chown(path, USER, USER)
    with user(USER, USER, OTHER):
        assert moved(path, lambda: os.chown(path, -1, OTHER)) == {"ctime"}
        assert owner(path) == (USER, OTHER)
        os.chown(path, USER, USER)
        assert owner(path) == (USER, USER)
        assert outcome(os.chown, path, OTHER, -1) == "EPERM"
        assert outcome(os.chown, path, -1, THIRD) == "EPERM"
        assert moved(path, lambda: outcome(os.chown, path, OTHER, OTHER)) == set()
    with user(OTHER, OTHER, USER):
        assert outcome(os.chown, path, OTHER, -1) == "EPERM"
        assert outcome(os.chown, path, -1, OTHER) == "EPERM"
        assert outcome(os.chown, path, USER, USER) == "EPERM"
    assert owner(path) == (USER, USER)


@pytest.mark.parametrize(
    ("bits", "left"), [(0o6555, 0o555), (0o4555, 0o555), (0o2555, 0o555), (0o6544, 0o2544), (0o2464, 0o2464)]
)
def test_chown_clears_the_set_id_bits_of_a_file(place: Path, bits: int, left: int) -> None:
    for caller in (0, USER):
        path = place / f"by{caller}"
        make(path, "regular")
        os.chown(path, USER, USER)
        os.chmod(path, bits)
        if caller:
            with user(USER, USER, OTHER):
                os.chown(path, -1, OTHER)
            # An ordinary user who is not privileged loses the group's bit where the group may run it; where
            # it may not, the bit means locking and stays for members of the group.
            assert mode(path) & ~stat.S_ISGID == left & ~stat.S_ISGID
        else:
            os.chown(path, OTHER, OTHER)
            assert mode(path) == left


def test_chown_leaves_those_of_a_folder(place: Path) -> None:
    make(place / "d", "folder", 0o6755)
    os.chown(place / "d", OTHER, OTHER)
    assert mode(place / "d") == 0o6755


def test_fchown_works_without_a_name(place: Path) -> None:
    make(place / "x", "regular")
    fd = os.open(place / "x", os.O_RDWR)
    os.unlink(place / "x")
    os.fchown(fd, USER, OTHER)
    assert (os.fstat(fd).st_uid, os.fstat(fd).st_gid) == (USER, OTHER)
    os.close(fd)


# what is made belongs to whoever makes it


def _by(place: Path, name: str, kind: str, bits: int) -> Path:
    path = place / name
    match kind:
        case "regular":
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, bits))
        case "folder":
            os.mkdir(path, bits)
        case "fifo":
            os.mkfifo(path, bits)
        case "link":
            os.symlink("x", path)
        case "node":
            os.mknod(path, stat.S_IFREG | bits)
    return path


@pytest.mark.parametrize("kind", ["regular", "folder", "fifo", "link", "node"])
def test_who_makes_it_owns_it(place: Path, kind: str) -> None:
    os.chmod(place, 0o777)
    with user(USER, OTHER):
        path = _by(place, "x", kind, 0o755)
    assert owner(path) == (USER, OTHER)
    os.chown(place, THIRD, THIRD)
    os.chmod(place, 0o2777)
    with user(USER, OTHER):
        path = _by(place, "y", kind, 0o755)
    assert owner(path) == (USER, THIRD)
    assert mode(path) == (0o777 if kind == "link" else 0o2755 if kind == "folder" else 0o755)


@pytest.mark.parametrize("kind", ["regular", "folder", "fifo", "node"])
@pytest.mark.parametrize("bits", [0o755, 0o151, 0o345, 0o000, 0o777])
def test_the_mode_is_what_was_asked_for_without_the_mask(place: Path, kind: str, bits: int) -> None:
    assert mode(_by(place, "x", kind, bits)) == bits
    for mask in (0o077, 0o070, 0o501, 0o777, 0o022):
        os.umask(mask)
        path = _by(place, f"{mask:o}", kind, bits)
        os.umask(0)
        assert mode(path) == bits & ~mask


def test_set_id_bits_at_creation(place: Path) -> None:
    os.chmod(place, 0o777)
    with user(USER):
        assert mode(_by(place, "a", "regular", 0o4755)) == 0o4755
        assert mode(_by(place, "b", "regular", 0o2755)) == 0o2755
        assert mode(_by(place, "c", "regular", 0o1755)) == 0o1755
    os.chown(place, 0, THIRD)
    os.chmod(place, 0o2777)
    with user(USER, USER):
        assert mode(_by(place, "d", "regular", 0o2755)) == 0o755  # of a group that is not his
    assert mode(_by(place, "e", "regular", 0o2755)) == 0o2755


# what modes allow


@pytest.mark.parametrize("who", ["owner", "group", "other"])
def test_a_file_opens_as_its_mode_allows(place: Path, who: str) -> None:
    path = place / "x"
    make(path, "regular")
    os.chown(path, USER, OTHER)
    uid, gid, shift = {"owner": (USER, USER, 6), "group": (THIRD, OTHER, 3), "other": (THIRD, THIRD, 0)}[who]
    ways = {"r": os.O_RDONLY, "w": os.O_WRONLY, "rw": os.O_RDWR, "t": os.O_RDONLY | os.O_TRUNC}
    for bits in range(8):
        os.chmod(path, bits << shift)
        with user(uid, gid):
            found = {way: outcome(os.open, path, flags) for way, flags in ways.items()}
        read, write = bool(bits & 4), bool(bits & 2)
        allowed = {"r": read, "w": write, "rw": read and write, "t": read and write}
        assert found == {way: "ok" if may else "EACCES" for way, may in allowed.items()}, f"{bits:o}"


@pytest.mark.parametrize("who", ["owner", "group", "other", "supplementary"])
def test_a_folder_opens_and_is_searched_as_its_mode_allows(place: Path, who: str) -> None:
    folder = place / "d"
    folder.mkdir()
    make(folder / "x", "regular")
    os.chown(folder, USER, OTHER)
    uid, gid, more, shift = {
        "owner": (USER, USER, (), 6),
        "group": (THIRD, OTHER, (), 3),
        "supplementary": (THIRD, THIRD, (OTHER,), 3),
        "other": (THIRD, THIRD, (), 0),
    }[who]
    for bits in range(8):
        os.chmod(folder, bits << shift)
        with user(uid, gid, *more):
            found = (
                outcome(os.listdir, folder),
                outcome(os.stat, folder / "x"),
                outcome(os.mkdir, folder / "new"),
                outcome(os.rmdir, folder / "new"),
            )
        read, write, search = bits & 4, bits & 2, bits & 1
        made = "ok" if write and search else "EACCES"
        assert found == (
            "ok" if read else "EACCES",
            "ok" if search else "EACCES",
            made,
            made if made == "ok" or not search else ("ENOENT" if found[3] == "ENOENT" else "EACCES"),
        ), f"{bits:o}"


def test_truncate_needs_write_permission(place: Path) -> None:
    make(place / "x", "regular")
    os.chown(place / "x", USER, USER)
    for bits, who, wanted in ((0o644, OTHER, "EACCES"), (0o444, USER, "EACCES"), (0o606, OTHER, "ok")):
        os.chmod(place / "x", bits)
        with user(who):
            assert outcome(os.truncate, place / "x", 9) == wanted
    os.chmod(place / "x", 0o200)
    with user(USER):
        assert outcome(os.truncate, place / "x", 0) == "ok"


def test_only_root_makes_devices(place: Path) -> None:
    os.chmod(place, 0o777)
    for kind in (stat.S_IFBLK, stat.S_IFCHR):
        with user(USER):
            assert outcome(os.mknod, place / "x", kind | 0o600, os.makedev(1, 2)) == "EPERM"
        for number in (os.makedev(1, 2), os.makedev(255, 65535), os.makedev(4095, 1048575)):
            os.mknod(place / "x", kind | 0o600, number)
            assert (kind_of(place / "x"), os.lstat(place / "x").st_rdev) == (kind, number)
            os.unlink(place / "x")
    with user(USER):
        assert outcome(os.mkfifo, place / "fifo", 0o600) == "ok"
        make(place / "socket", "socket")


# the sticky bit


@pytest.mark.parametrize("kind", ["regular", "folder", "link", "fifo"])
@pytest.mark.parametrize(
    ("of_folder", "of_file"), list(itertools.product((USER, OTHER, THIRD), (USER, OTHER, THIRD)))
)
def test_in_a_sticky_folder_only_owners_remove_and_rename(
    place: Path, kind: str, of_folder: int, of_file: int
) -> None:
    shared, beside = place / "shared", place / "beside"
    for folder in (shared, beside):
        folder.mkdir()
        os.chmod(folder, 0o777)
    os.chown(shared, of_folder, of_folder)
    os.chmod(shared, 0o1777)
    may = USER in (of_folder, of_file)
    wanted = "ok" if may else "EPERM"
    remove = os.rmdir if kind == "folder" else os.unlink

    def fresh(name: str) -> Path:
        path = shared / name
        if not os.path.lexists(path):
            make(path, kind, 0o777)
            os.lchown(path, of_file, of_file)
        return path

    # A folder that is given another parent changes its `..`, so it has to be one's own to write to.
    away = wanted if kind != "folder" or of_file == USER else ("ok" if may else "EPERM")
    for path in (fresh("a"),):
        with user(USER):
            assert outcome(remove, path) == wanted
    path = fresh("b")
    with user(USER):
        assert outcome(os.rename, path, shared / "b2") == wanted
    path = fresh("c")
    with user(USER):
        assert outcome(os.rename, path, beside / "c") == away
    path = fresh("d")
    with user(USER):  # replaced
        make(beside / "d", kind, 0o777)
        assert outcome(os.rename, beside / "d", path) == wanted


def test_renaming_a_folder_to_another_needs_to_write_to_it(place: Path) -> None:
    os.chmod(place, 0o777)
    for name in ("one", "two"):
        (place / name).mkdir()
        os.chmod(place / name, 0o777)
    make(place / "one" / "d", "folder", 0o755)
    with user(USER):
        assert outcome(os.rename, place / "one" / "d", place / "one" / "e") == "ok"
        assert outcome(os.rename, place / "one" / "e", place / "two" / "d") == "EACCES"
    os.chown(place / "one" / "e", USER, USER)
    with user(USER):
        assert outcome(os.rename, place / "one" / "e", place / "two" / "d") == "ok"
