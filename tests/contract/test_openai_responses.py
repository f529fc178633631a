"""The Responses interface with the official openai client.

What a model says is not the same twice, so calls come from a model with a script; texts, schemas and
refusals come from the real small one.
"""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.running import running
from tests.system.scripted_engine import NAME, scripted_engine

LOOK: Any = {
    "type": "function",
    "name": "look",
    "description": "Look at a place.",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"at": {"type": "string", "maxLength": 12}},
        "required": ["at"],
        "additionalProperties": False,
    },
}
MODEL = "smollm2-135m"


@pytest.fixture(scope="module")
def real(plain_service):
    url, key = f"{plain_service.url}/v1", plain_service.token
    with openai.OpenAI(base_url=url, api_key=key, max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def engine():
    with scripted_engine("look", {"at": "harbour"}, "The harbour is empty.") as engine:
        yield engine


@pytest.fixture(scope="module")
def scripted(engine, tmp_path_factory, models_folder, granite_folder):
    home = tmp_path_factory.mktemp("scripted") / "home"
    with (
        running(home, models_folder, **engine.environment) as service,
        openai.OpenAI(base_url=f"{service.url}/v1", api_key=service.token, max_retries=0) as client,
    ):
        yield client


def ask(client: openai.OpenAI, **more: Any) -> Any:
    wish = {"model": MODEL, "input": "Name three colours.", "temperature": 0, "max_output_tokens": 200}
    return client.responses.create(**{**wish, **more})


def test_a_whole_answer_equals_the_streamed_one(real):
    whole = ask(real)
    assert whole.status == "completed"
    assert whole.output_text.strip()
    assert whole.usage.total_tokens == whole.usage.input_tokens + whole.usage.output_tokens
    streamed = ""
    for event in ask(real, stream=True):
        if event.type == "response.output_text.delta":
            streamed += event.delta
        if event.type == "response.completed":
            assert event.response.output_text == streamed == whole.output_text


def test_what_was_read_before_is_told(real):
    long = "Colours are seen by eyes. " * 60
    ask(real, instructions=long, max_output_tokens=1)
    usage = ask(real, instructions=long, input="And sounds?", max_output_tokens=1).usage
    assert 100 < usage.input_tokens_details.cached_tokens < usage.input_tokens


def test_an_answer_that_was_cut_is_incomplete(real):
    reply = ask(real, max_output_tokens=3)
    assert reply.status == "incomplete"
    assert reply.incomplete_details.reason == "max_output_tokens"
    assert reply.usage.output_tokens == 3


def test_instructions_and_earlier_turns_are_read(real, engine, scripted):
    count = real.responses.input_tokens.count
    short = count(model=MODEL, input="hi", instructions="Be brief.").input_tokens
    assert count(model=MODEL, input="hi", instructions="Be brief. Be kind.").input_tokens == short + 3
    turns: Any = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello."}]
    ask(scripted, model=NAME, input=[*turns, {"role": "user", "content": "and now?"}])
    assert [m["content"] for m in engine.requests[-1]["messages"]] == ["hi", "Hello.", "and now?"]


def test_a_tool_is_called_and_its_answer_read(scripted, engine):
    with scripted.responses.stream(
        model=NAME, input="Look at the harbour.", tools=[LOOK], prompt_cache_key="k"
    ) as stream:
        kinds = [event.type.removeprefix("response.") for event in stream]
        first = stream.get_final_response()
    assert kinds == [
        *("created", "in_progress", "output_item.added", "function_call_arguments.delta"),
        *("function_call_arguments.done", "output_item.done", "completed"),
    ]
    (call,) = first.output
    assert json.loads(call.arguments) == {"at": "harbour"}
    assert first.usage.input_tokens_details.cached_tokens == 60
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "water"}
    told: Any = [{"role": "user", "content": "Look at the harbour."}, call.to_dict(), result]
    second = scripted.responses.create(model=NAME, input=told, tools=[LOOK])
    assert second.output_text == "The harbour is empty."
    asked = engine.requests[-1]["messages"]
    assert [message["role"] for message in asked] == ["user", "assistant", "tool"]
    assert asked[2] == {"role": "tool", "content": "water", "tool_call_id": call.call_id}


def test_the_real_model_calls_what_it_must(real):
    with real.responses.stream(
        model=MODEL, input="Look.", tools=[LOOK], tool_choice="required", temperature=0
    ) as stream:
        for _ in stream:
            pass
        (call,) = stream.get_final_response().output
    assert call.name == "look"
    assert set(json.loads(call.arguments)) == {"at"}


class Colour(BaseModel):
    """What is asked for below."""

    name: str
    warm: bool


def test_the_answer_fits_the_schema(real):
    reply = real.responses.parse(
        model=MODEL, input="A colour.", text_format=Colour, temperature=0, max_output_tokens=200
    )
    assert isinstance(reply.output_parsed, Colour)


def test_what_is_left_out_is_told(scripted):
    reply = scripted.responses.create(
        model=NAME,
        input="hi",
        tools=[LOOK, {"type": "web_search"}, {"type": "custom", "name": "patch"}],
    )
    assert reply.model_extra["nexus"] == {"left_out": {"tools": {"web_search": 1, "custom": 1}}}
    assert reply.model_extra["store"] is False


@pytest.mark.parametrize(
    ("change", "words", "status"),
    [
        ({"previous_response_id": "resp_1"}, "whole conversation", 400),
        ({"background": True}, "background", 400),
        ({"model": "gpt-9"}, "gpt-9", 404),
        ({"model": "nexus"}, "/v1/chat/completions", 400),
        ({"input": "word " * 6000}, "too long", 400),
        ({"input": "word " * 6000, "stream": True}, "too long", 400),
        ({"text": {"format": {"type": "json_schema", "name": "x", "schema": {"not": {}}}}}, '"not"', 400),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_remedy(real, change, words, status):
    with pytest.raises(openai.APIStatusError, match=words) as caught:
        ask(real, **change)
    assert caught.value.status_code == status


def test_a_response_cannot_be_fetched_later(real):
    reply = ask(real, max_output_tokens=2)
    for late in (real.responses.retrieve, real.responses.delete, real.responses.cancel):
        with pytest.raises(openai.NotFoundError, match="whole conversation"):
            late(reply.id)
