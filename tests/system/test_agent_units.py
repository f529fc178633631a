"""What real clients send to a running service becomes units: whole, once for all, and there after a restart.

The model is a script; the clients, the service, the broker and everything between them are real.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from nexus.agentmem import Store
from nexus.agentmem.footprint import footprint
from nexus.service.cutting import canonical, read
from tests.running import Service, running
from tests.system.scripted_engine import NAME, ScriptedEngine, scripted_engine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SYSTEM = "You look after the harbour of Aurelia. " * 200
SCHEMA = {"type": "object", "properties": {"ship": {"type": "string"}}, "required": ["ship"]}
ASKED, FOUND, WORDS = "Where does the Aurelia lie?", "She lies at berth 9.", "The Aurelia lies at berth 9."
TOOL = canonical({"name": "look", "description": "Look at a ship.", "parameters": SCHEMA})


@pytest.fixture
def engine() -> Iterator[ScriptedEngine]:
    with scripted_engine("look", {"ship": "Aurelia"}, WORDS) as engine:
        yield engine


@pytest.fixture
def service(tmp_path: Path, models_folder: Path, engine: ScriptedEngine) -> Iterator[Service]:
    with running(tmp_path / "home", models_folder, **engine.environment) as service:
        state = status(service)["state"]
        if state == "missing":
            pytest.skip("nexus-agentmemd is not built; mend it with: make up")
        yield service


def status(service: Service) -> Any:
    with service.client() as http:
        return http.get("/api/status").raise_for_status().json()["agent_memory"]


def until(condition: Callable[[], object], what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)


def settled(service: Service, recorded: int) -> None:
    until(lambda: status(service)["recorded"] >= recorded, lambda: (status(service), service.log()))


def ask_openai(service: Service, *more: dict[str, Any]) -> Any:
    function = {"name": "look", "description": "Look at a ship.", "parameters": SCHEMA}
    said: Any = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": ASKED}, *more]
    tools: Any = [{"type": "function", "function": function}]
    with openai.OpenAI(base_url=f"{service.url}/v1", api_key=service.token, max_retries=0) as client:
        return client.chat.completions.create(model=NAME, messages=said, tools=tools)


def ask_anthropic(service: Service, *more: dict[str, Any], session: str = "") -> Any:
    tools: Any = [{"name": "look", "description": "Look at a ship.", "input_schema": SCHEMA}]
    said: Any = [{"role": "user", "content": ASKED}, *more]
    user: Any = {"user_id": f"user_x_account__session_{session}" if session else None}
    with anthropic.Anthropic(base_url=service.url, api_key=service.token, max_retries=0) as client:
        return client.messages.create(
            model=NAME, max_tokens=200, system=SYSTEM, messages=said, tools=tools, metadata=user
        )


def converse_openai(service: Service) -> None:
    said = ask_openai(service).choices[0].message
    (call,) = said.tool_calls
    result = {"role": "tool", "tool_call_id": call.id, "content": FOUND}
    assert ask_openai(service, said.model_dump(exclude_none=True), result).choices[0].message.content == WORDS


def converse_anthropic(service: Service, session: str = "") -> None:
    said = ask_anthropic(service, session=session)
    (used,) = [block for block in said.content if block.type == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": used.id, "content": FOUND}]
    turns = (
        {"role": "assistant", "content": [block.model_dump() for block in said.content]},
        {"role": "user", "content": results},
    )
    assert ask_anthropic(service, *turns, session=session).content[0].text == WORDS


def kept(service: Service) -> list[tuple[str, str, str]]:
    with sqlite3.connect(f"file:{service.root}/agentmem/conversations.db?mode=ro", uri=True) as db:
        return sorted(db.execute("SELECT agent, realm, name FROM conversations"))


def read_back(service: Service, agent: str, realm: str, name: str) -> tuple[list[bytes], list[Any]]:
    """The preface and the messages of a conversation, from the broker."""
    with Store.connect(
        service.root / "run" / "agentmem.sock", realm=realm, agent=agent, durable=True
    ) as store:
        conversation = store.conversation(name)
        pieces = list(conversation.pieces())
        before = [
            bytes(store.acquire(piece.id)) for piece in pieces[: [p.starts for p in pieces].index(True)]
        ]
        return before, [read(bytes(unit) for unit in message.units()) for message in conversation]


def test_two_clients_with_one_prompt_and_one_tool_share_them_and_both_are_whole(service: Service) -> None:
    converse_openai(service)
    settled(service, 2)
    until(lambda: status(service)["logical_bytes"], lambda: status(service))
    before = status(service)["types"]
    converse_anthropic(service, session="one")
    settled(service, 4)
    until(lambda: status(service)["agents"] == 2, lambda: status(service))
    rows = kept(service)
    assert [agent for agent, _, _ in rows] == sorted(["Anthropic/Python one", "OpenAI/Python"])
    for row in rows:
        first, said = read_back(service, *row)
        # The interfaces take blanks at the end of a system prompt as they come.
        assert first == [SYSTEM.encode(), TOOL.encode()]
        assert [(m.role, m.texts) for m in said] == [
            ("user", (ASKED,)),
            ("assistant", ()),
            ("tool", (FOUND,)),
            ("assistant", (WORDS,)),
        ]
        assert said[1].calls[0]["arguments"] == {"ship": "Aurelia"}
        assert said[1].calls[0]["id"] == said[2].call_id

    def shared() -> bool:
        now = status(service)["types"]
        return all(
            now[kind]["unique_bytes"] == before[kind]["unique_bytes"] > 0
            and now[kind]["logical_bytes"] == 2 * now[kind]["unique_bytes"]
            for kind in ("system_prompt", "tool_def", "tool_result")
        )

    until(shared, lambda: (before, status(service)["types"]))
    assert status(service)["saved_bytes"] > 0
    with service.client() as http:
        series = http.get("/metrics").text
    for name in ("up 1", 'stored_bytes{type="tool_def"}', "recorded_total 4", "restore_seconds_count"):
        assert f"nexus_agentmem_{name}" in series, name
    assert "nexus_agentmem_pss_bytes" in series
    told = json.loads(service.cli("agents", "stats", "--json").stdout)
    assert told["types"]["system_prompt"]["unique_bytes"] == len(SYSTEM)
    assert {agent["name"] for agent in told["agents"]} >= {"OpenAI/Python"}
    assert "LogicalBytes" in service.cli("agents", "stats", "--text").stdout
    folded = service.cli("agents", "stats", "--folded").stdout
    sizes = dict(line.rsplit(" ", 1) for line in folded.splitlines())
    # As it is, or compressed, where memory is short, or perhaps both.
    assert 0 < int(sizes["shared;system_prompt"]) < 1.5 * len(SYSTEM)
    picture = service.root.parent / "held.svg"
    assert service.cli("agents", "stats", "--flamegraph", str(picture)).returncode == 0
    assert "OpenAI/Python" in picture.read_text()


def test_a_broker_that_is_killed_costs_no_answer_and_a_restart_no_conversation(service: Service) -> None:
    converse_openai(service)
    settled(service, 2)
    with Store.connect(service.root / "run" / "agentmem.sock") as store:
        os.kill(store.stats()["process"]["pid"], signal.SIGKILL)
    converse_anthropic(service)
    settled(service, 4)
    with Store.connect(service.root / "run" / "agentmem.sock") as store:
        broker = store.stats()["process"]["pid"]
    # Its supervisor too: then the service starts another.
    os.kill(int(Path(f"/proc/{broker}/stat").read_text().rpartition(")")[2].split()[1]), signal.SIGKILL)
    until(lambda: status(service)["restarts"] == 1, lambda: status(service))
    converse_openai(service)
    settled(service, 6)
    before = kept(service)
    assert service.stop() == 0
    assert not (service.root / "run" / "agentmem.sock").exists()
    service.start()
    until(lambda: status(service)["state"] == "ready", lambda: status(service))
    assert kept(service) == before
    for row in before:
        first, said = read_back(service, *row)
        assert first == [SYSTEM.encode(), TOOL.encode()]
        assert said[-1].texts == (WORDS,)
    assert status(service)["dropped"] == 0


def test_memory_stays_flat_however_much_passes(service: Service) -> None:
    many = int(os.environ.get("NEXUS_TEST_UNITS", "600"))
    result = {"role": "tool", "tool_call_id": "c", "content": FOUND}
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    sizes = []
    with service.client() as http:
        for number in range(many):
            messages = [
                {"role": "system", "content": SYSTEM},
                {"role": "user", "content": f"{ASKED} {number}"},
                {"role": "assistant", "tool_calls": [call]},
                result,
            ]
            body = {"model": NAME, "messages": messages, "user": f"session {number % 50}"}
            http.post("/v1/chat/completions", json=body).raise_for_status()
            if number % (many // 6) == many // 6 - 1:
                settled(service, number + 1)
                assert service.process
                sizes.append(footprint([service.process.pid]).private)
    state = status(service)
    assert (state["recorded"], state["dropped"]) == (many, 0)
    assert sizes[-1] - sizes[1] < 12 * 2**20, sizes
    # What each brought of its own is some hundred bytes; the prompt is there once.
    prompts = {"units": 1, "unique_bytes": len(SYSTEM), "logical_bytes": many * len(SYSTEM)}
    until(
        lambda: prompts.items() <= status(service)["types"]["system_prompt"].items(),
        lambda: status(service)["types"],
    )
    with service.client() as http:
        assert http.request("DELETE", "/api/agents/units", json={}).status_code == 202
    until(lambda: status(service)["conversations"] == 0, lambda: status(service))
    until(lambda: status(service)["logical_bytes"] == 0, lambda: status(service))


def test_switched_off_there_is_no_broker_and_nothing_is_kept(
    tmp_path: Path, models_folder: Path, engine: ScriptedEngine
) -> None:
    off = {"NEXUS_AGENTMEM_ENABLED": "false"}
    with running(tmp_path / "home", models_folder, **engine.environment, **off) as service:
        converse_openai(service)
        assert status(service)["state"] == "off"
        assert not (service.root / "agentmem").exists()


def test_a_service_that_is_killed_leaves_no_broker_and_loses_nothing(service: Service) -> None:
    converse_openai(service)
    settled(service, 2)
    with Store.connect(service.root / "run" / "agentmem.sock") as store:
        broker = store.stats()["process"]["pid"]
    service.kill()
    until(lambda: not Path(f"/proc/{broker}").exists(), lambda: broker)
    service.start()
    until(lambda: status(service)["state"] == "ready", lambda: status(service))
    (row,) = kept(service)
    assert read_back(service, *row)[1][-1].texts == (WORDS,)
