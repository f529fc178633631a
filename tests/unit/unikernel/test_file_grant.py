"""What a guest may read, and what it may not though it tries."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus.core.errors import NotFoundError
from nexus.unikernel import abi
from nexus.unikernel.abi import Errno
from nexus.unikernel.file_grant import Files

ROOM = abi.PAYLOAD_MAX
SECRET = b"a secret"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """granted/ (a folder with everything in it) beside secret.txt, which is not granted."""
    (tmp_path / "secret.txt").write_bytes(SECRET)
    granted = tmp_path / "granted"
    (granted / "inner").mkdir(parents=True)
    (granted / "a.txt").write_bytes(b"hello")
    (granted / "inner" / "b.txt").write_bytes(b"inner")
    (granted / "inside").symlink_to("inner/b.txt")
    (granted / "up_and_in").symlink_to("inner/../a.txt")
    (granted / "out").symlink_to("../secret.txt")
    (granted / "out_absolute").symlink_to(tmp_path / "secret.txt")
    (granted / "out_folder").symlink_to("..")
    (granted / "circle").symlink_to("circle")
    (granted / "proc").symlink_to("/proc/self/root")
    os.mkfifo(granted / "pipe")
    return granted


@pytest.fixture
def files(tree: Path) -> Files:
    return Files([tree])


def read(files: Files, path: Path | str, offset: int = 0, most: int = ROOM) -> tuple[int, bytes]:
    return files.read(os.fsencode(path), offset, most)


def test_files_below_are_read_in_pieces(files: Files, tree: Path):
    assert read(files, tree / "a.txt") == (5, b"hello")
    assert read(files, tree / "a.txt", 1, 3) == (3, b"ell")
    assert read(files, tree / "a.txt", 5) == (0, b"")
    assert read(files, tree / "a.txt", 2**62) == (0, b"")
    assert read(files, tree / "inner" / "b.txt") == (5, b"inner")


@pytest.mark.parametrize("name", ["inside", "up_and_in", "inner/../a.txt", "./inner//./b.txt"])
def test_links_and_dots_that_stay_inside_are_followed(files: Files, tree: Path, name: str):
    assert read(files, f"{tree}/{name}")[0] == 5


@pytest.mark.parametrize(
    "name",
    [
        "out",
        "out_absolute",
        "out_folder/secret.txt",
        "../secret.txt",
        "inner/../../secret.txt",
        "circle",
        "proc/etc/passwd",
        "pipe",
    ],
)
def test_what_leads_out_or_is_no_file_is_refused(files: Files, tree: Path, name: str):
    assert read(files, f"{tree}/{name}") == (-Errno.EPERM, b"")
    assert files.stat(f"{tree}/{name}".encode()) == (-Errno.EPERM, b"")


@pytest.mark.parametrize("path", ["/etc/passwd", "/", "granted/a.txt", "a.txt", "."])
def test_what_was_not_granted_is_refused(files: Files, path: str):
    assert read(files, path) == (-Errno.EPERM, b"")
    assert files.list(path.encode(), ROOM) == (-Errno.EPERM, b"")


def test_a_name_that_only_begins_like_a_grant_is_refused(tree: Path):
    (tree.parent / "granted2").write_bytes(SECRET)
    assert read(Files([tree]), f"{tree}2") == (-Errno.EPERM, b"")


def test_what_is_missing_below_a_grant_is_missing(files: Files, tree: Path):
    assert read(files, tree / "none") == (-Errno.ENOENT, b"")
    assert read(files, tree / "a.txt" / "x") == (-Errno.ENOENT, b"")
    assert read(files, tree / ("x" * 300)) == (-Errno.ENOENT, b"")
    assert files.list(os.fsencode(tree / "none"), ROOM) == (-Errno.ENOENT, b"")


@pytest.mark.parametrize("path", [b"", b"/a\0b", b"/\xff"])
def test_what_is_no_path_is_invalid(files: Files, path: bytes):
    assert files.read(path, 0, ROOM) == (-Errno.EINVAL, b"")


def test_a_folder_is_listed_but_not_read(files: Files, tree: Path):
    assert read(files, tree) == (-Errno.EISDIR, b"")
    result, names = files.list(os.fsencode(tree / "inner"), ROOM)
    assert (result, names) == (6, b"b.txt\0")
    assert b"inner/\0" in files.list(os.fsencode(tree), ROOM)[1]
    assert files.list(os.fsencode(tree / "a.txt"), ROOM) == (-Errno.ENOENT, b"")


def test_a_list_that_does_not_fit_tells_what_it_needs(files: Files, tree: Path):
    result, names = files.list(os.fsencode(tree / "inner"), 5)
    assert (result, len(names)) == (-Errno.EMSGSIZE, 6)


def test_a_name_that_is_not_utf_8_is_shown(files: Files, tree: Path):
    (tree / "inner" / os.fsdecode(b"\xff.txt")).write_bytes(b"x")
    assert files.list(os.fsencode(tree / "inner"), ROOM)[1].decode() == "b.txt\0\ufffd.txt\0"


def test_stat_tells_size_time_and_kind(files: Files, tree: Path):
    result, data = files.stat(os.fsencode(tree / "a.txt"))
    size, modified, folder, _ = abi.STAT.unpack(data)
    assert (result, size, folder) == (0, 5, 0)
    assert modified == (tree / "a.txt").stat().st_mtime_ns
    assert abi.STAT.unpack(files.stat(os.fsencode(tree))[1])[2] == 1


def test_a_single_file_is_granted_without_its_neighbours(tree: Path):
    files = Files([tree / "a.txt"])
    assert read(files, tree / "a.txt")[1] == b"hello"
    assert read(files, tree / "inner" / "b.txt") == (-Errno.EPERM, b"")
    assert read(files, tree / "a.txt" / ".." / "inner" / "b.txt")[0] < 0


def test_a_granted_link_is_the_grantors_word(tree: Path):
    assert read(Files([tree / "out"]), tree / "out")[1] == SECRET
    assert read(Files([tree, tree / "out"]), tree / "out")[1] == SECRET


def test_a_relative_grant_is_found_by_its_whole_path(tree: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tree.parent)
    files = Files([Path("granted")])
    monkeypatch.chdir("/")
    assert read(files, tree / "a.txt")[1] == b"hello"


def test_a_grant_that_is_not_there_is_an_error_of_the_grantor(tmp_path: Path):
    with pytest.raises(NotFoundError, match="nothere"):
        Files([tmp_path / "nothere"])


def test_sockets_are_refused(files: Files, tree: Path):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tree / "s"))
        assert read(files, tree / "s") == (-Errno.EPERM, b"")


PARTS = st.sampled_from(["..", ".", "", "inner", "out", "out_folder", "inside", "proc", "self", "secret.txt"])


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PARTS, max_size=8))
def test_no_path_of_any_shape_reads_what_is_outside(tree: Path, parts: list[str]):
    assert SECRET not in read(Files([tree]), f"{tree}/" + "/".join(parts))[1]


@given(st.binary(max_size=100), st.integers(0, 2**64 - 1), st.integers(0, abi.PAYLOAD_MAX))
def test_any_request_has_an_answer(path: bytes, offset: int, room: int):
    files = Files([Path("/etc/hosts")])
    for result, data in (files.read(path, offset, room), files.stat(path), files.list(path, room)):
        assert result < 0 or len(data) <= max(room, abi.STAT.size)
