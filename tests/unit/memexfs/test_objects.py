"""Contents in objects and files sealed into them: whole, once, and back again, whatever is cut off."""

from __future__ import annotations

import os
import random
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from nexus.memexfs import content as content_module
from nexus.memexfs.content import MARK, Content, Mark, mark, parsed, written
from nexus.memexfs.objects import ChangedError, Objects, Sealed
from nexus.memexfs.sealing import Sealer

TEXT = b"the same words again and again\n" * 2000
NOISE = random.Random(7).randbytes(50_000)


@pytest.fixture
def objects(tmp_path: Path):
    opened = Objects(tmp_path / "objects")
    yield opened
    opened.close()


def put(objects: Objects, folder: Path, data: bytes) -> Sealed:
    path = folder / "source"
    path.write_bytes(data)
    fd = os.open(path, os.O_RDONLY)
    try:
        return objects.put(fd)
    finally:
        os.close(fd)


def content_of(objects: Objects, sealed: Sealed) -> bytes:
    fd = objects.open(sealed.digest, sealed.form)
    try:
        assert os.pread(fd, 5, 3) == os.pread(fd, 8, 0)[3:]
        return os.pread(fd, 10**6, 0)
    finally:
        os.close(fd)


@pytest.mark.parametrize("data", [b"", b"x", TEXT, NOISE, NOISE + TEXT * 9], ids=len)
def test_what_is_stored_comes_back_and_lies_there_once(objects: Objects, tmp_path: Path, data: bytes) -> None:
    sealed = put(objects, tmp_path, data)
    assert sealed.digest == blake3(data).hexdigest()
    assert sealed.form == ("zstd" if TEXT in data else "raw")
    assert put(objects, tmp_path, data) == sealed
    assert [one[:2] for one in objects] == [sealed[:2]]
    assert content_of(objects, sealed) == data
    assert content_of(objects, sealed) == data
    assert objects.verify(sealed.digest, sealed.form) == ""


def test_what_does_not_become_a_tenth_smaller_stays_as_it_is(objects: Objects, tmp_path: Path) -> None:
    sealed = put(objects, tmp_path, NOISE)
    assert next(iter(objects)).size == len(NOISE)
    assert sealed.form == "raw"


def test_a_file_that_changes_while_it_is_stored_is_not_stored(
    objects: Objects, tmp_path: Path, monkeypatch
) -> None:
    path = tmp_path / "source"
    path.write_bytes(TEXT)
    fd = os.open(path, os.O_RDWR)

    def changed(source: int, size: int) -> bool:
        os.pwrite(source, b"X", 100)
        return True

    monkeypatch.setattr("nexus.memexfs.objects._pays", changed)
    with pytest.raises(ChangedError):
        objects.put(fd)
    os.close(fd)
    assert list(objects) == []
    assert [one for one in (tmp_path / "objects").rglob("*") if one.is_file()] == []


@pytest.mark.parametrize("data", [TEXT, NOISE], ids=["zstd", "raw"])
def test_a_damaged_object_is_named_and_never_read_as_if_whole(
    objects: Objects, tmp_path: Path, data: bytes
) -> None:
    sealed = put(objects, tmp_path, data)
    [path] = [one for one in (tmp_path / "objects").rglob("*") if one.is_file()]
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(raw)
    assert objects.verify(sealed.digest, sealed.form)
    if sealed.form == "zstd":
        with pytest.raises(OSError, match="damaged"):
            objects.open(sealed.digest, sealed.form)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        objects.open(sealed.digest, sealed.form)


def test_the_trash_keeps_a_week_and_gives_back_what_is_asked_for(objects: Objects, tmp_path: Path) -> None:
    sealed = put(objects, tmp_path, TEXT)
    assert not objects.discard(sealed, before=time.time() - 60)  # stored since
    assert objects.discard(sealed, before=time.time() + 60)
    assert list(objects) == []
    assert list(objects.trashed()) == [sealed.digest]
    assert objects.empty_trash(time.time() + 6 * 86400) == 0
    assert content_of(objects, sealed) == TEXT
    assert objects.discard(sealed, before=time.time() + 60)
    assert objects.empty_trash(time.time() + 8 * 86400) > 0
    assert objects.form(sealed.digest) == ""


