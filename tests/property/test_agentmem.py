"""Store against a dictionary: whatever two agents of one realm do, what must be there is, byte for byte.

The model knows who owns, refers to and heads what. What nobody needs may be gone or not yet: that is not
asked.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from contextlib import suppress

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from nexus.agentmem import AccessError, Conversation, Launcher, Store, Unit, UnitNotFoundError, UnitType
from tests.agentmem_store import attach, running

AGENTS = ("ada", "bob")
CONTENTS = [b"", b"one", b"two" * 50, b"three" * 4000, bytes(65_537), b"six" * 500_000]
TYPES = (UnitType.CONVERSATION, UnitType.SYSTEM_PROMPT, UnitType.TOOL_RESULT)
NAMES = ("first", "second")

agents = st.sampled_from(AGENTS)
contents = st.sampled_from(CONTENTS)
types = st.sampled_from(TYPES)
names = st.sampled_from(NAMES)
spaces = st.sampled_from([None, True, False])
several = st.sampled_from([1, 3, 90])

_broker: list[Launcher] = []  # of the running test
_realms = itertools.cycle(range(200))  # a broker has 256; by the time one comes again it is empty


class StoreMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        realm = f"realm {next(_realms)}"
        self.stores: dict[str, Store] = {name: attach(_broker[0], name, realm=realm) for name in AGENTS}
        self.known: dict[bytes, bytes] = {}  # id: content
        self.private: dict[bytes, str] = {}  # id: whose
        # Ids differ from run to run (each has a realm of its own), the order in which they came does not.
        self.owned: dict[str, dict[bytes, None]] = {name: {} for name in AGENTS}
        self.held: dict[str, list[Unit]] = {name: [] for name in AGENTS}
        self.heads: dict[tuple[str, str], bytes] = {}
        self.talks: dict[tuple[str, str], Conversation] = {}
        self.said: dict[tuple[str, str], list[bytes]] = defaultdict(list)

    def teardown(self) -> None:
        for units in self.held.values():
            units.clear()
        for store in self.stores.values():
            store.close()

    def needed(self) -> set[bytes]:
        """What must be there for everybody."""
        ids: set[bytes] = set().union(*self.owned.values(), self.heads.values())
        return ids | {unit.id for units in self.held.values() for unit in units}

    @rule(
        agent=agents,
        kind=types,
        data=contents,
        private=spaces,
        hold=st.booleans(),
    )
    def publish(self, agent: str, kind: UnitType, data: bytes, private: bool | None, hold: bool) -> None:
        store = self.stores[agent]
        unit = store.publish(kind, data, private=private)
        assert (bytes(unit), unit.type) == (data, kind)
        assert unit.id == store.identify(kind, data, private=private)
        assert unit.existed or unit.id not in self.needed()
        self.known[unit.id] = data
        if private or (private is None and kind is UnitType.CONVERSATION):
            self.private[unit.id] = agent
        self.owned[agent][unit.id] = None
        if hold:
            self.held[agent].append(unit)

    @precondition(lambda self: self.known)
    @rule(agent=agents, data=st.data(), hold=st.booleans())
    def acquire(self, agent: str, data: st.DataObject, hold: bool) -> None:
        name = data.draw(st.sampled_from(list(self.known)))
        if self.private.get(name, agent) != agent:
            with pytest.raises((AccessError, UnitNotFoundError)):
                self.stores[agent].acquire(name)
            return
        if name in self.needed():
            unit = self.stores[agent].acquire(name)
            assert bytes(unit) == self.known[name]
            if hold:
                self.held[agent].append(unit)
            return
        with suppress(UnitNotFoundError):  # gone or not yet: when, is the broker's affair
            assert bytes(self.stores[agent].acquire(name)) == self.known[name]

    @precondition(lambda self: any(self.held.values()))
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        agent = data.draw(st.sampled_from([name for name in AGENTS if self.held[name]]))
        unit = self.held[agent].pop(data.draw(st.integers(0, len(self.held[agent]) - 1)))
        assert bytes(unit) == self.known[unit.id]
        unit.release()

    @precondition(lambda self: any(self.held.values()))
    @rule(data=st.data())
    def own(self, data: st.DataObject) -> None:
        agent = data.draw(st.sampled_from([name for name in AGENTS if self.held[name]]))
        name = data.draw(st.sampled_from([unit.id for unit in self.held[agent]]))
        self.stores[agent].own(name)
        self.owned[agent][name] = None

    @precondition(lambda self: any(self.owned.values()))
    @rule(data=st.data())
    def disown(self, data: st.DataObject) -> None:
        agent = data.draw(st.sampled_from([name for name in AGENTS if self.owned[name]]))
        name = data.draw(st.sampled_from(list(self.owned[agent])))
        self.stores[agent].disown(name)
        self.owned[agent].pop(name)

    @precondition(lambda self: any(self.owned.values()))
    @rule(data=st.data(), to=st.sampled_from([None, *AGENTS]))
    def share(self, data: st.DataObject, to: str | None) -> None:
        agent = data.draw(st.sampled_from([name for name in AGENTS if self.owned[name]]))
        name = data.draw(st.sampled_from(list(self.owned[agent])))
        shared = self.stores[agent].share(name, to)
        self.known[shared] = self.known[name]
        if to is not None:
            self.private[shared] = to
        self.owned[to or agent][shared] = None
        assert bytes(self.stores[to or agent].acquire(shared)) == self.known[name]

    @precondition(lambda self: any(self.owned.values()))
    @rule(data=st.data(), head=names)
    def set_head(self, data: st.DataObject, head: str) -> None:
        agent = data.draw(st.sampled_from([name for name in AGENTS if self.owned[name]]))
        name = data.draw(st.sampled_from(list(self.owned[agent])))
        self.stores[agent].set_head(f"head {head}", name)
        self.heads[agent, head] = name

    @rule(agent=agents, head=names)
    def remove_head(self, agent: str, head: str) -> None:
        if (agent, head) in self.heads:
            del self.heads[agent, head]
            self.stores[agent].set_head(f"head {head}", None)
        else:
            with pytest.raises(UnitNotFoundError):
                self.stores[agent].head(f"head {head}")

    @rule(
        agent=agents,
        name=names,
        kind=types,
        data=contents,
        starts=st.booleans(),
        times=several,
    )
    def append(self, agent: str, name: str, kind: UnitType, data: bytes, starts: bool, times: int) -> None:
        said = self.said[agent, name]
        talk = self.talks.setdefault((agent, name), self.stores[agent].conversation(name))
        for n in range(times):
            piece = data[:200] + b"%d" % (n % 7)
            talk.append(kind, piece, starts or not said)
            if starts or not said:
                said.append(b"")
            said[-1] += piece

    @rule(agent=agents)
    def reconnect(self, agent: str) -> None:
        self.stores[agent].reconnect()

    @rule(agent=agents, name=names)
    def read(self, agent: str, name: str) -> None:
        said = self.said[agent, name]
        for talk in (self.talks.get((agent, name)), self.stores[agent].conversation(name)):
            if talk is not None:
                assert len(talk) == len(said)
                assert [bytes(message) for message in talk[-5:]] == said[-5:]
                assert [bytes(message) for message in talk[::50]] == said[::50]

    @invariant()
    def what_is_needed_is_there(self) -> None:
        for agent in AGENTS:
            for name in self.owned[agent]:
                assert bytes(self.stores[agent].acquire(name)) == self.known[name]
            for unit in self.held[agent]:
                assert bytes(unit) == self.known[unit.id]
        for (agent, head), name in self.heads.items():
            assert self.stores[agent].head(f"head {head}") == name
            assert bytes(self.stores[agent].acquire(name)) == self.known[name]


def test_a_store_is_a_dictionary_that_forgets_only_what_nobody_needs() -> None:
    with running() as launcher:
        _broker.append(launcher)
        try:
            # The profile's deadline is for functions, not for a broker on a busy machine.
            run_state_machine_as_test(
                StoreMachine, settings=settings(deadline=None, max_examples=30, stateful_step_count=30)
            )
        finally:
            _broker.clear()
