"""The real tree with its history and its sealed contents: what programs do is known, kept and read right."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexus.memexfs.node import Node
from nexus.memexfs.operations import Caller, Change
from nexus.memexfs.real import Files
from nexus.memexfs.sealing import Sealer
from tests.memex_tree import Tree

ME = Caller(os.geteuid(), os.getegid(), os.getpid())
LONG = b"a line of a text that is long enough\n" * 1000


class Mounted:
    """Files as a mount would ask them."""

    def __init__(self, home: Path) -> None:
        self.tree = Tree(home)
        self.tree.start()
        self.files = Files(self.tree.root, recorder=self.tree.history, content=self.tree.content)
        self.sealer = Sealer(self.tree.root, self.tree.content, now=lambda: time.time() + 10**6)

    def write(self, name: bytes, data: bytes, flags: int = os.O_TRUNC) -> None:
        flags |= os.O_WRONLY | os.O_CREAT
        try:
            handle = self.files.resolve(name).open(flags, ME)
        except FileNotFoundError:
            _, handle = self.files.root.create(name, flags, 0o644, ME)
        handle.write(0, memoryview(data))
        handle.flush()
        handle.release()

    def read(self, name: bytes) -> bytes:
        handle = self.files.resolve(name).open(os.O_RDONLY, ME)
        try:
            return bytes(handle.read(0, 10**6))
        finally:
            handle.release()

    def node(self, name: bytes) -> Node:
        return self.files.resolve(name)


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Mounted]:
    made = Mounted(tmp_path)
    yield made
    made.tree.stop()


def test_saving_removing_and_replacing_keeps_identity_and_versions(mounted: Mounted) -> None:
    store, history = mounted.tree.store, mounted.tree.history
    mounted.write(b"a.txt", LONG + b"1")
    assert history.settle()
    file = store.ensure(b"a.txt")
    store.tag(file, "work")
    mounted.write(b"a.txt", LONG + b"2")
    mounted.tree.next_burst()
    mounted.write(b"sedQq12Zz", LONG + b"3")
    mounted.files.root.rename(b"sedQq12Zz", mounted.files.root, b"a.txt", 0, ME)
    mounted.tree.next_burst()
    mounted.files.root.unlink(b"a.txt", ME)
    assert history.settle()
    assert store.tagged(["work"], 9) == []
    mounted.write(b"a.txt", LONG + b"4")
    assert history.settle()
    assert [row.id for row in store.tagged(["work"], 9)] == [file]
    versions = store.versions(b"a.txt")
    assert [(mounted.tree.text(one)[-1:], one.cause) for one in versions] == [
        (b"3", "removed"),
        (b"2", "replaced"),
        (b"1", "truncated"),
    ]
    mounted.tree.assert_sound()


def test_a_sealed_file_is_read_written_cut_and_emptied_as_any_other(mounted: Mounted) -> None:
    def sealed(name: bytes) -> None:
        mounted.write(name, LONG)
        assert mounted.sealer.round(rest=False) >= 1
        assert mounted.tree.real(name).stat().st_blocks == 0

    sealed(b"read")
    assert mounted.read(b"read") == LONG
    assert mounted.node(b"read").attributes().size == len(LONG)
    assert mounted.tree.real(b"read").stat().st_blocks == 0

    mounted.write(b"read", b"X", flags=0)
    assert mounted.read(b"read") == b"X" + LONG[1:]

    sealed(b"cut")
    mounted.node(b"cut").change(Change(size=10), None, ME)
    assert mounted.read(b"cut") == LONG[:10]

    sealed(b"emptied")
    mounted.write(b"emptied", b"new")
    assert mounted.read(b"emptied") == b"new"
    assert mounted.tree.history.settle()
    assert [mounted.tree.text(one) for one in mounted.tree.store.versions(b"emptied")] == [LONG]
    mounted.tree.assert_sound()


def test_who_reads_a_sealed_file_sees_what_another_writes_to_it(mounted: Mounted) -> None:
    mounted.write(b"a", LONG)
    assert mounted.sealer.round(rest=False) == 1
    reader = mounted.node(b"a").open(os.O_RDONLY, ME)
    assert bytes(reader.read(0, 5)) == LONG[:5]
    mounted.write(b"a", b"other", flags=0)
    assert bytes(reader.read(0, 5)) == b"other"
    assert mounted.sealer.round(rest=False) == 0
    reader.release()
    del reader  # its descriptor is closed with it
    assert mounted.sealer.round(rest=False) == 1


def test_a_sealed_file_that_is_removed_while_it_is_read_is_read_to_its_end(mounted: Mounted) -> None:
    mounted.write(b"a", LONG)
    assert mounted.sealer.round(rest=False) == 1
    reader = mounted.node(b"a").open(os.O_RDONLY, ME)
    mounted.files.root.unlink(b"a", ME)
    assert bytes(reader.read(0, len(LONG))) == LONG
    reader.release()
    assert mounted.tree.history.settle()
    assert [mounted.tree.text(one) for one in mounted.tree.store.versions(b"a")] == [LONG]


def test_nothing_is_read_wrong_while_files_are_sealed_all_the_time(mounted: Mounted) -> None:
    names = [b"%d" % n for n in range(6)]
    for name in names:
        mounted.write(name, name + LONG)
    end = time.monotonic() + 1.5
    wrong: list[object] = []

    def use(seed: int) -> None:
        chance = random.Random(seed)
        while time.monotonic() < end and not wrong:
            name = chance.choice(names)
            try:
                if chance.random() < 0.3:
                    mounted.write(name, name + LONG, flags=0)
                elif mounted.read(name) != name + LONG:
                    wrong.append(name)
            except OSError as error:
                wrong.append(error)
            time.sleep(0.001)

    users = [threading.Thread(target=use, args=(seed,)) for seed in range(3)]
    for user in users:
        user.start()
    while time.monotonic() < end:
        mounted.sealer.round(rest=False)
    for user in users:
        user.join()
    assert wrong == []
    assert mounted.sealer.files > 0
    assert mounted.tree.history.settle()
    mounted.tree.assert_sound()
