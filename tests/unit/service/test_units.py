"""What passes the service is kept once: with a real broker, without the rest of the service."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nexus.agentmem import Store, UnitType
from nexus.core.paths import Home
from nexus.core.settings import AgentmemSettings
from nexus.engine.base import ChatMessage, ChatRequest, Tool, ToolCall
from nexus.service.broker import Broker
from nexus.service.conversations import Conversations, Kept
from nexus.service.cutting import Said, read, tool_text
from nexus.service.units import MOST_WAITING, Units
from tests.agentmem_store import short_folder, skip_where_it_is_not_built

PATIENCE = 120.0
SYSTEM = ChatMessage("system", "You look after the harbour." * 50)
TOOL = Tool("look", "Look at a ship.", {"type": "object", "properties": {"name": {"type": "string"}}})


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


class Keeper:
    """A broker and a recorder, as the service has them."""

    def __init__(self, home: Home, **settings: float) -> None:
        self.home = home
        chosen = AgentmemSettings(cold_gib=0.125, **settings)  # type: ignore[arg-type]
        self.broker = Broker(home, chosen)
        self.units = Units(self.broker, chosen)
        self.broker.start()
        self.units.start()
        assert self.broker.await_ready(PATIENCE), self.broker.problem

    def stop(self) -> None:
        self.units.stop()
        self.broker.stop()

    def settle(self) -> None:
        until(lambda: self.units.waiting == 0, "everything is kept")

    def kept(self) -> list[Kept]:
        self.settle()
        known = Conversations(self.home.agentmem / "conversations.db")
        try:
            return known.all()
        finally:
            known.close()

    def read(self, kept: Kept) -> tuple[list[bytes], list[Said]]:
        """The preface and the messages of a conversation, byte for byte from the store."""
        with Store.connect(self.broker.socket, realm=kept.realm, agent=kept.agent, durable=True) as store:
            conversation = store.conversation(kept.name)
            pieces = list(conversation.pieces())
            before = 0
            while before < len(pieces) and not pieces[before].starts:
                before += 1
            first = [bytes(store.acquire(piece.id)) for piece in pieces[:before]]
            return first, [read(bytes(unit) for unit in message.units()) for message in conversation]


@pytest.fixture
def home() -> Iterator[Home]:
    skip_where_it_is_not_built()
    with short_folder() as folder:
        home = Home(folder)
        home.create()
        yield home


@pytest.fixture
def keeper(home: Home) -> Iterator[Keeper]:
    keeper = Keeper(home)
    yield keeper
    keeper.stop()


def request(*messages: ChatMessage, system: ChatMessage = SYSTEM) -> ChatRequest:
    return ChatRequest((system, *messages), tools=(TOOL,))


def user(text: str) -> ChatMessage:
    return ChatMessage("user", text)


def test_a_conversation_that_goes_on_is_one_and_is_read_back_as_it_was(keeper: Keeper) -> None:
    call = ToolCall("c1", "look", '{"name": "Aurelia"}')
    keeper.units.heard(request(user("Where is she?")), "", [call], program="tests", session="s1")
    answered = ChatMessage("tool", "At berth 9.", tool_call_id="c1")
    so_far = (user("Where is she?"), ChatMessage("assistant", "", (call,)), answered)
    keeper.units.heard(request(*so_far), "At berth 9. \n", [], program="tests", session="s1")
    last = (*so_far, ChatMessage("assistant", "At berth 9."), user("Thanks"))
    keeper.units.heard(request(*last), "Welcome.", [], program="tests", session="s1")
    (kept,) = keeper.kept()
    first, said = keeper.read(kept)
    assert first == [SYSTEM.content.encode(), tool_text(TOOL).encode()]
    called = {"id": "c1", "name": "look", "arguments": {"name": "Aurelia"}}
    assert said == [
        Said("user", ("Where is she?",)),
        Said("assistant", (), (called,)),
        Said("tool", ("At berth 9.",), (), "c1"),
        Said("assistant", ("At berth 9.",)),
        Said("user", ("Thanks",)),
        Said("assistant", ("Welcome.",)),
    ]
    assert (keeper.units.recorded, keeper.units.dropped) == (3, 0)


def test_another_word_in_the_middle_begins_another_conversation(keeper: Keeper) -> None:
    keeper.units.heard(request(user("one")), "1", [])
    keeper.units.heard(request(user("one"), ChatMessage("assistant", "1"), user("two")), "2", [])
    keeper.units.heard(request(user("one"), ChatMessage("assistant", "1"), user("three")), "3", [])
    texts = sorted([m.texts[0] for m in keeper.read(kept)[1]] for kept in keeper.kept())
    assert texts == [["one", "1", "three", "3"], ["one", "1", "two", "2"]]


def test_the_same_conversation_twice_is_kept_once(keeper: Keeper) -> None:
    for _ in range(2):
        keeper.units.heard(request(user("one")), "1", [])
        keeper.units.heard(request(user("one"), ChatMessage("assistant", "1"), user("two")), "2", [])
    (kept,) = keeper.kept()
    assert [m.texts[0] for m in keeper.read(kept)[1]] == ["one", "1", "two", "2"]


def test_what_the_client_says_the_last_answer_was_replaces_it(keeper: Keeper) -> None:
    keeper.units.heard(request(user("one")), "first, stop, rest", [])
    keeper.units.heard(request(user("one"), ChatMessage("assistant", "first,"), user("two")), "2", [])
    (kept,) = keeper.kept()
    assert [m.texts[0] for m in keeper.read(kept)[1]] == ["one", "first,", "two", "2"]


def test_two_programs_with_the_same_prompt_and_tools_share_them(keeper: Keeper) -> None:
    keeper.units.heard(request(user("a")), "1", [], program="one")
    keeper.settle()
    before = held(keeper)
    keeper.units.heard(request(user("b")), "2", [], program="two")
    keeper.settle()
    after = held(keeper)
    for kind in ("system_prompt", "tool_def"):
        assert after["types"][kind]["unique_bytes"] == before["types"][kind]["unique_bytes"] > 0
        assert after["types"][kind]["logical_bytes"] == 2 * before["types"][kind]["logical_bytes"]


def held(keeper: Keeper) -> dict[str, Any]:
    with Store.connect(keeper.broker.socket, agent="looker") as store:
        return store.stats()


def test_blocks_are_pieces_of_their_own(keeper: Keeper) -> None:
    blocks = ("<reminder>be brief</reminder>", "Where is she?")
    keeper.units.heard(request(ChatMessage("user", "\n\n".join(blocks), blocks=blocks)), "There.", [])
    (kept,) = keeper.kept()
    assert keeper.read(kept)[1][0].texts == blocks


def test_nothing_that_holds_a_credential_is_kept_also_where_it_stands_bare(keeper: Keeper) -> None:
    secret = "hV9x-Kq2Lm7Zr4Tw"
    messages = (
        user(f"export DB_PASSWORD={secret}"),
        ChatMessage("assistant", "Done."),
        user(f"is it {secret} ?"),
    )
    keeper.units.heard(request(*messages), f"Yes, {secret} it is.", [], session=f"password={secret}")
    (kept,) = keeper.kept()
    _, said = keeper.read(kept)
    assert len(said) == 4
    assert "[removed" in said[0].texts[0]
    assert secret not in f"{said} {kept}"
    assert secret.encode() not in b"".join(
        p.read_bytes() for p in keeper.home.agentmem.rglob("*") if p.is_file()
    )


def test_it_goes_on_after_the_broker_was_killed_and_after_a_restart(home: Home) -> None:
    keeper = Keeper(home)
    keeper.units.heard(request(user("one")), "1", [])
    keeper.settle()
    with Store.connect(keeper.broker.socket) as store:
        os.kill(store.stats()["process"]["pid"], signal.SIGKILL)
    so_far = (user("one"), ChatMessage("assistant", "1"))
    keeper.units.heard(request(*so_far, user("two")), "2", [])
    (kept,) = keeper.kept()
    assert (keeper.units.recorded, keeper.units.dropped) == (2, 0)
    keeper.stop()
    again = Keeper(home)
    try:
        more = (*so_far, user("two"), ChatMessage("assistant", "2"), user("three"))
        again.units.heard(request(*more), "3", [])
        (found,) = again.kept()
        assert found.name == kept.name
        assert [m.texts[0] for m in again.read(found)[1]] == ["one", "1", "two", "2", "three", "3"]
    finally:
        again.stop()


def test_the_oldest_go_when_all_are_too_long_and_their_agents_with_them(home: Home) -> None:
    keeper = Keeper(home, keep_mib=1)
    try:
        for number in range(8):
            long = user(f"{number} {os.urandom(100_000).hex()}")
            keeper.units.heard(request(long), "ok", [], program=f"p{number}")
        for number in range(64):  # it looks every 64 turns and every ten minutes
            keeper.units.heard(request(user(f"short {number}")), "ok", [], program="p7")
        left = keeper.kept()
        assert sum(kept.bytes for kept in left) <= 1 << 20
        with Store.connect(keeper.broker.socket, agent="looker") as store:
            until(lambda: "p0" not in {a["name"] for a in store.agents()}, "the agent has gone")
            assert "p7" in {agent["name"] for agent in store.agents()}
        keeper.units.forget()
        until(lambda: keeper.units.as_dict()["conversations"] == 0, "everything is forgotten")
    finally:
        keeper.stop()


def test_a_full_queue_drops_counts_and_never_waits(home: Home) -> None:
    settings = AgentmemSettings()
    units = Units(Broker(home, settings), settings)  # nothing is started: nobody takes anything out
    for number in range(MOST_WAITING + 7):
        units.heard(request(user(str(number))), "ok", [])
    assert (units.waiting, units.dropped) == (MOST_WAITING, 7)
    units.stop()


def test_switched_off_it_takes_nothing(home: Home) -> None:
    settings = AgentmemSettings(record=False)
    units = Units(Broker(home, settings), settings)
    units.heard(request(user("one")), "1", [])
    assert (units.waiting, units.dropped, units.as_dict()["recording"]) == (0, 0, False)


def test_what_hooks_tell_of_a_session_is_kept_in_its_project(keeper: Keeper) -> None:
    for role, text in (("user", "Fix the crane"), ("assistant", "Fixed.")):
        keeper.units.said(text, role, program="Claude Code", session="s9", project="/srv/crane")  # type: ignore[arg-type]
    (kept,) = keeper.kept()
    assert (kept.realm, kept.agent) == ("/srv/crane", "Claude Code s9")
    assert [(m.role, *m.texts) for m in keeper.read(kept)[1]] == [
        ("user", "Fix the crane"),
        ("assistant", "Fixed."),
    ]


def test_the_types_of_pieces_are_those_of_the_seed(keeper: Keeper) -> None:
    result = ChatMessage("tool", "42", tool_call_id="c")
    call = ToolCall("c", "look", "{}")
    keeper.units.heard(request(user("?"), ChatMessage("assistant", "", (call,)), result), "42 it is", [])
    (kept,) = keeper.kept()
    with Store.connect(keeper.broker.socket, agent=kept.agent, durable=True) as store:
        types = [piece.type for piece in store.conversation(kept.name).pieces()]
    assert types[:2] == [UnitType.SYSTEM_PROMPT, UnitType.TOOL_DEF]
    assert types.count(UnitType.TOOL_RESULT) == 1
