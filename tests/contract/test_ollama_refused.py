"""What Ollama's interface refuses, and that no body whatever breaks it: the real service, the real model."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.running import running

MODEL = "smollm2-135m"
ASK: list[Any] = [{"role": "user", "content": "Name three colours."}]
LONE = "a\ud800b"


@pytest.fixture(scope="module")
def http(tmp_path_factory, models_folder, granite_folder, embedder_folder, smollm2_path):
    home = tmp_path_factory.mktemp("ollama") / "home"
    # A small window: some made-up bodies ask for an answer as long as it.
    with running(home, models_folder, NEXUS_ENGINE_CONTEXT="256") as service, service.client() as client:
        yield client


def send(http: Any, path: str, body: Any) -> Any:
    return http.post(path, content=json.dumps(body), headers={"content-type": "application/json"})


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"x": value}
    return value


@pytest.mark.parametrize(
    ("path", "change", "status", "words"),
    [
        ("chat", {"model": "llama3.2"}, 404, "'llama3.2' not found"),
        ("chat", {"model": ""}, 400, "model"),
        ("chat", {"model": None}, 400, "model"),
        ("chat", {"messages": [{"role": "narrator", "content": "x"}]}, 400, "role"),
        ("chat", {"messages": [{"role": "user", "content": "x", "images": ["aGk="]}]}, 400, "images"),
        ("chat", {"messages": [{"role": "user", "content": LONE}]}, 400, "unicode"),
        ("chat", {"messages": [{"role": "tool", "content": "x", "tool_name": "look"}]}, 400, "look"),
        ("chat", {"messages": "hello"}, 400, "messages"),
        ("chat", {"options": {"num_predict": "many"}}, 400, "num_predict"),
        ("chat", {"options": {"temperature": 9}}, 400, "temperature"),
        ("chat", {"options": {"num_ctx": 0}}, 400, "num_ctx"),
        ("chat", {"options": {"repeat_penalty": 1.1}}, 400, "repeat_penalty = 1.1"),
        ("chat", {"options": {"mirostat": 2}}, 400, "mirostat"),
        ("chat", {"options": {"stop": [""]}}, 400, "stop"),
        ("chat", {"options": {"seed": 2**70}}, 400, "seed"),
        ("chat", {"format": "yaml"}, 400, "format"),
        ("chat", {"format": deep(200)}, 400, "nested deeper"),
        ("chat", {"format": {"type": LONE}}, 400, "unicode"),
        ("chat", {"format": {"type": "number", "minimum": float("nan")}}, 400, "not JSON"),
        ("chat", {"logprobs": True}, 400, "logprobs"),
        ("chat", {"tools": [{"type": "web_search", "function": {"name": "x"}}]}, 400, "tools"),
        ("chat", {"tools": [{"type": "function"}]}, 400, "tools"),
        ("chat", {"model": "nexus", "tools": [{"function": {"name": "x"}}]}, 400, "tools cannot be used"),
        ("chat", {"model": "nexus", "format": "json"}, 400, "format cannot be used"),
        ("chat", {"model": "nexus", "options": {"stop": "x"}}, 400, "options.stop"),
        ("chat", {"model": "nexus", "options": {"top_k": 3, "temperature": 1}}, 400, "options.top_k"),
        (
            "chat",
            {"model": "nexus", "messages": [{"role": "assistant", "content": "x"}]},
            400,
            "last message",
        ),
        ("chat", {"model": "nexus", "messages": [{"role": "user", "content": " "}]}, 400, "empty"),
        ("generate", {"prompt": "x", "images": ["aGk="]}, 400, "images"),
        ("generate", {"prompt": "x", "raw": True, "system": "y"}, 400, "system cannot be used with raw"),
        ("generate", {"prompt": "x", "raw": True, "format": "json"}, 400, "format cannot be used with raw"),
        ("generate", {"model": "nexus", "prompt": "x", "raw": True}, 400, "raw or suffix cannot be used"),
        ("generate", {"prompt": "x", "template": "{{ .Prompt }}"}, 400, "template"),
        ("generate", {"prompt": "x", "suffix": "y"}, 400, "suffix"),
        ("generate", {"prompt": "x", "context": [1, 2]}, 400, "context"),
        ("generate", {"prompt": 7}, 400, "prompt"),
        ("embed", {"model": "nexus", "input": "x"}, 404, "all-minilm-l6-v2"),
        ("embed", {"model": "all-minilm-l6-v2"}, 400, "input"),
        ("embed", {"model": "all-minilm-l6-v2", "input": ["x"] * 5000}, 400, "5000"),
        ("embed", {"model": "all-minilm-l6-v2", "input": "x", "dimensions": 64}, 400, "384"),
        ("embed", {"model": "all-minilm-l6-v2", "input": LONE}, 400, "unicode"),
        ("embeddings", {"model": "all-minilm-l6-v2", "prompt": ["x"]}, 400, "prompt"),
        ("show", {"model": "llama3.2"}, 404, "llama3.2"),
        ("show", {"model": None}, 400, "model"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_done_is_refused_with_the_reason(http, path, change, status, words, stream):
    body = {"model": MODEL, "stream": stream, **change}
    if path == "chat":
        body.setdefault("messages", ASK)
    reply = send(http, f"/api/{path}", body)
    assert reply.status_code == status, reply.text
    assert list(reply.json()) == ["error"]
    assert words in reply.json()["error"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"a":' + b"9" * 5000]
)
def test_what_is_no_request_is_refused(http, content):
    reply = http.post("/api/chat", content=content, headers={"content-type": "application/json"})
    assert reply.status_code == 400
    assert reply.json()["error"]


def test_a_wrong_method_is_refused_in_the_same_envelope(http):
    reply = http.get("/api/chat")
    assert reply.status_code == 405
    assert isinstance(reply.json()["error"], str)


def test_fields_that_are_not_known_change_nothing(http):
    options = {"num_predict": 4, "temperature": 0, "num_gpu": 99, "num_thread": 3, "colour": "red"}
    body = {"model": MODEL, "messages": ASK, "stream": False, "think": "high", "keep_alive": "5m", "mood": 1}
    odd = send(http, "/api/chat", {**body, "options": options})
    plain = {
        "model": MODEL,
        "messages": ASK,
        "stream": False,
        "options": {"num_predict": 4, "temperature": 0},
    }
    assert odd.status_code == 200
    counted = http.get("/metrics").text
    for name in ("options.colour", "mood", "keep_alive"):
        assert f'nexus_api_unknown_fields_total{{field="{name}"}}' in counted
    assert odd.json()["message"] == send(http, "/api/chat", plain).json()["message"]


TOOL = {
    "type": "function",
    "function": {"name": "look", "description": "Look.", "parameters": {"type": "object", "properties": {}}},
}
BODIES: dict[str, dict[str, Any]] = {
    "chat": {
        "model": MODEL,
        "stream": False,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Look."},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"function": {"name": "look", "arguments": {}}}],
            },
            {"role": "tool", "tool_name": "look", "content": "nothing"},
        ],
        "tools": [TOOL],
        "options": {"num_predict": 1, "temperature": 0, "stop": ["x"], "num_ctx": 256, "seed": 1},
        "think": False,
        "keep_alive": "5m",
    },
    "generate": {
        "model": MODEL,
        "stream": True,
        "prompt": "Hi.",
        "system": "Be brief.",
        "format": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
        "options": {"num_predict": 1},
        "raw": False,
        "images": [],
    },
    "embed": {"model": "all-minilm-l6-v2", "input": ["a", "b"], "truncate": True, "dimensions": 384},
    "embeddings": {"model": "all-minilm-l6-v2", "prompt": "a"},
    "show": {"model": MODEL, "verbose": True},
    "pull": {"model": "x", "stream": True},
}
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(["", "nexus", MODEL, LONE, "x" * 5000, "\0", "\ud83d", "tool", "user"]),
    st.just([]),
    st.just({}),
    st.just([[]]),
    st.just(deep(150)),
    st.recursive(st.text(max_size=3), lambda s: st.lists(s, max_size=2) | st.dictionaries(st.text(), s)),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            found += places(child, (*path, key))
    return found


@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", sorted(BODIES))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(ODD, min_size=1, max_size=2), drop=st.booleans(), draw=st.randoms(use_true_random=False)
)
def test_no_body_breaks_it(http, path: str, changes: list[Any], drop: bool, draw: random.Random):
    body = copy.deepcopy(BODIES[path])
    for odd in changes:
        *way, last = draw.choice(places(body))
        at: Any = body
        for key in way:
            at = at[key]
        if drop and isinstance(at, dict):
            del at[last]
        else:
            at[last] = copy.deepcopy(odd)  # one object in two places would make a ring
        if not places(body):
            break
    reply = send(http, f"/api/{path}", body)
    assert reply.status_code < 500, (reply.text, body)
    for line in reply.text.splitlines() if reply.status_code == 200 else []:
        assert "error" not in json.loads(line), body
    if reply.status_code >= 400:
        assert isinstance(reply.json()["error"], str)
