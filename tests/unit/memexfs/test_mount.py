"""Mounting and unmounting: as root, as an ordinary user, and everything that can be wrong with it."""

from __future__ import annotations

import ctypes
import os
import shutil
import stat
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.errors import (
    AlreadyRunningError,
    BusyError,
    InvalidInputError,
    MissingPartError,
    NexusError,
    NotFoundError,
)
from nexus.memexfs import fuse
from nexus.memexfs import mount as mounting
from nexus.memexfs.mount import abort, is_stale, mount, unmount
from nexus.memexfs.mount_table import Mounted, mounted_at, mounts, parse
from tests.memex_memory import Memory
from tests.memex_mounts import mounted, needs_fuse, needs_root, take_away

NOBODY = 65534
_NEW_MOUNTS, _PRIVATE, _BIND = 0x20000, 1 << 14 | 1 << 18, 1 << 12


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that every user can reach."""
    made = Path(tempfile.mkdtemp(prefix="memexfs-test-"))
    made.chmod(0o755)
    yield made
    for found in [found for found in mounts() if found.point.startswith(os.fsencode(made))]:
        take_away(Path(os.fsdecode(found.point)))
    shutil.rmtree(made)


def as_nobody(point: Path, *, allowed: bool = True) -> tuple[int, str]:
    """Mount there as an ordinary user and use it as one; the exit status and what went wrong.

    Happens in a namespace of its own, where /dev/fuse is open to all, as udev makes it; or to nobody.
    """
    reading, writing = os.pipe()
    device = point.parent / "device"
    device.unlink(missing_ok=True)
    os.mknod(device, stat.S_IFCHR | 0o600, os.makedev(10, 229))
    device.chmod(0o666 if allowed else 0o600)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            libc = ctypes.CDLL(None)
            assert libc.unshare(_NEW_MOUNTS) == 0
            assert libc.mount(None, b"/", None, _PRIVATE, None) == 0
            assert libc.mount(os.fsencode(device), b"/dev/fuse", None, _BIND, None) == 0
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            _use(point)
            status = 0
        except BaseException as error:
            os.write(writing, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading) as said:
        text = said.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text


def _use(point: Path) -> None:
    memory = Memory()
    fd = mount(point)
    server = threading.Thread(target=fuse.serve, args=(fd, memory), daemon=True)
    server.start()
    (point / "f").write_text("mine")
    assert (point / "f").read_text() == "mine"
    assert (point / "f").stat().st_uid == NOBODY
    found = mounted_at(point)
    assert found is not None
    assert found.ours
    with (point / "f").open():
        try:
            unmount(point)
        except BusyError as error:
            assert str(point) in error.message  # noqa: PT017 (a process of its own)
            assert str(os.getpid()) in error.message  # noqa: PT017
        else:
            raise AssertionError("unmounted in use")
    unmount(point)
    server.join(30)
    assert not server.is_alive()
    assert memory.asked[-1] == "end"


@needs_fuse
@needs_root
def test_an_ordinary_user_mounts_by_the_helper(folder: Path) -> None:
    if shutil.which("fusermount3") is None:
        pytest.skip("no fusermount3: sudo apt install fuse3")
    point = folder / "mount"
    point.mkdir()
    os.chown(point, NOBODY, NOBODY)
    assert as_nobody(point) == (0, "")
    assert mounted_at(point) is None


@needs_fuse
@needs_root
def test_an_ordinary_user_is_told_why_it_does_not_mount(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = folder / "roots"
    roots.mkdir()
    status, said = as_nobody(roots)
    assert status == 1
    assert "no write access to mountpoint" in said
    assert "must be yours" in said
    status, said = as_nobody(roots, allowed=False)
    assert status == 1
    assert "failed to open /dev/fuse" in said
    assert "sudo chmod 666 /dev/fuse" in said
    monkeypatch.setenv("PATH", str(folder))
    status, said = as_nobody(roots)
    assert said.startswith("MissingPartError")
    assert "sudo apt install fuse3" in said


@needs_fuse
def test_what_is_no_folder_is_named(folder: Path) -> None:
    with pytest.raises(InvalidInputError, match=f"there is no folder {folder}/none .*mkdir"):
        mount(folder / "none")
    (folder / "file").touch()
    with pytest.raises(InvalidInputError, match=f"{folder}/file is not a folder"):
        mount(folder / "file")


def test_without_fuse_the_remedy_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounting, "DEVICE", folder / "fuse")
    with pytest.raises(MissingPartError, match="modprobe fuse"):
        mount(folder)


@needs_fuse
def test_a_folder_that_is_not_empty_is_mounted_over_and_that_is_said(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "hidden").touch()
    with mounted(Memory(), folder):
        assert not (folder / "hidden").exists()
    assert (folder / "hidden").exists()
    assert f"{folder} is not empty" in caplog.text


@needs_fuse
def test_the_same_folder_is_mounted_once_whatever_it_is_called(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "mount")
    with mounted(Memory(), folder / "mount") as point:
        for name in (point, folder / "." / "mount", folder / "x" / ".." / "mount", folder / "link"):
            with pytest.raises(AlreadyRunningError, match=r"mounted already .*nexus umount"):
                mount(name)
        assert stat.S_ISDIR(point.stat().st_mode)


@needs_fuse
def test_a_mount_without_a_server_is_told_apart_and_can_be_taken_away(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    os.close(mount(folder))
    assert is_stale(folder)
    with pytest.raises(OSError, match="not connected"):
        folder.stat()
    with pytest.raises(AlreadyRunningError, match=r"whose server is gone .*nexus umount"):
        mount(folder)
    fd = mount(folder, clean=True)
    assert "nobody served" in caplog.text
    assert sum(found.point == os.fsencode(folder) for found in mounts()) == 1
    unmount(folder)
    os.close(fd)
    with pytest.raises(NotFoundError, match="nothing is mounted at"):
        unmount(folder)


@needs_fuse
def test_who_keeps_a_mount_busy_is_named(folder: Path) -> None:
    with mounted(Memory(), folder / "mount") as point:
        (point / "f").write_text("x")
        reader = subprocess.Popen(["sh", "-c", 'exec 3< "$1/f"; echo; read -r _', "-", point],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
        assert reader.stdout is not None
        reader.stdout.readline()
        with pytest.raises(BusyError) as raised:
            unmount(point)
        assert f"sh ({reader.pid}: {point}/f)" in raised.value.message
        assert "--lazy" in raised.value.hint
        unmount(point, lazy=True)
        assert mounted_at(point) is None
        reader.communicate(b"\n", timeout=30)


@needs_fuse
@needs_root
def test_a_mount_that_hangs_can_be_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fd = mount(folder)
    waiting = subprocess.Popen(["ls", folder], stderr=subprocess.PIPE)  # nobody will answer it
    monkeypatch.setattr(mounting, "_ANSWER", 0.2)
    assert not is_stale(folder)
    abort(folder)
    assert waiting.stderr is not None
    with waiting.stderr:
        assert waiting.wait(30) != 0
    assert mounted_at(folder) is None
    os.close(fd)


@needs_fuse
@needs_root
def test_what_the_system_refuses_leaves_nothing_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    monkeypatch.setattr(mounting, "_options", lambda: "no such option")
    with pytest.raises(NexusError, match=f"cannot mount {folder}: Invalid argument"):
        mount(folder)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert mounted_at(folder) is None


def test_the_table_of_mounts_is_read() -> None:
    table = (
        b"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"
        b"90 35 0:41 / /a\\040b\\134c\\011 rw shared:2 - fuse.memex memex rw,user_id=0\n"
        b"garbage\n91 35 x:y / /z rw - a b c\n"
    )
    assert parse(table) == [
        Mounted(b"/mnt2", 0, "ext3", "/dev/root"),
        Mounted(b"/a b\\c\t", 41, "fuse.memex", "memex"),
    ]
    assert [found.ours for found in parse(table)] == [False, True]


@given(st.binary() | st.text(r" \0123456789:-/" + "\n").map(str.encode))
def test_no_table_of_mounts_is_an_error(table: bytes) -> None:
    parse(table)
    parse(b"36 35 98:0 / " + table + b" rw - ext3 " + table + b" rw")
