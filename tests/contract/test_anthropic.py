"""The official anthropic client against the running service, with the real small model."""

from __future__ import annotations

import json
import time
from typing import Any

import anthropic
import httpx
import pytest

from tests.running import running

ASK: list[Any] = [{"role": "user", "content": "Name three colours."}]
EXACT = {"temperature": 0}
WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string", "enum": ["Paris", "Rome"]}},
        "required": ["city"],
    },
}


@pytest.fixture
def service(plain_service):
    return plain_service


@pytest.fixture
def client(service):
    with anthropic.Anthropic(base_url=service.url, api_key=service.token, max_retries=0) as client:
        yield client


def test_a_message_under_the_name_of_another_model(client):
    reply = client.messages.create(
        model="claude-opus-4-8",
        max_tokens=16,
        system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        messages=ASK,
        metadata={"user_id": "u"},
    )
    assert reply.type == "message"
    assert reply.role == "assistant"
    assert reply.model == "smollm2-135m", "it is said who answered"
    assert reply.content[0].text
    assert reply.stop_reason in ("end_turn", "max_tokens")
    assert reply.usage.output_tokens <= 16
    assert reply._request_id.startswith("req_")


def test_a_streamed_message_equals_the_whole_one(client):
    options = {"model": "m", "max_tokens": 24, "messages": ASK, "extra_body": EXACT}
    whole = client.messages.create(**options)
    with client.messages.stream(**options) as stream:
        kinds = [event.type for event in stream]
        streamed = stream.get_final_message()
    assert streamed.content[0].text == whole.content[0].text
    assert streamed.usage.output_tokens == whole.usage.output_tokens
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 1


def test_what_was_read_before_is_reported_as_cached(client):
    system = "You are a careful assistant. " * 60
    first = client.messages.create(model="m", max_tokens=4, system=system, messages=ASK)
    again = [{"role": "user", "content": "Name three rivers."}]
    second = client.messages.create(model="m", max_tokens=4, system=system, messages=again)
    assert second.usage.cache_read_input_tokens > 128
    assert second.usage.input_tokens < first.usage.input_tokens + first.usage.cache_read_input_tokens
    assert second.usage.cache_creation_input_tokens == 0


def test_a_stop_sequence_ends_the_answer_and_is_named(client):
    free = client.messages.create(model="m", max_tokens=40, messages=ASK, extra_body=EXACT)
    words = free.content[0].text
    stop = words.split()[3]
    for stream in (False, True):
        options = {"model": "m", "max_tokens": 40, "messages": ASK, "stop_sequences": ["#!#", stop]}
        if stream:
            with client.messages.stream(**options, extra_body=EXACT) as events:
                reply = events.get_final_message()
        else:
            reply = client.messages.create(**options, extra_body=EXACT)
        assert reply.stop_reason == "stop_sequence"
        assert reply.stop_sequence == stop
        assert reply.content[0].text == words[: words.index(stop)]


def test_a_demanded_tool_is_called_and_its_result_is_read(client):
    options = {"model": "m", "max_tokens": 64, "tools": [WEATHER], "extra_body": EXACT}
    choice = {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True}
    ask = {"role": "user", "content": "How is the weather in Rome?"}
    reply = client.messages.create(**options, tool_choice=choice, messages=[ask])
    assert reply.stop_reason == "tool_use"
    (call,) = [block for block in reply.content if block.type == "tool_use"]
    assert call.name == "get_weather"
    assert call.input["city"] in ("Paris", "Rome")

    with client.messages.stream(**options, tool_choice={"type": "any"}, messages=[ask]) as stream:
        streamed = stream.get_final_message()
    assert [block.input for block in streamed.content if block.type == "tool_use"]

    result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "sunny"}]}
    turns = [ask, {"role": "assistant", "content": reply.content}, {"role": "user", "content": [result]}]
    after = client.messages.create(**options, tool_choice={"type": "none"}, messages=turns)
    assert after.stop_reason in ("end_turn", "max_tokens")


def test_an_answer_to_a_schema(client):
    schema = {
        "type": "object",
        "properties": {"colour": {"type": "string", "enum": ["red", "blue"]}},
        "required": ["colour"],
        "additionalProperties": False,
    }
    reply = client.messages.create(
        model="m",
        max_tokens=64,
        messages=ASK,
        output_config={"format": {"type": "json_schema", "schema": schema}},
    )
    assert json.loads(reply.content[0].text) in ({"colour": "red"}, {"colour": "blue"})


