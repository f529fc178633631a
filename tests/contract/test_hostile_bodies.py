"""What no client should send, to every interface for models: refused with a reason, never a bug of ours."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.running import running

MODEL = "smollm2-135m"
VECTORS = "all-minilm-l6-v2"
SAY: list[Any] = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
# A request of each interface that is answered, with few tokens.
SOUND: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"model": MODEL, "messages": SAY, "max_tokens": 2, "tools": [TOOL]},
    "/v1/completions": {"model": MODEL, "prompt": "hi", "max_tokens": 2, "stop": ["x"]},
    "/v1/responses": {
        "model": MODEL,
        "input": SAY,
        "instructions": "x",
        "max_output_tokens": 2,
        "temperature": 0,  # without a limit an answer is as long as the model likes: always the same then
        "tools": [{"type": "function", "name": "look", "description": "x", "parameters": {"type": "object"}}],
    },
    "/v1/responses/input_tokens": {"model": MODEL, "input": "hi"},
    "/v1/messages": {
        "model": MODEL,
        "messages": SAY,
        "system": "x",
        "max_tokens": 2,
        "tools": [{"name": "look", "description": "x", "input_schema": {"type": "object"}}],
    },
    "/v1/messages/count_tokens": {"model": MODEL, "messages": SAY},
    "/v1/embeddings": {"model": VECTORS, "input": ["hi"]},
    "/v1/rerank": {"model": VECTORS, "query": "hi", "documents": ["hi", {"text": "ho"}]},
}
WRONG: tuple[Any, ...] = (
    None,
    True,
    -1,
    1e308,
    2**70,
    "",
    "\ud800",
    [],
    [[]],
    [None],
    {},
    {"type": "x"},
    {"\udfff": "\ud800"},
)
DEEP = 5000

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def http(tmp_path_factory, models_folder, granite_folder, embedder_folder, smollm2_path):
    tiny = {"NEXUS_ENGINE_CONTEXT": "2048", "NEXUS_ENGINE_REPLY_TOKENS": "2", "NEXUS_SERVICE_BODY_MIB": "8"}
    home = tmp_path_factory.mktemp("hostile") / "home"
    with running(home, models_folder, **tiny) as service, service.client() as http:
        yield http


def send(http: httpx.Client, path: str, body: Any) -> httpx.Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return http.post(path, content=data, headers={"content-type": "application/json"})


def refused(reply: httpx.Response) -> str:
    """The message of a refusal in the envelope of the interface."""
    assert 400 <= reply.status_code < 500, f"{reply.status_code} {reply.text[:300]}"
    message = reply.json()["error"]["message"]
    assert "bug" not in message
    return str(message)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place within a body."""
    found = [path] if path else []
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        found += places(value[key], (*path, key))
    return found


def changed(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    body = json.loads(json.dumps(body))
    inner = body
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return body


@pytest.mark.parametrize("path", SOUND)
def test_the_sound_request_is_answered(http, path):
    reply = send(http, path, SOUND[path])
    assert reply.status_code == 200, reply.text


@pytest.mark.parametrize("path", SOUND)
def test_a_wrong_value_anywhere_is_answered_or_refused(http, path):
    for place in places(SOUND[path]):
        for value in WRONG:
            reply = send(http, path, changed(SOUND[path], place, value))
            if reply.status_code != 200:
                refused(reply)


@pytest.mark.parametrize("path", SOUND)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b"\xff\xfe",
        b'{"model": "\\ud800"}',
        b'{"model": NaN}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 5000,
    ],
)
def test_what_is_no_object_is_refused(http, path, body):
    refused(send(http, path, body))


@pytest.mark.parametrize("path", SOUND)
def test_what_is_too_large_is_refused_with_413(http, path):
    body = json.dumps({**SOUND[path], "padding": "x" * (8 << 20)}).encode()
    announced = send(http, path, body)
    assert announced.status_code == 413
    assert "service.body_mib" in refused(announced)

    def parts():
        for start in range(0, len(body), 1 << 16):
            yield body[start : start + (1 << 16)]

    try:
        reply = http.post(path, content=parts(), headers={"content-type": "application/json"})
    except httpx.TransportError:
        return  # the service closed the connection while we were still writing
    assert reply.status_code == 413


def schemas():
    """Schemas that are large, deep, or not what they should be."""
    wide = {
        "type": "object",
        "properties": {f"p{n}": {"type": "string", "maxLength": n + 1} for n in range(20_000)},
    }
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(300):
        deep = {"type": "object", "properties": {"x": deep}, "required": ["x"]}
    yield "wide", wide
    yield "deep", {"type": "object", "properties": {"x": deep}}
    yield "a circle", {"$ref": "#"}
    yield "a long pattern", {"type": "object", "properties": {"x": {"pattern": "(a|b)*" * 500}}}
    yield "many choices", {"type": "object", "properties": {"x": {"enum": [f"e{n}" for n in range(50_000)]}}}
    yield "a wrong type", {"type": "object", "properties": {"x": {"type": "strnig"}}}
    yield "a wrong shape", {"type": "object", "properties": [1, 2]}


@pytest.mark.parametrize(("name", "schema"), list(schemas()))
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
def test_a_hostile_schema_of_a_tool_is_answered_or_refused(http, path, name, schema):
    tools: dict[str, list[Any]] = {
        "/v1/chat/completions": [{"type": "function", "function": {"name": "look", "parameters": schema}}],
        "/v1/responses": [{"type": "function", "name": "look", "parameters": schema}],
        "/v1/messages": [{"name": "look", "input_schema": schema}],
    }
    choice: Any = {"type": "any"} if path == "/v1/messages" else "required"
    for wish in ({}, {"tool_choice": choice}):
        reply = send(http, path, {**SOUND[path], "tools": tools[path], **wish})
        if reply.status_code != 200:
            refused(reply)


def test_after_all_this_it_answers_and_has_counted(http):
    send(http, "/v1/responses", {**SOUND["/v1/responses"], "zork": 1, "text": {"verbosity": "low"}})
    send(http, "/v1/chat/completions", {**SOUND["/v1/chat/completions"], "user": "ada"})
    with httpx.Client(base_url=http.base_url) as stranger:
        page = stranger.get("/metrics")
        assert stranger.get("/v1/models").status_code == 401
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    for field in ("zork", "text.verbosity", "user"):
        assert f'nexus_api_unknown_fields_total{{field="{field}"}} 1\n' in page.text
    assert "ada" not in page.text
    assert 'nexus_requests_total{outcome="answered"}' in http.get("/api/metrics").text
