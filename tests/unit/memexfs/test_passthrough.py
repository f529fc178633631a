"""Files that the kernel reads and writes by itself, and the table of what is open."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.memexfs import passthrough
from nexus.memexfs.operations import Opened
from nexus.memexfs.passthrough import Backings
from nexus.memexfs.protocol import FOPEN_DIRECT_IO, FOPEN_PASSTHROUGH
from tests.memex_mounts import mounted, needs_root
from tests.memex_passthrough import Passthrough
from tests.memex_supervised import ROOT, Mount, until


class Watched(Passthrough):
    """Counts what the kernel still asks; files called `plain...` are not passed through."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, backing=True)
        self.reads = self.writes = 0

    def _opened(self, node: int, file: int) -> Opened:
        opened = super()._opened(node, file)
        return opened._replace(backing=None) if b"/plain" in self.path(node) else opened

    def read(self, node: int, handle: int, offset: int, size: int, flags: int) -> bytes | memoryview:
        self.reads += 1
        return super().read(node, handle, offset, size, flags)

    def write(self, node: int, handle: int, offset: int, data: memoryview, flags: int) -> int:
        self.writes += 1
        return super().write(node, handle, offset, data, flags)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    (tmp_path / "real").mkdir()
    shown = Watched(tmp_path / "real")
    with mounted(shown, tmp_path / "mount", passthrough=True):
        (tmp_path / "mount" / "probe").write_text("x")
        if shown.writes:
            pytest.skip("this kernel passes nothing through: Linux 6.9 and the right to mount are needed")
        yield shown


@needs_root
def test_bytes_do_not_pass_us(watched: Watched, tmp_path: Path) -> None:
    at, real = tmp_path / "mount", tmp_path / "real"
    content = os.urandom(2_000_001)
    (at / "f").write_bytes(content)
    assert (real / "f").read_bytes() == content
    assert (at / "f").read_bytes() == content
    with (at / "f").open("r+b") as one, (at / "f").open("rb") as two, (at / "f").open("ab") as three:
        one.write(b"new")
        one.flush()
        assert two.read(4) == b"new" + content[3:4]
        three.write(b"end")
        three.flush()
        assert (at / "f").stat().st_size == len(content) + 3
    (at / "f").write_text("short")
    assert (at / "f").read_text() == "short"
    assert (watched.reads, watched.writes) == (0, 0)


@needs_root
def test_a_file_that_is_open_otherwise_keeps_its_way(watched: Watched, tmp_path: Path) -> None:
    """The kernel wants all opens of a file alike, whatever the file system offers meanwhile."""
    at = tmp_path / "mount"
    (at / "plain").write_text("plain")
    assert watched.writes == 1
    with (at / "plain").open() as plain:
        (at / "plain").rename(at / "other")  # from here on the file system would pass it through
        with (at / "other").open("r+") as other:
            other.write("PL")
            other.flush()
            assert plain.read() == "PLain"
        assert watched.writes == 2
    # The other way round: passed through first, then one open that is not.
    with (at / "other").open("r+") as passed:
        (at / "other").rename(at / "plain2")
        with (at / "plain2").open("r+") as direct:
            assert direct.read() == "PLain"
            passed.write("again")
            passed.flush()
            direct.seek(0)
            assert direct.read() == "again"
    until(lambda: not watched._known)


@needs_root
def test_a_thousand_opens_leave_nothing_behind(watched: Watched, tmp_path: Path) -> None:
    at = tmp_path / "mount"
    for number in range(1000):
        (at / f"f{number % 7}").write_text(str(number))
        assert (at / f"f{number % 7}").read_text() == str(number)
    until(lambda: not watched._known)
    assert watched.writes == 0


@needs_root
def test_after_a_worker_died_open_files_keep_their_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    mount = Mount(tmp_path)
    try:
        (mount.real / "f").write_text("0123456789")
        mount.start(passthrough=True)
        with (mount.at / "f").open("r+") as before:
            assert before.read(1) == "0"
            worker = mount.serving.worker
            os.kill(worker, signal.SIGKILL)
            with (mount.at / "f").open("r+") as after:  # would be refused, were it opened otherwise
                after.write("new")
                after.flush()
                before.seek(0)
                assert before.read() == "new3456789"
        mapped = mount.client(
            "python3 -c \"import mmap, sys; f = open(sys.argv[1], 'r+b'); m = mmap.mmap(f.fileno(), 0); "
            'm[0:3] = b\'map\'; m.flush(); print(m[:].decode())" "$1/f"'
        )
        assert mapped.communicate(timeout=30)[0] == "map3456789\n"
        assert (mount.real / "f").read_text() == "map3456789"
    finally:
        mount.end()


class Device:
    """The kernel's side of backing files, as strict as it is."""

    def __init__(self) -> None:
        self.open: set[int] = set()
        self.last = 0

    def ioctl(self, fd: int, number: int, argument: bytes | bytearray) -> int | bytes:
        if isinstance(argument, bytearray):
            self.last += 1
            self.open.add(self.last)
            return self.last
        self.open.remove(int.from_bytes(argument, "little"))
        return argument


@given(st.lists(st.tuples(st.sampled_from("pcdrk"), st.integers(1, 4)), max_size=80))
def test_all_opens_of_a_node_are_alike_and_the_table_survives(steps: list[tuple[str, int]]) -> None:
    """Opens (with a backing file, without, direct), releases, and workers that die, in any order."""
    device, table = Device(), os.memfd_create("table")
    opens: dict[int, list[tuple[int, int]]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fcntl, "ioctl", device.ioctl)
        backings = Backings(-1, table)
        for what, node in steps:
            if what == "k":
                backings = Backings(-1, table)
            elif what == "r":
                if opens.get(node):
                    opens[node].pop()
                    backings.released(node)
            else:
                opened = Opened(9, direct=what == "d", backing=5 if what == "p" else None)
                opens.setdefault(node, []).append(backings.opened(node, opened))
            for held in opens.values():
                # As fs/fuse/iomode.c has it: one backing file for all, or none; and no cached open beside it.
                passed = {backing for flags, backing in held if flags & FOPEN_PASSTHROUGH}
                cached = [flags for flags, _ in held if not flags & (FOPEN_DIRECT_IO | FOPEN_PASSTHROUGH)]
                assert len(passed) <= 1
                assert passed <= device.open
                assert not (passed and cached)
                first = next((n for n, (flags, _) in enumerate(held) if flags & FOPEN_PASSTHROUGH), len(held))
                assert all(flags & FOPEN_PASSTHROUGH for flags, _ in held[first:])
        for node, held in opens.items():
            for _ in held:
                backings.released(node)
    assert not device.open
    os.close(table)


def test_the_table_grows_and_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    table = os.memfd_create("table")
    backings = Backings(-1, table)
    for node in range(1, 10_001):
        backings.opened(node, Opened(1))
    again = Backings(-1, table)
    assert len(again._row) == 10_000
    size = os.fstat(table).st_size
    for node in range(1, 10_001):
        again.released(node)
    for node in range(20_000, 30_000):
        again.opened(node, Opened(1))
    assert os.fstat(table).st_size == size
    os.close(table)


def test_what_may_not_be_passed_through_is_cached(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(fcntl, "ioctl", refuse)
    backings = Backings(-1)
    assert backings.opened(2, Opened(1, backing=5)) == (0, 0)
    assert backings.opened(3, Opened(1, backing=5)) == (0, 0)
    assert caplog.text.count("not passed through") == 1
    assert passthrough.flags_of(Opened(1, keep_cache=True)) == 2