def test_tokens_are_counted_before_they_are_sent(client):
    few = client.messages.count_tokens(model="m", messages=ASK).input_tokens
    with_system = client.messages.count_tokens(model="m", messages=ASK, system="word " * 50).input_tokens
    with_tools = client.messages.count_tokens(model="m", messages=ASK, tools=[WEATHER]).input_tokens
    assert few < with_system
    assert few < with_tools
    reply = client.messages.create(model="m", max_tokens=1, messages=ASK)
    assert reply.usage.input_tokens + reply.usage.cache_read_input_tokens == few


def test_the_models_are_listed_as_before(client):
    chat, vectors = ["nexus", "smollm2-135m"], ["granite-embedding-30m-english", "all-minilm-l6-v2"]
    assert [model.id for model in client.models.list()] == [*chat, *vectors]


@pytest.mark.parametrize("header", ["x-api-key", "authorization"])
def test_both_headers_lead_in(service, header):
    key = service.token if header == "x-api-key" else f"Bearer {service.token}"
    body = {"model": "m", "messages": ASK}
    reply = httpx.post(f"{service.url}/v1/messages/count_tokens", json=body, headers={header: key})
    assert reply.status_code == 200
    assert reply.json()["input_tokens"] > 3


def test_a_wrong_key_is_an_authentication_error(service):
    wrong = anthropic.Anthropic(base_url=service.url, api_key="wrong", max_retries=0)
    with wrong, pytest.raises(anthropic.AuthenticationError, match="nexus token") as caught:
        wrong.messages.create(model="m", max_tokens=1, messages=ASK)
    assert caught.value.type == "authentication_error"


def test_what_the_guard_refuses_is_said_in_the_same_envelope(service):
    key = {"x-api-key": service.token, "content-type": "text/plain"}
    reply = httpx.post(f"{service.url}/v1/messages", content="{}", headers=key)
    assert reply.status_code == 415
    assert reply.json()["type"] == "error"
    assert reply.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"messages": []}, "messages"),
        ({"model": "nexus"}, "/v1/chat/completions"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "cannot see images"),
        ({"messages": [*ASK, {"role": "assistant", "content": "Red,"}]}, "last message"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "provider's servers"),
        ({"stop_sequences": [""]}, "empty"),
        ({"extra_body": {"temperature": 9}}, "temperature"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_done_is_refused_with_the_reason(client, change, words, stream):
    with pytest.raises(anthropic.BadRequestError, match=words) as caught:
        client.messages.create(**{"model": "m", "max_tokens": 8, "messages": ASK, **change}, stream=stream)
    assert caught.value.type == "invalid_request_error"


def test_a_prompt_over_the_window_is_refused_in_the_words_that_clients_look_for(client):
    long = [{"role": "user", "content": "word " * 6000}]
    for stream in (False, True):
        with pytest.raises(anthropic.BadRequestError, match=r"prompt is too long: \d+ tokens > \d+ maximum"):
            client.messages.create(model="m", max_tokens=2000, messages=long, stream=stream)


def test_more_max_tokens_than_the_window_has_are_no_reason_to_refuse(client):
    with client.messages.stream(model="m", max_tokens=64_000, messages=ASK) as stream:
        for event in stream:
            if event.type == "content_block_delta":
                break


def test_a_client_that_leaves_stops_the_model(client, service):
    story = [{"role": "user", "content": "Write a very long novel about the sea and its ships."}]
    with service.client() as http:
        with client.messages.stream(model="m", max_tokens=3000, messages=story) as stream:
            for event in stream:
                if event.type == "content_block_delta":
                    break
        deadline = time.monotonic() + 20
        while http.get("/api/status").json()["metrics"]["running"]:
            assert time.monotonic() < deadline, "the model goes on for a client that has left"
            time.sleep(0.05)


def test_only_its_own_name_where_others_are_not_wanted(tmp_path, models_folder, granite_folder, smollm2_path):
    strict = running(tmp_path / "home", models_folder, NEXUS_SERVICE_ANTHROPIC_ANY_MODEL="false")
    with strict as service, anthropic.Anthropic(base_url=service.url, api_key=service.token) as client:
        with pytest.raises(anthropic.NotFoundError, match="anthropic_any_model"):
            client.messages.create(model="claude-opus-4-8", max_tokens=1, messages=ASK)
        assert client.messages.create(model="smollm2-135m", max_tokens=1, messages=ASK).content
