"""The tree under a real mount by libfuse, used by real programs."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nexus.core.errors import MissingPartError, StorageError
from nexus.memexfs import mfuse
from nexus.memexfs.mount_table import mounted_at
from nexus.memexfs.real import Files
from nexus.memexfs.tree import Tree
from tests.memex_mounts import needs_fuse, take_away

try:
    import mfusepy  # noqa: F401
except OSError:
    pytest.skip("needs libfuse: sudo apt install libfuse3-3", allow_module_level=True)

pytestmark = needs_fuse
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Path]:
    point, tree = tmp_path / "mnt", tmp_path / "tree"
    point.mkdir()
    tree.mkdir()
    command: list[str | Path] = [sys.executable, ROOT / "tests" / "memex_serve_mfuse.py", point, tree]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield point
        take_away(point)
        assert server.stdout.readline() == "ended\n"
        assert server.wait(60) == 0
    finally:
        take_away(point)
        server.kill()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()


def sh(at: Path, command: str) -> str:
    done = subprocess.run(
        ["bash", "-ec", command],
        cwd=at,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "LC_ALL": "C"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def emptied(at: Path) -> None:
    """Return when nothing is there. The kernel does not wait for the release of a file: what libfuse calls it
    until then may still be there."""
    end = time.monotonic() + 60
    while list(at.iterdir()):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_people_do_with_files(at: Path) -> None:
    mounted = mounted_at(at)
    assert mounted is not None
    assert mounted.ours
    sh(at, "mkdir d; echo one > d/a; mv d/a d/b; ln d/b c; ln -s d/b l; cp -p d/b e; rm e; rmdir d || true")
    assert sh(at, "cat l; stat -c %h c; find . | sort") == "one\n2\n.\n./c\n./d\n./d/b\n./l\n"
    assert (at / "c").stat().st_ino == (at / "d" / "b").stat().st_ino
    assert (at.parent / "tree" / "d" / "b").read_text() == "one\n"
    sh(
        at,
        "sed -i s/one/two/ d/b; chmod 640 c; touch -d @5 c; truncate -s 2 c; mkfifo p; df . | grep -q memex",
    )
    found = (at / "c").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_size) == (0o640, 2)
    sh(at, 'rm -r *; test -z "$(ls -A)"')


def test_a_file_that_is_open_outlives_its_name(at: Path) -> None:
    with (at / "a").open("w+b", buffering=0) as file:
        file.write(b"still here")
        (at / "a").unlink()
        assert not (at / "a").exists()
        file.seek(0)
        assert file.read() == b"still here"
        os.ftruncate(file.fileno(), 5)
        os.fchmod(file.fileno(), 0o600)
        os.utime(file.fileno(), ns=(1, 2))
        found = os.fstat(file.fileno())
        assert (found.st_size, stat.S_IMODE(found.st_mode), found.st_mtime_ns) == (5, 0o600, 2)
    emptied(at)


def test_flags_of_a_rename_are_kept(at: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)

    def rename(flags: int) -> int:
        one, other = (os.fsencode(at / name) for name in ("one", "other"))
        return 0 if libc.renameat2(-100, one, -100, other, flags) == 0 else ctypes.get_errno()

    (at / "one").write_text("1")
    (at / "other").write_text("2")
    assert rename(1) == errno.EEXIST
    assert rename(2) == 0
    assert ((at / "one").read_text(), (at / "other").read_text()) == ("2", "1")
    assert rename(0) == 0
    assert [path.name for path in at.iterdir()] == ["other"]


def test_one_time_may_be_left_as_it_is(at: Path) -> None:
    (at / "a").touch()
    os.utime(at / "a", ns=(11, 22))
    sh(at, "touch -a -d @33 a")
    found = (at / "a").stat()
    assert (found.st_atime_ns, found.st_mtime_ns) == (33 * 10**9, 22)
    sh(at, "touch -m a")
    found = (at / "a").stat()
    assert found.st_atime_ns == 33 * 10**9
    assert found.st_mtime_ns > 10**18


def test_names_of_any_bytes_and_many_of_them(at: Path) -> None:
    for name in (b"\xff\xfe", b"\n", b"x" * 255):
        path = Path(os.fsdecode(os.fsencode(at) + b"/" + name))
        path.touch()
        assert [os.fsencode(found.name) for found in at.iterdir()] == [name]
        path.unlink()
        emptied(at)
    with pytest.raises(OSError, match="too long"):
        (at / ("x" * 256)).touch()
    (at / "many").mkdir()
    for number in range(1500):
        (at / "many" / f"{number}-{'n' * 40}").touch()
    assert len({path.name for path in (at / "many").iterdir()}) == 1500


def test_extended_attributes(at: Path) -> None:
    (at / "a").touch()
    os.setxattr(at / "a", "user.one", b"1\0")
    assert os.listxattr(at / "a") == ["user.one"]
    assert os.getxattr(at / "a", "user.one") == b"1\0"
    for call, number in (
        (lambda: os.getxattr(at / "a", "user.two"), errno.ENODATA),
        (lambda: os.setxattr(at / "a", "user.one", b"", os.XATTR_CREATE), errno.EEXIST),
        (lambda: os.removexattr(at / "a", "user.two"), errno.ENODATA),
    ):
        _fails(call, number)
    os.removexattr(at / "a", "user.one")
    assert os.listxattr(at / "a") == []


def _fails(call: Callable[[], object], number: int) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is what is tested
        call()
    assert caught.value.errno == number


def test_git_and_a_database_work(at: Path) -> None:
    git = "git -c user.email=a@example.org -c user.name=a"
    sh(at, f"git init -q g; cd g; seq 1000 > n; git add .; {git} commit -qm one")
    sh(at, f"cd g; seq 9 > n; {git} commit -qam two; git gc -q; git fsck")
    program = [
        "import sqlite3",
        "d = sqlite3.connect('x.db')",
        "d.execute('create table t(a)')",
        "d.executemany('insert into t values(?)', [(n,) for n in range(999)])",
        "d.commit()",
        "print(*d.execute('select sum(a) from t').fetchone())",
        "print(*d.execute('pragma integrity_check').fetchone())",
    ]
    assert sh(at, f'{sys.executable} -c "{"; ".join(program)}"') == "498501\nok\n"


def test_large_files_holes_and_maps(at: Path) -> None:
    program = [
        "import mmap, os",
        "f = open('m', 'w+b')",
        "f.truncate(3 << 20)",
        "m = mmap.mmap(f.fileno(), 0)",
        "m[5:8] = b'abc'",
        "m.flush()",
        "print(os.pread(f.fileno(), 3, 5).decode())",
        "os.pwrite(f.fileno(), b'end', 10 << 30)",
        "print(os.fstat(f.fileno()).st_size, os.stat('m').st_blocks < 9999)",
    ]
    assert sh(at, f'{sys.executable} -c "{"; ".join(program)}"') == f"abc\n{(10 << 30) + 3} True\n"


def test_what_escapes_a_call_is_eio(tmp_path: Path) -> None:
    class Broken(Tree):
        def readlink(self, node: int) -> bytes:
            raise RuntimeError("a fault of ours")

    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to("x")
    point = tmp_path / "mnt"
    point.mkdir()
    ready = threading.Event()
    tree = Broken(Files(tmp_path / "tree").root)
    thread = threading.Thread(
        target=mfuse.serve, args=(point, tree), kwargs={"ready": ready.set}, daemon=True
    )
    thread.start()
    try:
        assert ready.wait(60)
        done = subprocess.run(
            ["readlink", "-v", point / "link"], capture_output=True, text=True, env={"LC_ALL": "C"}
        )
        assert "Input/output error" in done.stderr
    finally:
        take_away(point)
        thread.join(60)
    assert not thread.is_alive()


def test_a_mount_that_is_refused_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "tree").mkdir()
    tree = Tree(Files(tmp_path / "tree").root)
    with pytest.raises(StorageError, match="cannot mount"):
        mfuse.serve(tmp_path / "none", tree)
    assert "none" in capfd.readouterr().err


def test_without_libfuse_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tree").mkdir()
    tree = Tree(Files(tmp_path / "tree").root)
    monkeypatch.setitem(sys.modules, "mfusepy", None)
    with pytest.raises(MissingPartError, match="mfusepy"):
        mfuse.serve(tmp_path, tree)