def test_unpacked_contents_take_a_bounded_place(tmp_path: Path) -> None:
    objects = Objects(tmp_path / "objects", cache_bytes=3 * len(TEXT))
    sealed = [put(objects, tmp_path, TEXT + bytes([n])) for n in range(8)]
    for n, one in enumerate(sealed):
        assert content_of(objects, one) == TEXT + bytes([n])
    assert len(objects._unpacked) == 2
    objects.close()


# ---- sealed files


@pytest.fixture
def content(objects: Objects) -> Content:
    return Content(objects)


@pytest.fixture
def file(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(TEXT)
    os.utime(path, ns=(10**18, 10**18 + 5))
    fd = os.open(path, os.O_RDWR)
    yield fd
    os.close(fd)


def read(content: Content, fd: int) -> bytes:
    """The content as a program would see it."""
    other = content.reading(fd)
    try:
        return os.pread(fd if other is None else other, 10**6, 0)
    finally:
        if other is not None:
            os.close(other)


def test_a_sealed_file_takes_no_place_and_looks_as_before(content: Content, file: int) -> None:
    before = os.fstat(file)
    sealed = content.seal(file)
    assert sealed is not None
    after = os.fstat(file)
    assert after.st_blocks == 0
    same = ("st_size", "st_mtime_ns", "st_atime_ns", "st_ino", "st_mode", "st_nlink", "st_uid")
    assert [getattr(after, name) for name in same] == [getattr(before, name) for name in same]
    assert read(content, file) == TEXT
    path_only = os.open(f"/proc/self/fd/{file}", os.O_PATH)
    assert read(content, path_only) == TEXT
    os.close(path_only)
    assert content.seal(file) is None


def test_opening_for_writing_brings_the_bytes_back(content: Content, file: int) -> None:
    content.seal(file)
    content.writing(file)
    assert mark(file) is None
    assert os.pread(file, 10**6, 0) == TEXT
    assert os.fstat(file).st_mtime_ns == 10**18 + 5
    content.writing(file)
    assert content.reading(file) is None


def test_a_file_that_is_emptied_needs_no_bytes_back(content: Content, file: int) -> None:
    content.seal(file)
    content.writing(file, emptied=True)
    assert (mark(file), os.fstat(file).st_size, content.reading(file)) == (None, 0, None)


def test_what_is_open_small_sparse_or_changing_is_not_sealed(
    content: Content, file: int, tmp_path: Path, monkeypatch
) -> None:
    status = os.fstat(file)
    content.opened.add((status.st_dev, status.st_ino))
    assert content.seal(file) is None
    content.opened.remove((status.st_dev, status.st_ino))
    other = os.open(tmp_path / "file", os.O_RDONLY)  # past the mount, but the kernel knows
    assert content.seal(file) is None
    os.close(other)
    small = os.open(tmp_path / "small", os.O_RDWR | os.O_CREAT)
    os.write(small, b"x" * 4095)
    assert content.seal(small) is None
    os.ftruncate(small, 10**8)
    assert content.seal(small) is None
    os.close(small)
    store = Objects.put

    def slow(self: Objects, source: int) -> Sealed:
        sealed = store(self, source)
        os.pwrite(source, b"X", 0)
        return sealed

    monkeypatch.setattr(Objects, "put", slow)
    assert content.seal(file) is None
    assert os.pread(file, 1, 0) == b"X"


STEPS = ["fsync", "fallocate", "utime", "setxattr", "removexattr", "ftruncate", "pwrite"]


class Killed(BaseException):
    pass


@pytest.mark.parametrize("action", ["seal", "writing", "emptied"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_whatever_step_a_kill_cuts_the_content_is_whole_and_mended(
    content: Content, file: int, tmp_path: Path, monkeypatch, action: str, step: str, done: bool
) -> None:
    """A kill is an end between two system calls: each is the last one in turn."""
    if action != "seal":
        content.seal(file)
    where = content_module._libc if step == "fallocate" else os

    def last(*args: object, **named: object) -> None:
        if done:
            real(*args, **named)
        raise Killed

    real = getattr(where, step)
    with monkeypatch.context() as patch:
        patch.setattr(where, step, last)
        with suppress(Killed):
            content.seal(file) if action == "seal" else content.writing(file, emptied=action == "emptied")
    fresh = Content(Objects(tmp_path / "objects"))
    emptied = action == "emptied" and mark(file) is None
    if mark(file) is not None and os.fstat(file).st_size == 0:
        assert fresh.mend(file)
    assert read(fresh, file) == (b"" if emptied else TEXT)
    fresh.mend(file)
    assert read(fresh, file) == (b"" if emptied else TEXT)
    assert fresh.mend(file) == ""
    if not emptied:
        assert os.fstat(file).st_size == len(TEXT)
        fresh.writing(file)
        assert os.pread(file, 10**6, 0) == TEXT


def test_a_lost_object_is_an_error_not_zeros(content: Content, file: int, tmp_path: Path) -> None:
    sealed = content.seal(file)
    assert sealed is not None
    for path in (tmp_path / "objects").rglob("*.zst"):
        path.unlink()
    with pytest.raises(OSError, match="is lost"):
        content.reading(file)
    with pytest.raises(OSError, match="is lost"):
        content.writing(file)
    assert mark(file) is not None


def test_readers_and_writers_while_a_file_is_sealed_again_and_again(content: Content, tmp_path: Path) -> None:
    """Each opens as the tree does: told first, then asked where the bytes are."""
    path = tmp_path / "file"
    path.write_bytes(TEXT)
    status = path.stat()
    inode = (status.st_dev, status.st_ino)
    end = time.monotonic() + 1.5
    wrong: list[object] = []

    def use(writes: bool) -> None:
        while time.monotonic() < end:
            content.opened.add(inode)
            fd = os.open(path, os.O_RDWR if writes else os.O_RDONLY)
            try:
                if writes:
                    content.writing(fd)
                    os.pwrite(fd, TEXT, 0)
                found = read(content, fd)
                if found != TEXT:
                    wrong.append(found[:100])
            except OSError as error:
                wrong.append(error)
            finally:
                os.close(fd)
                content.opened.remove(inode)
            time.sleep(0.002)

    users = [threading.Thread(target=use, args=(n == 0,)) for n in range(3)]
    for user in users:
        user.start()
    sealed = 0
    while time.monotonic() < end:
        fd = os.open(path, os.O_RDWR)
        sealed += content.seal(fd) is not None
        os.close(fd)
    for user in users:
        user.join()
    assert wrong == []
    assert path.stat().st_size == len(TEXT)


@given(st.binary(max_size=70) | st.binary(min_size=49, max_size=49).map(lambda rest: b"\1" + rest))
def test_no_bytes_in_a_mark_are_an_error(value: bytes) -> None:
    assert parsed(value) is None or written(parsed(value)) == value  # type: ignore[arg-type]


@given(
    st.integers(0, 2**63 - 1),
    st.integers(-(2**62), 2**62),
    st.booleans(),
    st.sampled_from(["raw", "zstd"]),
    st.binary(),
)
def test_a_mark_says_what_was_written(size: int, mtime: int, finished: bool, form: str, data: bytes) -> None:
    one = Mark(Sealed(blake3(data).hexdigest(), form, size), mtime, finished)
    assert parsed(written(one)) == one


def test_a_round_seals_what_is_idle_and_nothing_else(content: Content, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name in ("old.txt", "deep/er/old.txt", "node_modules/x.js", "new.txt", "small.txt"):
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(TEXT if "small" not in name else b"x")
    late = [time.time() + 500]
    sealer = Sealer(tree, content, now=lambda: late[0])
    assert sealer.round(rest=False) == 0
    late[0] += 500
    os.utime(tree / "new.txt", (late[0] - 60, late[0] - 60))
    assert sealer.round(rest=False) == 2
    assert sealer.round(rest=False) == 0
    with (tree / "old.txt").open("rb") as opened:
        assert os.getxattr(opened.fileno(), MARK)
    assert (sealer.files, sealer.bytes) == (2, 2 * len(TEXT))
