"""POSIX: opening, reading, writing, cutting, holes, and the times of files.

Each case holds on the raw disk too, which is its oracle.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from tests.memex_posix import KINDS, OTHER, USER, make, moved, outcome, user

FOLLOWED = tuple(kind for kind in KINDS if kind != "link")
PUNCH, KEEP_SIZE, ZERO = 2, 1, 16


# open


def test_open_says_what_is_wrong(place: Path) -> None:
    make(place / "f", "regular")
    make(place / "d", "folder")
    os.symlink("f", place / "l")
    assert outcome(os.open, place / "d", os.O_WRONLY) == "EISDIR"
    assert outcome(os.open, place / "d", os.O_RDWR) == "EISDIR"
    assert outcome(os.open, place / "d", os.O_RDONLY | os.O_TRUNC) == "EISDIR"
    assert outcome(os.open, place / "d", os.O_RDONLY | os.O_CREAT) == "EISDIR"
    assert outcome(os.open, place / "f", os.O_RDONLY | os.O_DIRECTORY) == "ENOTDIR"
    assert outcome(os.open, place / "l", os.O_RDONLY | os.O_NOFOLLOW) == "ELOOP"
    assert outcome(os.open, place / "l", os.O_CREAT | os.O_EXCL) == "EEXIST"
    make(place / "fifo", "fifo")
    assert outcome(os.open, place / "fifo", os.O_WRONLY | os.O_NONBLOCK) == "ENXIO"
    make(place / "sock", "socket")
    assert outcome(os.open, place / "sock", os.O_RDONLY) == "ENXIO"
    os.symlink("made", place / "towards")
    os.close(os.open(place / "towards", os.O_CREAT | os.O_WRONLY, 0o600))
    assert os.lstat(place / "made").st_size == 0


def test_creating_sets_the_times_and_opening_does_not(place: Path) -> None:
    assert moved(place, lambda: os.close(os.open(place / "x", os.O_CREAT | os.O_WRONLY))) >= {
        "mtime",
        "ctime",
    }
    assert moved(place, lambda: os.close(os.open(place / "x", os.O_CREAT | os.O_WRONLY))) == set()
    assert moved(place / "x", lambda: os.close(os.open(place / "x", os.O_RDWR))) == set()
    (place / "x").write_bytes(b"text")
    cut = lambda: os.close(os.open(place / "x", os.O_WRONLY | os.O_TRUNC))  # noqa: E731
    assert moved(place / "x", cut) == {"mtime", "ctime"}
    assert os.stat(place / "x").st_size == 0
    assert moved(place / "x", cut) == {"mtime", "ctime"}


def test_a_descriptor_does_what_it_was_opened_for(place: Path) -> None:
    make(place / "x", "regular", 0o666)
    for flags, reads, writes in (
        (os.O_RDONLY, "ok", "EBADF"),
        (os.O_WRONLY, "EBADF", "ok"),
        (os.O_RDWR, "ok", "ok"),
    ):
        fd = os.open(place / "x", flags)
        assert (outcome(os.read, fd, 1), outcome(os.write, fd, b"x")) == (reads, writes)
        assert outcome(os.ftruncate, fd, 0) == ("ok" if writes == "ok" else "EINVAL")
        os.close(fd)


def test_a_file_made_without_any_permission_is_written_by_its_maker(place: Path) -> None:
    os.chmod(place, 0o777)
    with user(USER):
        fd = os.open(place / "x", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o000)
        os.write(fd, b"once")
        assert os.pread(fd, 9, 0) == b"once"
        assert outcome(os.open, place / "x", os.O_RDONLY) == "EACCES"
        os.close(fd)


def test_appending_goes_to_the_end_whoever_else_writes(place: Path) -> None:
    one = os.open(place / "x", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    two = os.open(place / "x", os.O_WRONLY | os.O_APPEND)
    for n in range(50):
        os.write((one, two)[n % 2], b"%02d," % n)
    os.lseek(one, 0, os.SEEK_SET)
    os.write(one, b"end")
    assert (place / "x").read_bytes() == b"".join(b"%02d," % n for n in range(50)) + b"end"
    os.close(one)
    os.close(two)


def test_a_running_program_is_not_written_to(place: Path) -> None:
    program = place / "sleep"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as running:
        try:
            assert outcome(os.open, program, os.O_WRONLY) == "ETXTBSY"
            assert outcome(os.open, program, os.O_RDONLY) == "ok"
            assert outcome(os.truncate, program, 0) == "ETXTBSY"
            os.rename(program, place / "renamed")
            os.unlink(place / "renamed")
        finally:
            running.kill()
    fd = os.open(place / "held", os.O_CREAT | os.O_WRONLY, 0o755)
    assert outcome(os.execv, place / "held", ["held"]) == "ETXTBSY"
    os.close(fd)


# reading and writing


def test_reading_and_writing_change_their_times(place: Path) -> None:
    path = place / "x"
    path.write_bytes(b"text")
    fd = os.open(path, os.O_RDWR)
    assert moved(fd, lambda: os.write(fd, b"more")) == {"mtime", "ctime"}
    assert moved(fd, lambda: os.write(fd, b"")) == set()
    os.utime(path, ns=(10**9, time.time_ns()))
    assert moved(fd, lambda: os.pread(fd, 4, 0)) == {"atime"}
    os.close(fd)
    assert moved(path, lambda: os.stat(path)) == set()


def test_bytes_at_any_offset_with_holes_between(place: Path) -> None:
    fd = os.open(place / "x", os.O_CREAT | os.O_RDWR)
    for at in (0, 4095, 4096, 70_001, 1 << 20, (1 << 31) - 1, 1 << 31, 1 << 32, 100 << 30):
        assert os.pwrite(fd, b"here", at) == 4
        assert os.pread(fd, 10, at) == b"here"
        assert os.fstat(fd).st_size == at + 4
    assert os.pread(fd, 3, 69_000) == b"\0\0\0"
    assert os.pread(fd, 10, 200 << 30) == b""
    assert os.fstat(fd).st_blocks < 1000
    assert os.lseek(fd, 1 << 21, os.SEEK_DATA) <= (1 << 31) - 1
    assert os.lseek(fd, 0, os.SEEK_HOLE) >= 4
    assert outcome(os.lseek, fd, 200 << 30, os.SEEK_DATA) == "ENXIO"
    os.close(fd)


def test_a_large_write_is_whole(place: Path) -> None:
    data = os.urandom(1 << 20) * 9 + b"tail"
    (place / "x").write_bytes(data)
    assert (place / "x").read_bytes() == data
    with open(place / "x", "r+b", buffering=0) as file:
        file.seek(12_345)
        file.write(b"changed")
        file.seek(12_340)
        assert file.read(17) == data[12_340:12_345] + b"changed" + data[12_352:12_357]


def test_what_one_writes_another_reads_at_once(place: Path) -> None:
    writer = os.open(place / "x", os.O_CREAT | os.O_WRONLY)
    reader = os.open(place / "x", os.O_RDONLY)
    script = "import sys; sys.stdout.write(open(sys.argv[1]).read())"
    for n in range(5):
        os.write(writer, b"%d" % n)
        assert os.pread(reader, 99, 0) == b"01234"[: n + 1]
        other = subprocess.run([sys.executable, "-c", script, place / "x"], capture_output=True, check=True)
        assert other.stdout == b"01234"[: n + 1]
    os.close(writer)
    os.close(reader)


def test_memory_that_is_mapped_is_the_file(place: Path) -> None:
    (place / "x").write_bytes(b"\0" * 10_000)
    with open(place / "x", "r+b") as file:
        shared = mmap.mmap(file.fileno(), 0)
        private = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        shared[9_000:9_005] = b"there"
        private[0:4] = b"mine"
        shared.flush()
        assert os.pread(file.fileno(), 5, 9_000) == b"there"
        os.pwrite(file.fileno(), b"written", 5_000)
        assert shared[5_000:5_007] == b"written"
        assert os.pread(file.fileno(), 4, 0) == b"\0\0\0\0"
        shared.close()
        private.close()
    assert (place / "x").read_bytes()[9_000:9_005] == b"there"


def test_locks_hold_off_others(place: Path) -> None:
    make(place / "x", "regular")
    script = (
        "import fcntl, sys\n"
        "f = open(sys.argv[1], 'r+')\n"
        "try: fcntl.{}(f, fcntl.LOCK_EX | fcntl.LOCK_NB)\n"
        "except BlockingIOError: print('held')\n"
        "else: print('free')\n"
    )

    def other(call: str) -> str:
        command = [sys.executable, "-c", script.format(call), str(place / "x")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    with open(place / "x", "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert other("flock") == "held"
        fcntl.flock(file, fcntl.LOCK_UN)
        fcntl.lockf(file, fcntl.LOCK_EX, 10, 5)
        assert other("lockf") == "held"
    assert (other("flock"), other("lockf")) == ("free", "free")


# cutting


@pytest.mark.parametrize("how", ["truncate", "ftruncate"])
def test_cutting_and_lengthening(place: Path, how: str) -> None:
    path = place / "x"
    path.write_bytes(b"0123456789" * 1000)
    fd = os.open(path, os.O_RDWR)

    def cut(size: int) -> None:
        if how == "truncate":
            os.truncate(path, size)
        else:
            os.ftruncate(fd, size)

    for size in (9_999, 5, 4_097, 0, 123_456_789, 1):
        assert moved(path, partial(cut, size)) == {"mtime", "ctime"}
        assert os.stat(path).st_size == os.fstat(fd).st_size == size
    os.ftruncate(fd, 0)
    os.pwrite(fd, b"abcdef", 0)
    cut(3)
    cut(6)
    assert path.read_bytes() == b"abc\0\0\0"
    cut(200 << 30)
    assert os.stat(path).st_size == 200 << 30
    cut(0)
    assert outcome(cut, -1) == "EINVAL"
    assert outcome(cut, 1 << 62) == "EFBIG"
    os.close(fd)


def test_truncate_is_for_files(place: Path) -> None:
    for kind in KINDS:
        make(place / kind, kind)
    assert outcome(os.truncate, place / "folder", 0) == "EISDIR"
    assert outcome(os.truncate, place / "fifo", 0) == "EINVAL"
    fd = os.open(place / "regular", os.O_RDONLY)
    assert outcome(os.ftruncate, fd, 0) == "EINVAL"
    os.close(fd)


def test_reserving_and_punching(place: Path) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)

    def allocate(mode: int, at: int, length: int) -> None:
        if libc.fallocate(fd, mode, ctypes.c_int64(at), ctypes.c_int64(length)) < 0:
            raise OSError(ctypes.get_errno(), "fallocate")

    fd = os.open(place / "x", os.O_CREAT | os.O_RDWR)
    os.write(fd, b"x" * 20_000)
    assert moved(fd, lambda: allocate(0, 10_000, 30_000)) >= {"ctime"}
    assert os.fstat(fd).st_size == 40_000
    allocate(KEEP_SIZE, 100_000, 50_000)
    assert os.fstat(fd).st_size == 40_000
    assert moved(fd, lambda: allocate(PUNCH | KEEP_SIZE, 4_000, 9_000)) == {"mtime", "ctime"}
    assert os.pread(fd, 20_000, 0) == b"x" * 4_000 + b"\0" * 9_000 + b"x" * 7_000
    allocate(ZERO, 15_000, 30_000)
    assert os.fstat(fd).st_size == 45_000
    assert os.pread(fd, 6_000, 14_000) == b"x" * 1_000 + b"\0" * 5_000
    assert outcome(allocate, 0, -1, 5) == outcome(allocate, 0, 0, 0) == "EINVAL"
    os.close(fd)
    fd = os.open(place / "x", os.O_RDONLY)
    assert outcome(allocate, 0, 0, 5) == "EBADF"
    os.close(fd)


def test_copying_a_range_in_the_kernel(place: Path) -> None:
    data = os.urandom(300_000)
    (place / "a").write_bytes(data)
    source, target = os.open(place / "a", os.O_RDONLY), os.open(place / "b", os.O_CREAT | os.O_RDWR)
    left, at = 250_000, 0
    while left:
        done = os.copy_file_range(source, target, left, 1_000 + at, 77 + at)
        assert done > 0
        left, at = left - done, at + done
    assert os.fstat(target).st_size == 250_077
    assert os.pread(target, 300_000, 77) == data[1_000:251_000]
    os.close(source)
    os.close(target)


# times


@pytest.mark.parametrize("kind", KINDS)
def test_any_time_can_be_set_to_the_nanosecond(place: Path, kind: str) -> None:
    path = place / "x"
    make(path, kind)
    for pair in (
        (1, 2),
        (1_234_567_890_123_456_789, 987_654_321_000_000_001),
        (0, 0),
        (4_294_967_296_500_000_000, 7),
    ):
        os.utime(path, ns=pair, follow_symlinks=False)
        st = os.lstat(path)
        assert (st.st_atime_ns, st.st_mtime_ns) == pair
    assert moved(path, lambda: os.utime(path, ns=(0, 0), follow_symlinks=False)) == {"ctime"}


def test_one_time_at_a_time_and_the_present(place: Path) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    now, omit = (1 << 30) - 1, (1 << 30) - 2

    def utimens(access: tuple[int, int], modify: tuple[int, int]) -> None:
        times = (ctypes.c_long * 4)(*access, *modify)
        if libc.utimensat(-100, os.fsencode(place / "x"), times, 0) < 0:
            raise OSError(ctypes.get_errno(), "utimensat")

    make(place / "x", "regular", 0o666)
    utimens((5, 6), (7, 8))
    utimens((0, omit), (9, 10))
    st = os.stat(place / "x")
    assert (st.st_atime_ns, st.st_mtime_ns) == (5_000_000_006, 9_000_000_010)
    utimens((11, 12), (0, omit))
    st = os.stat(place / "x")
    assert (st.st_atime_ns, st.st_mtime_ns) == (11_000_000_012, 9_000_000_010)
    begin = time.time_ns() - 20_000_000
    utimens((0, now), (0, omit))
    st = os.stat(place / "x")
    assert begin < st.st_atime_ns <= time.time_ns()
    assert st.st_mtime_ns == 9_000_000_010
    utimens((0, omit), (0, now))
    assert begin < os.stat(place / "x").st_mtime_ns <= time.time_ns()
    assert moved(place / "x", lambda: utimens((0, omit), (0, omit))) == set()
    assert outcome(utimens, (1, 10**9), (1, 0)) == "EINVAL"


def test_who_may_set_times(place: Path) -> None:
    path = place / "x"
    make(path, "regular", 0o646)
    os.chown(path, USER, USER)
    with user(USER):
        assert outcome(os.utime, path, (1, 1)) == "ok"
    with user(OTHER):
        assert outcome(os.utime, path, (2, 2)) == "EPERM"
        assert outcome(os.utime, path) == "ok"  # the present: who may write
    os.chmod(path, 0o644)
    with user(OTHER):
        assert outcome(os.utime, path) == "EACCES"
    with user(USER):
        os.chmod(path, 0o444)
        assert outcome(os.utime, path) == "ok"


# extended attributes, and the rest


def test_extended_attributes(place: Path) -> None:
    make(place / "x", "regular")
    make(place / "d", "folder")
    for path in (place / "x", place / "d"):
        os.setxattr(path, "user.one", b"1")
        os.setxattr(path, "user.bytes", bytes(range(256)))
        os.setxattr(path, "user.one", b"2", os.XATTR_REPLACE)
        assert outcome(os.setxattr, path, "user.one", b"3", os.XATTR_CREATE) == "EEXIST"
        assert outcome(os.setxattr, path, "user.none", b"3", os.XATTR_REPLACE) == "ENODATA"
        assert {n for n in os.listxattr(path) if n.startswith("user.")} == {"user.one", "user.bytes"}
        assert (os.getxattr(path, "user.one"), os.getxattr(path, "user.bytes")) == (b"2", bytes(range(256)))
        assert moved(path, partial(os.removexattr, path, "user.one")) == {"ctime"}
        assert (
            outcome(os.getxattr, path, "user.one") == outcome(os.removexattr, path, "user.one") == "ENODATA"
        )
    os.chmod(place / "x", 0o644)
    with user(OTHER):
        assert outcome(os.setxattr, place / "x", "user.a", b"b") == "EACCES"
        assert os.getxattr(place / "x", "user.bytes") == bytes(range(256))


def test_a_full_names_folder_and_the_file_system_itself(place: Path) -> None:
    told = os.statvfs(place)
    assert told.f_namemax == 255
    assert told.f_blocks > told.f_bfree >= told.f_bavail > 0
    assert told.f_frsize > 0
    folder = os.open(place, os.O_RDONLY)
    os.fsync(folder)
    os.fdatasync(folder)
    os.close(folder)
    with open(place / "x", "wb") as file:
        file.write(b"x")
        os.fsync(file)
        os.fdatasync(file)
