"""Content by its id: what is published, found, kept, let go, kept apart and given away."""

from __future__ import annotations

import gc
import os
import threading

import pytest

from nexus.agentmem import (
    AccessError,
    BrokerGoneError,
    InvalidUnitError,
    Launcher,
    Store,
    TypeMismatchError,
    UnitNotFoundError,
    UnitType,
)
from tests.agentmem_store import attach, wait_until

PROMPT = b"You are a careful engineer. " * 300
LARGE = os.urandom(4096) * 700  # 2.8 MB: a memfd of its own


def other(store: Store, name: str = "other") -> Store:
    return Store.connect(store.socket, realm=store.realm, agent=name)


@pytest.mark.parametrize("data", [b"", b"x", PROMPT, bytes(65536), bytes(65537), LARGE], ids=len)
def test_what_is_published_is_read_back_and_found_by_another_agent(store: Store, data: bytes) -> None:
    unit = store.publish(UnitType.SYSTEM_PROMPT, data)
    assert bytes(unit) == data
    assert (unit.type, unit.form, len(unit), unit.existed) == (
        UnitType.SYSTEM_PROMPT,
        "raw",
        len(data),
        False,
    )
    assert unit.id == store.identify(UnitType.SYSTEM_PROMPT, data)
    with other(store) as second:
        assert bytes(second.acquire(unit.id)) == data
        found = second.publish(UnitType.SYSTEM_PROMPT, data)
        assert found.existed
        assert found.id == unit.id


def test_the_same_text_as_prompt_and_as_tool_is_two_units(store: Store) -> None:
    assert store.publish(UnitType.SYSTEM_PROMPT, PROMPT).id != store.publish(UnitType.TOOL_DEF, PROMPT).id


def test_realms_share_neither_bytes_nor_ids(store: Store) -> None:
    unit = store.publish(UnitType.TOOL_DEF, PROMPT)
    with Store.connect(store.socket, realm=store.realm + "2", agent="agent") as stranger:
        assert stranger.identify(UnitType.TOOL_DEF, PROMPT) != unit.id
        assert not stranger.publish(UnitType.TOOL_DEF, PROMPT).existed
        with pytest.raises(UnitNotFoundError):
            stranger.acquire(unit.id)


@pytest.mark.parametrize("data", [b"a secret", LARGE], ids=len)
def test_a_private_unit_is_its_agents_until_it_is_shared(store: Store, data: bytes) -> None:
    unit = store.publish(UnitType.CONVERSATION, data)
    with other(store) as second:
        with pytest.raises((AccessError, UnitNotFoundError)):
            second.acquire(unit.id)
        assert second.publish(UnitType.CONVERSATION, data).id != unit.id
        given = store.share(unit.id, "other")
        assert bytes(second.acquire(given)) == data
        everybody = store.share(unit.id)
        assert everybody == store.identify(UnitType.CONVERSATION, data, private=False)
        assert bytes(second.acquire(everybody)) == data


def test_what_nobody_owns_or_holds_is_freed_and_what_is_held_is_not(store: Store) -> None:
    unit = store.publish(UnitType.TOOL_RESULT, PROMPT)
    name = unit.id
    store.disown(name)
    assert bytes(store.acquire(name)) == PROMPT
    unit.release()

    def gone() -> bool:
        gc.collect()
        try:
            store.acquire(name).release()
        except UnitNotFoundError:
            return True
        return False

    wait_until(gone, "a unit without owner and reference was not freed")


def test_a_unit_found_again_is_owned_before_publish_returns(store: Store) -> None:
    first = other(store, "first")
    name = first.publish(UnitType.TOOL_RESULT, PROMPT).id
    store.publish(UnitType.TOOL_RESULT, PROMPT).release()
    first.close()
    assert bytes(store.acquire(name)) == PROMPT


