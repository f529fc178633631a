"""What an agent has comes out of a pack as it went in, and what a manifest says is read or refused."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.agentmem import Launcher, Store, UnitType
from nexus.agentmem.errors import CorruptUnitError
from nexus.agentmem.manifest import Manifest
from nexus.agentmem.remote import FolderShelf, Secret, SharedSpace
from tests.agentmem_store import attach, running

CONTENT = st.one_of(st.binary(max_size=200), st.sampled_from([b"", b"the same", b"x" * 70_000]))
BLOCK = st.tuples(st.sampled_from(list(UnitType)), CONTENT, st.booleans())
NAME = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=40)
AGENT = st.fixed_dictionaries(
    {
        "conversations": st.dictionaries(NAME, st.lists(BLOCK, min_size=1, max_size=8), max_size=3),
        "owned": st.lists(BLOCK, max_size=4),  # the last says: private
    }
)
NUMBER = itertools.count()
Told = tuple[dict[str, list[tuple[int, bytes, bool]]], list[tuple[int, bytes, bool]]]


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[Launcher, Launcher]]:
    with running() as here, running() as there:
        yield here, there


def build(store: Store, agent: dict[str, Any]) -> None:
    for name, blocks in agent["conversations"].items():
        conversation = store.conversation(name)
        for kind, data, starts in blocks:
            conversation.append(kind, data, starts)
    for kind, data, private in agent["owned"]:
        store.publish(kind, data, private=private).release()


def told(store: Store) -> Told:
    """All that can be said of it without ids."""
    had = store.inventory()
    conversations = {}
    for name in had.heads:
        pieces = []
        for piece in store.conversation(name).pieces():
            with store.acquire(piece.id) as unit:
                pieces.append((int(piece.type), bytes(unit), piece.starts))
        conversations[name] = pieces
    owned = []
    for unit_id in had.owned:
        with store.acquire(unit_id) as unit:
            private = store.identify(unit.type, unit, private=True) == unit_id
            owned.append((int(unit.type), bytes(unit), private))
    return conversations, sorted(owned)


@given(agent=AGENT)
@settings(max_examples=40, deadline=None)
def test_an_agent_comes_out_of_a_pack_as_it_went_in(
    hosts: tuple[Launcher, Launcher], agent: dict[str, Any]
) -> None:
    realm = f"pack {next(NUMBER)}"
    with (
        attach(hosts[0], "agent", realm=realm, durable=True) as here,
        attach(hosts[1], "agent", realm=realm, durable=True) as there,
        tempfile.TemporaryDirectory() as folder,
    ):
        build(here, agent)
        before = told(here)
        pack = Path(folder) / "pack"
        here.export(pack)
        there.import_(pack)
        assert told(there) == before
        assert told(here) == before
        there.import_(pack)
        assert told(there) == before
        here.agent.forget()
        there.agent.forget()


@given(agent=AGENT)
@settings(max_examples=30, deadline=None)
def test_an_agents_conversations_come_over_a_shelf_as_they_were(
    hosts: tuple[Launcher, Launcher], agent: dict[str, Any]
) -> None:
    realm = f"shelf {next(NUMBER)}"
    with (
        attach(hosts[0], "agent", realm=realm, durable=True) as here,
        attach(hosts[1], "agent", realm=realm, durable=True) as there,
        tempfile.TemporaryDirectory() as folder,
    ):
        build(here, agent)
        space = SharedSpace(FolderShelf(Path(folder)), Secret.create(Path(folder) / "key"))
        pushed = space.push(here, conversations=True)
        assert set(pushed.heads) == set(agent["conversations"])
        if agent["conversations"]:
            space.pull(there)
        assert told(there)[0] == told(here)[0]
        here.agent.forget()
        there.agent.forget()


IDS = st.binary(min_size=32, max_size=32)
SPACES = st.lists(st.sampled_from(["private", "shared"]), min_size=1, unique=True).map(sorted)
WORD = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=60)


@given(
    agent=WORD,
    importance=st.integers(0, 100),
    heads=st.dictionaries(WORD, IDS, max_size=4),
    owned=st.dictionaries(IDS, SPACES, max_size=4),
    spaces=st.dictionaries(IDS, SPACES, max_size=4),
    names=st.none() | IDS,
)
def test_a_manifest_says_what_it_was_given(**fields: Any) -> None:
    said = Manifest(realm="realm", **fields)
    assert Manifest.from_bytes(said.to_bytes(), 0) == said


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("nexus", "version", "agent", "realm", "importance", "heads", "owned", "spaces", "names")


@given(data=st.binary(max_size=300) | JSON.map(lambda value: json.dumps(value).encode()))
def test_bytes_that_are_no_manifest_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptUnitError, match="the manifest at byte 7"):
        Manifest.from_bytes(data, 7)


@given(field=st.sampled_from(FIELDS), value=JSON)
def test_a_manifest_with_one_strange_field_is_read_or_refused(field: str, value: Any) -> None:
    said = json.loads(Manifest("agent", "realm", heads={"a": bytes(32)}).to_bytes())
    said[field] = value
    try:
        read = Manifest.from_bytes(json.dumps(said).encode(), 7)
    except CorruptUnitError:
        return
    assert Manifest.from_bytes(read.to_bytes(), 0) == read
