"""Every shelf is a dictionary, whatever is done to it in whatever order."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from nexus.agentmem.remote import FolderShelf, Shelf
from nexus.agentmem.remote.valkey import PIECE, ValkeyShelf
from tests.agentmem_valkey import cluster, serving

KEYS = st.sampled_from([b"k", b"\0", b"a" * 64, bytes(range(33)), b"{x}", b"u" + bytes(32)])
SIZES = st.sampled_from([0, 1, 100, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 5])
CONTENT = os.urandom(4 * PIECE)


class Machine(RuleBasedStateMachine):
    """A shelf beside a dict."""

    shelf: Shelf

    def __init__(self) -> None:
        super().__init__()
        self.shelf.drop(list(self.shelf.list()))
        self.model: dict[bytes, bytes] = {}

    @rule(values=st.dictionaries(KEYS, st.tuples(SIZES, st.integers(0, 100)), max_size=4))
    def put(self, values: dict[bytes, tuple[int, int]]) -> None:
        given = {key: CONTENT[start : start + size] for key, (size, start) in values.items()}
        self.shelf.put(given)
        self.model.update(given)

    @rule(keys=st.lists(KEYS, unique=True))
    def get(self, keys: list[bytes]) -> None:
        assert self.shelf.get(keys) == {key: self.model[key] for key in keys if key in self.model}

    @rule(keys=st.lists(KEYS))
    def has(self, keys: list[bytes]) -> None:
        assert self.shelf.has(keys) == set(keys) & self.model.keys()

    @rule(keys=st.lists(KEYS, unique=True))
    def drop(self, keys: list[bytes]) -> None:
        self.shelf.drop(keys)
        for key in keys:
            self.model.pop(key, None)

    @invariant()
    def lists_every_key_once(self) -> None:
        assert sorted(self.shelf.list()) == sorted(self.model)


def explore(shelf: Shelf, examples: int = 20) -> None:
    machine = type("Model", (Machine,), {"shelf": shelf})
    limits = settings(max_examples=examples, stateful_step_count=12, deadline=None)
    run_state_machine_as_test(machine, settings=limits)


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp())
    yield path
    shutil.rmtree(path)


def test_a_folder_is_a_dictionary(folder: Path) -> None:
    explore(FolderShelf(folder / "shelf"))


def test_a_server_is_a_dictionary_and_keeps_nothing_that_was_dropped() -> None:
    with serving() as server:
        shelf = ValkeyShelf(server.url, timeout=30)
        explore(shelf)
        shelf.drop(list(shelf.list()))
        assert shelf._connection().dbsize() == 0  # pieces of replaced values have gone, too
        shelf.close()


def test_a_cluster_is_a_dictionary() -> None:
    with cluster() as servers:
        several = "valkey://" + ",".join(server.url.removeprefix("valkey://") for server in servers)
        for url in (servers[1].url, several):
            shelf = ValkeyShelf(url, timeout=30)
            explore(shelf, examples=6)
            shelf.close()


@given(key=st.binary().filter(lambda key: not 0 < len(key) <= 64))
@settings(max_examples=20)
def test_keys_of_other_lengths_are_refused(key: bytes) -> None:
    shelf = FolderShelf(Path("never-made"))
    with pytest.raises(ValueError, match="1 to 64"):
        shelf.put({key: b""})
    with pytest.raises(ValueError, match="1 to 64"):
        shelf.get([key])
    assert not shelf.folder.exists()
