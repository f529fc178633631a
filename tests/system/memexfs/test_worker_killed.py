"""kill -9 of the worker is seen by nobody: what is open stays open, what was asked is answered, nothing is
done twice."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.memex_mounts import needs_fuse, needs_root
from tests.memex_posix import Deathly, deathly, names

pytestmark = [pytest.mark.slow, needs_root, needs_fuse]


@pytest.fixture(params=["served", "passthrough"])
def mount(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Deathly]:
    with deathly(tmp_path, *(["--passthrough"] if request.param == "passthrough" else [])) as found:
        yield found


def test_what_is_open_stays_open(mount: Deathly) -> None:
    place = mount.point
    (place / "d").mkdir()
    with (
        open(place / "d" / "x", "w+b", buffering=0) as file,
        open(place / "gone", "w+b", buffering=0) as gone,
    ):
        file.write(b"before ")
        gone.write(b"nameless ")
        os.unlink(place / "gone")
        names_before = os.open(place / "d", os.O_RDONLY | os.O_DIRECTORY)
        before = os.fstat(file.fileno())
        mount.kill()
        os.rename(place / "d", place / "e")
        file.write(b"after")
        gone.write(b"lives")
        assert os.pread(file.fileno(), 99, 0) == b"before after"
        assert os.pread(gone.fileno(), 99, 0) == b"nameless lives"
        assert os.fstat(gone.fileno()).st_nlink == 0
        assert os.fstat(file.fileno()).st_ino == before.st_ino
        assert os.listdir(names_before) == ["x"]
        mount.kill()
        assert (place / "e" / "x").read_bytes() == b"before after"
        os.ftruncate(gone.fileno(), 4)
        assert os.pread(gone.fileno(), 99, 0) == b"name"
        os.fsync(gone.fileno())
        assert len(os.listdir(mount.tree.parent / "orphans")) == 1
        os.close(names_before)
    deadline = time.monotonic() + 60
    while os.listdir(mount.tree.parent / "orphans"):
        assert time.monotonic() < deadline, "a file that nobody has open is still among the orphans"
        time.sleep(0.01)


def test_names_that_moved_are_found_again(mount: Deathly) -> None:
    place = mount.point
    (place / "a" / "b" / "c").mkdir(parents=True)
    here = os.open(place / "a" / "b" / "c", os.O_RDONLY | os.O_DIRECTORY)
    os.rename(place / "a", place / "z")
    (place / "one").write_bytes(b"linked")
    held = os.open(place / "one", os.O_RDONLY)
    os.link(place / "one", place / "two")
    os.unlink(place / "one")
    swapped = os.open(place / "two", os.O_RDONLY)
    mount.kill()
    os.mkdir("new", dir_fd=here)
    assert (place / "z" / "b" / "c" / "new").is_dir()
    assert (os.pread(held, 9, 0), os.pread(swapped, 9, 0)) == (b"linked", b"linked")
    assert os.fstat(held).st_nlink == 1
    for fd in (here, held, swapped):
        os.close(fd)


def test_a_file_that_its_mode_closes_stays_open_for_its_maker(mount: Deathly) -> None:
    fd = os.open(mount.point / "x", os.O_CREAT | os.O_RDWR, 0o000)
    mount.kill()
    os.write(fd, b"still")
    assert os.pread(fd, 9, 0) == b"still"
    assert os.fstat(fd).st_mode & 0o777 == 0
    os.close(fd)


def test_programs_under_kills_do_not_notice(mount: Deathly) -> None:
    """Four programs work on names, files and open files while the worker is killed again and again."""
    rounds = 6 if os.environ.get("CI") else 12
    stop = threading.Event()

    def killer() -> None:
        draw = random.Random(7)
        while not stop.wait(draw.uniform(0.05, 0.6)) and mount.deaths < 40:
            mount.kill()

    script = Path(__file__).with_name("names_storm.py")
    command = [sys.executable, str(script), str(mount.point)]
    storms = [subprocess.Popen([*command, f"{n}", f"{rounds}"], stderr=subprocess.PIPE) for n in range(4)]
    thread = threading.Thread(target=killer)
    thread.start()
    try:
        said = [storm.communicate(timeout=240)[1].decode() for storm in storms]
    finally:
        stop.set()
        thread.join()
        for storm in storms:
            storm.kill()
    assert [storm.returncode for storm in storms] == [0] * 4, "\n".join(said)
    assert mount.deaths > 0
    assert names(mount.point) == []
    assert names(mount.tree) == []


def test_a_copy_of_many_files_under_kills_is_whole(mount: Deathly, tmp_path: Path) -> None:
    source = tmp_path / "source"
    draw = random.Random(3)
    for n in range(300):
        folder = source / f"d{n % 17}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{n}").write_bytes(draw.randbytes(draw.choice((0, 10, 5_000, 300_000))))
    copying = subprocess.Popen(["cp", "-a", source, mount.point / "copy"], stderr=subprocess.PIPE)
    while copying.poll() is None and mount.deaths < 60:
        time.sleep(draw.uniform(0.01, 0.2))
        mount.kill()
    assert copying.communicate(timeout=120)[1] == b""

    def sums(top: Path) -> dict[str, str]:
        return {
            str(p.relative_to(top)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in top.rglob("*")
            if p.is_file()
        }

    assert sums(mount.point / "copy") == sums(source)
    subprocess.run(["rm", "-rf", mount.point / "copy"], check=True)
    assert names(mount.tree) == []
