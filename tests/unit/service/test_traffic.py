"""Who has talked to the service: names are bounded, counts are never lost, paths lead to their interface."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from starlette.middleware import Middleware
from starlette.requests import Request

from nexus.service.counting import Counting, interface_of, program_of
from nexus.service.traffic import CALLER, MOST_PROGRAMS, NAMELESS, OTHERS, TITLES, Caller, Traffic

CALLERS = st.builds(Caller, st.sampled_from(sorted(TITLES)), st.text(max_size=3))


@given(st.lists(st.tuples(CALLERS, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), max_size=300))
def test_however_many_programs_there_are_no_count_is_lost(news: list[tuple[Caller, int, int, int]]) -> None:
    now = iter(range(10_000))
    traffic = Traffic(clock=lambda: float(next(now)))
    for caller, *tokens in news:
        traffic.met(caller)
        traffic.took(caller, *tokens)
    rows = [seen for seen, _ in traffic.rows()]
    assert len([seen for seen in rows if seen.caller.program != OTHERS]) <= MOST_PROGRAMS
    for interface in TITLES:
        mine = [seen for seen in rows if seen.caller.interface == interface]
        told = [tokens for caller, *tokens in news if caller.interface == interface]
        assert sum(seen.requests for seen in mine) == traffic.requests()[interface] == len(told)
        sums = [sum(column) for column in zip(*told, strict=True)] or [0, 0, 0]
        assert [sum(getattr(s, name) for s in mine) for name in ("prompt", "cached", "completion")] == sums


def test_who_was_silent_longest_gives_up_its_name() -> None:
    now = iter(range(10_000))
    traffic = Traffic(clock=lambda: float(next(now)))
    for number in range(MOST_PROGRAMS):
        traffic.met(Caller("mcp", f"agent {number}"))
    traffic.met(Caller("mcp", "agent 0"))
    traffic.met(Caller("openai", "new"))
    names = [seen.caller.program for seen, _ in traffic.rows()]
    assert names[:2] == ["new", "agent 0"]
    assert "agent 1" not in names
    assert OTHERS in names


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("claude-cli/2.0.1 (external, cli)", "Claude Code"),
        ("codex_cli_rs/0.63.0 (Debian 13; x86_64)", "Codex"),
        ("OpenAI/Python 2.8.1", "OpenAI/Python"),
        ("ollama-python/0.6.0 (x86_64 linux) Python/3.11", "ollama-python"),
        ("curl/8.14", "curl"),
        ("nexus-mcp", "nexus-mcp"),
        ("", NAMELESS),
        ("\x00\x1b[31mred/1", "[31mred"),
        ("a" * 500, "a" * 60),
    ],
)
def test_a_program_has_the_name_it_gives_itself(agent: str, name: str) -> None:
    assert program_of(agent) == name


@given(st.text())
def test_any_name_is_short_and_printable(agent: str) -> None:
    name = program_of(agent)
    assert 0 < len(name) <= 60
    assert name.isprintable()


@pytest.mark.parametrize(
    ("path", "interface"),
    [
        ("/mcp", "mcp"),
        ("/v1/messages", "anthropic"),
        ("/v1/messages/count_tokens", "anthropic"),
        ("/v1/chat/completions", "openai"),
        ("/api/chat", "ollama"),
        ("/api/status", None),
        ("/dashboard/traffic", None),
        ("/api/hooks", None),
    ],
)
def test_each_path_belongs_to_one_interface(path: str, interface: str | None) -> None:
    assert interface_of(path) == interface


def test_requests_are_counted_and_carry_who_asks() -> None:
    app = FastAPI(middleware=[Middleware(Counting)])

    @app.post("/v1/embeddings")
    async def embeddings(request: Request) -> dict[str, Any]:
        return {"program": request.scope[CALLER].program}

    class Holder:
        traffic = Traffic()

    with TestClient(app, headers={"user-agent": "OpenAI/Python 2.8.1"}) as client:
        app.state.daemon = Holder
        assert client.post("/v1/embeddings", json={}).json() == {"program": "OpenAI/Python"}
        client.get("/api/status")
    assert Holder.traffic.requests() == {**dict.fromkeys(TITLES, 0), "openai": 1}
