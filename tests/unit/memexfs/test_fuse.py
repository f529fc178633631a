"""What a program sees of a file system that is served by us on a real mount."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nexus.memexfs.operations import Caller
from tests.memex_memory import Memory
from tests.memex_mounts import mounted, names, needs_fuse

pytestmark = needs_fuse


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def at(memory: Memory, tmp_path: Path) -> Iterator[Path]:
    with mounted(memory, tmp_path / "mount") as point:
        yield point


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_files_are_what_was_written(at: Path) -> None:
    content = os.urandom(3_000_001)
    (at / "a").write_bytes(content)
    assert (at / "a").read_bytes() == content
    assert (at / "a").stat().st_size == len(content)
    with (at / "a").open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"xyz")
        file.truncate(2_000_000)
    assert (at / "a").read_bytes() == content[:1_000_000] + b"xyz" + content[1_000_003:2_000_000]
    with (at / "a").open("ab") as file:
        file.write(b"end")
    assert (at / "a").read_bytes()[-4:] == content[1_999_999:2_000_000] + b"end"


def test_names_come_and_go(at: Path) -> None:
    (at / "d").mkdir(0o750)
    (at / "d" / "f").write_text("1")
    (at / "d" / "l").symlink_to("f")
    os.link(at / "d" / "f", at / "d" / "h")
    os.mkfifo(at / "d" / "p")
    assert names(at / "d") == ["f", "h", "l", "p"]
    assert (at / "d" / "l").readlink() == Path("f")
    assert (at / "d" / "f").stat().st_nlink == 2
    assert (at / "d" / "f").stat().st_ino == (at / "d" / "h").stat().st_ino
    assert stat.S_ISFIFO((at / "d" / "p").stat().st_mode)
    assert stat.S_IMODE((at / "d").stat().st_mode) == 0o750
    (at / "d" / "h").rename(at / "g")
    assert (at / "g").read_text() == "1"
    with pytest.raises(OSError, match="not empty"):
        (at / "d").rmdir()
    for name in ("f", "l", "p"):
        (at / "d" / name).unlink()
    (at / "d").rmdir()
    assert names(at) == ["g"]
    assert not (at / "d").exists()


def test_a_name_of_any_bytes(at: Path) -> None:
    for name in (b"\xff\xfe", b"\n", "ü".encode(), b"x" * 255):
        path = at / os.fsdecode(name)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        assert os.fsdecode(name) in names(at)
        path.unlink()
    with pytest.raises(OSError, match="too long"):
        (at / ("x" * 256)).touch()


def test_a_large_folder_is_listed_once_and_whole(at: Path, memory: Memory) -> None:
    who = Caller(0, 0)
    expected = sorted(f"{number:05d} {'n' * (number % 200)}" for number in range(3000))
    for name in expected:
        memory.mknod(1, name.encode(), stat.S_IFREG | 0o644, 0, who)
    for _ in range(3):  # the kernel changes between READDIRPLUS and READDIR
        assert names(at) == expected
    with os.scandir(at) as entries:
        assert all(entry.stat().st_ino for entry in entries)


def test_times_modes_and_owners(at: Path) -> None:
    file = at / "f"
    file.touch(0o600)
    for ns in ((1_700_000_000_123_456_789, 5), (-1, -1), (-(10**18) + 7, 2**33 * 10**9 + 1)):
        os.utime(file, ns=ns)
        assert (file.stat().st_atime_ns, file.stat().st_mtime_ns) == ns
    before = time.time_ns()
    os.utime(file)
    assert before <= file.stat().st_mtime_ns <= time.time_ns()
    file.chmod(0o4751)
    assert stat.S_IMODE(file.stat().st_mode) == 0o4751
    if os.geteuid() == 0:
        os.chown(file, 1234, 4321)
        assert (file.stat().st_uid, file.stat().st_gid) == (1234, 4321)


def test_extended_attributes(at: Path) -> None:
    file = at / "f"
    file.touch()
    os.setxattr(file, "user.a", b"1" * 5000)
    os.setxattr(file, "user.b", b"")
    assert os.getxattr(file, "user.a") == b"1" * 5000
    assert sorted(os.listxattr(file)) == ["user.a", "user.b"]
    with pytest.raises(FileExistsError):
        os.setxattr(file, "user.a", b"2", os.XATTR_CREATE)
    os.removexattr(file, "user.b")
    with pytest.raises(OSError, match="No data"):
        os.getxattr(file, "user.b")


def test_everything_else_that_a_descriptor_can_do(at: Path, memory: Memory) -> None:
    with (at / "f").open("w+b") as file, (at / "g").open("w+b") as other:
        fd = file.fileno()
        os.posix_fallocate(fd, 0, 10_000)
        assert os.fstat(fd).st_size == 10_000
        file.write(b"0123456789")
        file.flush()
        os.fsync(fd)
        os.fdatasync(fd)
        assert os.copy_file_range(fd, other.fileno(), 5, 2, 0) == 5
        assert os.pread(other.fileno(), 10, 0) == b"23456"
        assert os.lseek(fd, 3, os.SEEK_DATA) == 3
        assert os.lseek(fd, 3, os.SEEK_HOLE) == 10_000
        with pytest.raises(OSError, match="Inappropriate ioctl") as raised:
            fcntl.ioctl(fd, 0x1234)
        assert raised.value.errno == errno.ENOTTY
        fcntl.flock(fd, fcntl.LOCK_EX)
        fcntl.lockf(fd, fcntl.LOCK_EX, 4, 0)
    assert {"fsync", "fdatasync", "copy"} <= set(memory.asked)
    space = os.statvfs(at)
    assert (space.f_blocks, space.f_bfree, space.f_bavail, space.f_namemax) == (1000, 600, 500, 255)
    folder = os.open(at, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def test_exchanging_and_not_replacing(at: Path) -> None:
    (at / "a").write_text("a")
    (at / "b").write_text("b")
    result = subprocess.run(["mv", "--no-clobber", at / "a", at / "b"])  # renameat2 with NOREPLACE
    assert result.returncode in (0, 1)
    assert (at / "b").read_text() == "b"


def test_a_removed_file_that_is_open_goes_on(at: Path) -> None:
    with (at / "f").open("w+b") as file:
        file.write(b"still here")
        file.flush()
        (at / "f").unlink()
        assert os.pread(file.fileno(), 100, 0) == b"still here"
        assert os.fstat(file.fileno()).st_nlink == 0


def test_a_fault_of_the_file_system_is_an_io_error_and_the_mount_lives_on(
    at: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(OSError, match="Input/output error"):
        (at / "fault").stat()
    assert "a fault of the file system" in caplog.text
    (at / "f").write_text("lives")
    assert (at / "f").read_text() == "lives"


def test_a_call_that_takes_long_keeps_no_other_one(at: Path, memory: Memory) -> None:
    (at / "d").mkdir()  # a folder of its own: the kernel lets nobody change one while it looks there
    slow = subprocess.Popen(["stat", at / "d" / "slow"], stderr=subprocess.DEVNULL)
    until(lambda: "slow" in memory.asked)
    for number in range(50):
        (at / f"f{number}").touch()
    assert slow.poll() is None
    memory.go_on.set()
    assert slow.wait(30) == 1


def test_what_the_kernel_may_believe_it_does_not_ask_again(at: Path, memory: Memory) -> None:
    (at / "f").write_text("x")
    (at / "f").stat()
    assert not (at / "missing").exists()
    before = len(memory.asked)
    for _ in range(20):
        (at / "f").stat()
        assert not (at / "missing").exists()
    assert len(memory.asked) == before


def test_what_the_kernel_is_told_to_forget_it_asks_again(at: Path, memory: Memory) -> None:
    assert memory.kernel is not None
    who = Caller(os.geteuid(), os.getegid())
    assert not (at / "late").exists()
    memory.mknod(1, b"late", stat.S_IFREG | 0o644, 0, who)
    assert not (at / "late").exists(), "it was to believe this for a minute"
    memory.kernel.forget_name(1, b"late")
    until((at / "late").exists)

    file = memory.things[1].names[b"late"]
    (at / "late").write_text("old")
    assert (at / "late").read_text() == "old"
    file.data[:] = b"something newer"
    memory.kernel.forget_content(file.number)
    until(lambda: (at / "late").read_text() == "something newer")

    del memory.things[1].names[b"late"]
    memory.kernel.forget_name(1, b"late")
    until(lambda: not (at / "late").exists())
    memory.kernel.forget_name(77777, b"never heard of")
    memory.kernel.forget_content(77777)


def test_a_flood_of_names_to_forget_is_told_at_once(at: Path, memory: Memory) -> None:
    assert memory.kernel is not None
    assert not (at / "late").exists()
    memory.mknod(1, b"late", stat.S_IFREG | 0o644, 0, Caller(0, 0))
    for number in range(50_000):
        memory.kernel.forget_name(1, b"%d" % number)
    memory.kernel.forget_name(1, b"late")
    until((at / "late").exists)


def test_who_is_interrupted_goes_and_nobody_else_notices(
    at: Path, memory: Memory, caplog: pytest.LogCaptureFixture
) -> None:
    (at / "d").mkdir()
    slow = subprocess.Popen(["stat", at / "d" / "slow"])
    until(lambda: "slow" in memory.asked)
    slow.terminate()
    (at / "f").write_text("x")
    memory.go_on.set()
    assert slow.wait(30) == -signal.SIGTERM
    assert (at / "f").read_text() == "x"
    assert not caplog.text


def test_a_name_that_is_doubted_stays_where_somebody_works(at: Path, memory: Memory) -> None:
    assert memory.kernel is not None
    (at / "d").mkdir()
    there = subprocess.Popen(
        ["sh", "-c", 'cd "$1" && read -r _ && test -d ../d && /bin/pwd', "-", at / "d"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    until(lambda: Path(f"/proc/{there.pid}/cwd").readlink() == at / "d")
    before = memory.asked.count("lookup")
    memory.kernel.forget_name(1, b"d")
    until(lambda: (at / "d").exists() and memory.asked.count("lookup") > before)
    assert there.communicate("\n", timeout=30)[0].strip() == str(at / "d")


def test_a_close_that_needs_no_flush_asks_nothing(tmp_path: Path) -> None:
    memory = Memory()
    memory.flush_needed = False
    with mounted(memory, tmp_path / "mount") as at:
        (at / "f").write_text("x")
        until(lambda: "release" in memory.asked)
        assert "flush" not in memory.asked
        assert not memory.open_handles


def test_every_open_is_released_and_every_lookup_forgotten(at: Path, memory: Memory) -> None:
    for number in range(50):
        (at / f"{number}").write_text("x")
        assert (at / f"{number}").read_text() == "x"
    until(lambda: not memory.open_handles)
    if os.geteuid() == 0:
        until(lambda: _dropped(memory))


def _dropped(memory: Memory) -> bool:
    subprocess.run(["sh", "-c", "echo 2 > /proc/sys/vm/drop_caches"], check=True)
    return all(thing.lookups == 0 for thing in memory.root.names.values())


def test_a_write_of_an_ordinary_user_clears_set_id(at: Path, memory: Memory) -> None:
    if os.geteuid() != 0:
        pytest.skip("another user is needed to write; run the tests as root")
    (at / "f").write_text("x")
    (at / "f").chmod(0o6777)
    write = ["setpriv", "--reuid=65534", "--clear-groups", "sh", "-c", 'printf y >> "$1"', "-", str(at / "f")]
    for parent in at.parents:
        parent.chmod(parent.stat().st_mode | 0o011)
    subprocess.run(write, check=True)
    assert stat.S_IMODE((at / "f").stat().st_mode) == 0o777
    assert memory.asked.count("kill") == 1
    subprocess.run(write, check=True)
    assert memory.asked.count("kill") == 1, "asked once, not with every write"


def test_the_server_ends_with_the_mount(tmp_path: Path) -> None:
    memory = Memory()
    with mounted(memory, tmp_path / "mount"):
        pass
    assert memory.asked[-1] == "end"
