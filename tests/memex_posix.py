"""What the POSIX tests are written in: users in one thread, kinds of files, outcomes by the name of an errno.

Each case runs on the raw disk too: where it fails there, the case is wrong and not the tree.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nexus.memexfs.mount import mount
from tests.memex_mounts import take_away

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("regular", "folder", "fifo", "block", "char", "socket", "link")
NOT_FOLDERS = ("regular", "fifo", "block", "char", "socket")
USER, OTHER, THIRD = 65533, 65534, 65532
TICK = 0.011  # seconds; the clock of files moves every 4 ms at 250 Hz, 10 at 100

_libc = ctypes.CDLL(None, use_errno=True)
_CALLS = {"x86_64": (116, 117, 119), "aarch64": (159, 147, 149)}  # setgroups setresuid setresgid


@contextmanager
def user(uid: int, gid: int | None = None, *groups: int) -> Iterator[None]:
    """In the body this thread, and no other, acts as this user, without any privilege."""
    setgroups, setresuid, setresgid = _CALLS[platform.machine()]

    def call(number: int, *args: object) -> None:
        if _libc.syscall(number, *args) < 0:
            raise OSError(ctypes.get_errno(), f"system call {number}")

    before = os.getgroups()
    gid = uid if gid is None else gid
    call(setgroups, len(groups), (ctypes.c_uint * max(1, len(groups)))(*groups))
    call(setresgid, -1, gid, -1)
    call(setresuid, -1, uid, -1)
    try:
        yield
    finally:
        call(setresuid, -1, 0, -1)
        call(setresgid, -1, 0, -1)
        call(setgroups, len(before), (ctypes.c_uint * max(1, len(before)))(*before))


def outcome(action: Callable[..., object], *args: object, **kwargs: object) -> str:
    """`ok`, or the name of the errno."""
    try:
        result = action(*args, **kwargs)
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error.errno))
    if action is os.open:
        assert isinstance(result, int)
        os.close(result)
    return "ok"


def make(path: Path | bytes | str, kind: str, mode: int = 0o644) -> None:
    """A file of this kind with exactly this mode (folders with 0o755 unless told)."""
    match kind:
        case "regular":
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        case "folder":
            os.mkdir(path)
            mode = 0o755 if mode == 0o644 else mode
        case "fifo":
            os.mkfifo(path)
        case "block":
            os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(1, 2))
        case "char":
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 2))
        case "socket":
            with socket.socket(socket.AF_UNIX) as listening, inside(Path(os.fsdecode(path)).parent):
                listening.bind(Path(os.fsdecode(path)).name)
        case "link":
            os.symlink("nowhere", path)
            return
    os.chmod(path, mode)


@contextmanager
def inside(folder: Path | str) -> Iterator[None]:
    """In the body this is the working folder: a socket's address is short, and long paths are too long."""
    before = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.chdir(folder)
        yield
    finally:
        os.fchdir(before)
        os.close(before)


def mode(path: Path | str) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


def kind_of(path: Path | str) -> int:
    return stat.S_IFMT(os.lstat(path).st_mode)


def owner(path: Path | str) -> tuple[int, int]:
    st = os.lstat(path)
    return st.st_uid, st.st_gid


def moved(path: Path | str | int, action: Callable[[], object]) -> set[str]:
    """Which times of `path` are later after the action: of "atime", "mtime", "ctime"."""

    def times() -> tuple[int, int, int]:
        st = os.fstat(path) if isinstance(path, int) else os.lstat(path)
        return st.st_atime_ns, st.st_mtime_ns, st.st_ctime_ns

    before = times()
    time.sleep(TICK)
    action()
    after = times()
    return {n for n, a, b in zip(("atime", "mtime", "ctime"), before, after, strict=True) if b > a}


def long_path(folder: Path, length: int) -> str:
    """A path below `folder` that is exactly so long and whose folders, but not its end, exist."""
    path = str(folder)
    while length - len(path) > 256:
        path += "/" + "d" * min(200, length - len(path) - 51)
        os.mkdir(path)
    return path + "/" + "f" * (length - len(path) - 1)


@contextmanager
def served(base: Path, *options: str) -> Iterator[Path]:
    """`base/tree` shown at the folder that is given, by a process of its own, to everybody."""
    tree, point = base / "tree", base / "mount"
    for folder in (base, tree, point):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
    fd = mount(point)
    command = [sys.executable, str(ROOT / "tests/memex_serve.py"), str(fd), str(tree), *options]
    worker = subprocess.Popen(command, pass_fds=[fd])
    try:
        os.close(fd)
        os.listdir(point)
        yield point
    finally:
        take_away(point)
        try:
            status = worker.wait(20)
        except subprocess.TimeoutExpired:  # a test that failed has left something of it open
            worker.kill()
            status = worker.wait()
    assert status == 0, f"the worker ended with {status}"


class Deathly:
    """`base/tree` shown at `base/mount`, by workers that may be killed and are followed by the next one.

    A process of its own keeps the mount (`tests/memex_keeper.py`): one that has files of the mount open
    cannot start a worker, because its child would close them first and wait for the answer."""

    def __init__(self, base: Path, *options: str) -> None:
        self.tree, self.point = base / "tree", base / "mount"
        command = [sys.executable, str(ROOT / "tests/memex_keeper.py"), str(base), *options]
        self._keeper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.deaths = -1
        self._answer()

    def kill(self) -> None:
        """kill -9, and the next worker."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.write(b"kill\n")
        self._keeper.stdin.flush()
        self._answer()

    def _answer(self) -> None:
        assert self._keeper.stdout is not None
        assert self._keeper.stdout.readline() == b"started\n"
        self.deaths += 1

    def end(self) -> None:
        self._keeper.communicate(timeout=60)
        assert self._keeper.returncode == 0


@contextmanager
def deathly(base: Path, *options: str) -> Iterator[Deathly]:
    found = Deathly(base, *options)
    try:
        yield found
    finally:
        found.end()


def names(folder: Path | str) -> list[str]:
    return sorted(os.listdir(folder))


def all_of(found: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Outcomes by what was tried, for one comparison that shows them all."""
    return dict(found)
