"""Reading memories again and again: what a file says at this moment, and no more kept than the bound."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from nexus.core.errors import InvalidInputError, SecretError
from nexus.cortex import memory_reader
from nexus.cortex.memory import MemoryStore
from nexus.cortex.memory_file import Memory, parse
from nexus.cortex.memory_reader import MemoryReader

OLD = time.time_ns() - 10**12


@pytest.fixture
def settled(monkeypatch):
    """As if what is written now had been written long ago."""
    monkeypatch.setattr(memory_reader, "_SETTLED_NS", -(10**18))


@pytest.fixture
def parsed(monkeypatch):
    """How often a file was really read."""
    counted: list[Path] = []

    def counting(path: Path) -> Memory:
        counted.append(path)
        return parse(path)

    monkeypatch.setattr(memory_reader, "parse", counting)
    return counted


def test_a_file_is_read_once_until_it_changes(tmp_path, settled, parsed):
    store, reader = MemoryStore(tmp_path), MemoryReader()
    memory = store.add("staging listens on port 6543")
    path = store.path(memory.id)
    assert reader.read(path) == reader.read(path) == memory
    assert len(parsed) == 1
    changed = store.update(memory.id, learning="staging listens on port 7654")
    assert reader.read(path) == changed
    assert len(parsed) == 2


def test_a_change_by_hand_of_the_same_length_is_seen_though_its_time_is_put_back(tmp_path, settled):
    store, reader = MemoryStore(tmp_path), MemoryReader()
    path = store.path(store.add("staging listens on port 6543").id)
    os.utime(path, ns=(OLD, OLD))
    assert reader.read(path).learning.endswith("6543")
    time.sleep(0.02)  # the disk's clock ticks at least so often
    with path.open("r+b") as file:
        text = file.read()
        file.seek(0)
        file.write(text.replace(b"6543", b"7654"))
    os.utime(path, ns=(OLD, OLD))
    assert reader.read(path).learning.endswith("7654")


def test_what_changed_a_moment_ago_is_read_each_time(tmp_path, parsed):
    store, reader = MemoryStore(tmp_path), MemoryReader()
    path = store.path(store.add("staging listens on port 6543").id)
    reader.read(path)
    reader.read(path)
    assert len(parsed) == 2


def test_no_more_is_kept_than_the_bound_and_nothing_after_clearing(tmp_path, settled, parsed):
    store, reader = MemoryStore(tmp_path), MemoryReader(most=3)
    paths = [store.path(store.add(f"fact number {n}").id) for n in range(5)]
    for _ in range(2):
        for path in paths:
            reader.read(path)
    assert len(parsed) == 5 + 2
    reader.clear()
    reader.read(paths[0])
    assert len(parsed) == 8


def test_what_cannot_be_read_is_an_error_each_time_and_the_mended_file_is_read(tmp_path, settled):
    store, reader = MemoryStore(tmp_path), MemoryReader()
    memory = store.add("staging listens on port 6543")
    path, good = store.path(memory.id), store.path(memory.id).read_bytes()
    assert reader.read(path) == memory
    path.write_bytes(b"no memory")
    for _ in range(2):
        with pytest.raises(InvalidInputError):
            reader.read(path)
    path.write_bytes(good.replace(b"6543", b"6543, key AKIAQ3EGRIXD7ZNW5C2T"))
    for _ in range(2):
        with pytest.raises(SecretError):
            reader.read(path)
    path.write_bytes(good)
    assert reader.read(path) == memory
    path.unlink()
    with pytest.raises(InvalidInputError, match="cannot be read"):
        reader.read(path)