def test_a_view_outlives_release_and_close(broker: Launcher) -> None:
    store = attach(broker, "viewer")
    unit, unseen = store.publish(UnitType.TOOL_RESULT, LARGE), store.publish(UnitType.TOOL_RESULT, PROMPT)
    view = memoryview(unit)
    assert view.readonly
    unit.release()
    unit.release()
    with pytest.raises(ValueError, match="released"):
        memoryview(unit)
    store.close()
    assert unseen.released
    assert view == LARGE
    with pytest.raises(BrokerGoneError, match="closed"):
        store.publish(UnitType.TOOL_RESULT, PROMPT)
    del view, unit


def test_the_connection_ends_with_the_last_view(broker: Launcher) -> None:
    def names() -> list[str]:
        return [agent["name"] for agent in watcher.agents()]

    with attach(broker, "watcher") as watcher:
        leaving = attach(broker, "leaving")
        view = memoryview(leaving.publish(UnitType.TOOL_RESULT, PROMPT))
        leaving.close()
        assert "leaving" in names()
        assert view == PROMPT
        view.release()
        wait_until(lambda: "leaving" not in names(), "the agent stayed after its last view")


def test_heads_keep_what_they_name(store: Store) -> None:
    first, second = (store.publish(UnitType.TOOL_RESULT, text).id for text in (b"one", b"two"))
    store.set_head("newest", first)
    store.disown(first)
    assert bytes(store.acquire(store.head("newest"))) == b"one"
    store.set_head("newest", second)
    assert store.head("newest") == second
    store.set_head("newest", None)
    with pytest.raises(UnitNotFoundError):
        store.head("newest")


def test_an_agent_is_seen_paused_and_marked(store: Store) -> None:
    assert (store.agent.state, store.agent.importance) == ("active", 50)
    store.agent.importance = 90
    store.agent.pause()
    assert (store.agent.state, store.agent.importance) == ("paused", 90)
    store.agent.resume()
    assert store.agent.state == "active"
    name = store.publish(UnitType.TOOL_RESULT, PROMPT).id
    store.mark(name, 100)
    store.heat([name])
    with other(store) as second:
        second.agent_named("agent").forget()
    wait_until(lambda: store.agent.figures()["units"] == 0, "forget left something owned")


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda store: store.acquire(bytes(32)), UnitNotFoundError),
        (lambda store: store.own(bytes(32)), UnitNotFoundError),
        (lambda store: store.acquire(b"short"), TypeError),
        (lambda store: store.acquire("x" * 32), TypeError),
        (lambda store: store.publish(0, b"x"), TypeMismatchError),
        (lambda store: store.publish(6, b"x"), TypeMismatchError),
        (lambda store: store.publish(UnitType.TOOL_DEF, "text"), TypeError),
        (lambda store: store.mark(store.publish(UnitType.TOOL_DEF, b"x").id, 101), InvalidUnitError),
        (lambda store: store.conversation(""), InvalidUnitError),
        (lambda store: store.conversation("x" * 256), InvalidUnitError),
        (lambda store: store.agent_named("nobody").pause(), UnitNotFoundError),
        (lambda store: Store.connect(store.socket, realm="x" * 256), InvalidUnitError),
        (lambda store: Store.connect(store.socket, importance=101), InvalidUnitError),
        (lambda store: Store.connect("/nowhere/agentmem.sock"), BrokerGoneError),
    ],
)
def test_what_cannot_be_is_refused_by_name(store: Store, call: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        call(store)  # type: ignore[operator]
    assert bytes(store.publish(UnitType.TOOL_DEF, b"and it goes on")) == b"and it goes on"


def test_threads_share_one_store(store: Store) -> None:
    contents = [f"content {n}".encode() * (n % 50 + 1) for n in range(60)]
    names = [store.publish(UnitType.TOOL_DEF, content).id for content in contents]
    failed: list[str] = []

    def work(seed: int) -> None:
        for n in range(2000):
            at = (n * 7 + seed * 13) % len(names)
            with store.acquire(names[at]) as unit:
                if bytes(unit) != contents[at]:
                    failed.append(f"{at} is not what it was")
            if n % 97 == 0:
                store.publish(UnitType.TOOL_RESULT, f"{seed} {n}".encode()).release()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    wait_until(lambda: store.agent.figures()["references"] == 0, "references were left")
