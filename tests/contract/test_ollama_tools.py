"""Tools, thoughts, schemas and broken answers through Ollama's interface, with the official client.

What a model says is not the same twice, so calls, thoughts and failures come from a server with a script;
that answers are held to a schema is shown with the real small model.
"""

from __future__ import annotations

import json
from typing import Any

import ollama
import pytest

from tests.running import running
from tests.unit.engine.server import Reply, serving

ASK: list[Any] = [{"role": "user", "content": "Look at the harbour and the town."}]
SCHEMA = {
    "type": "object",
    "properties": {
        "colour": {"enum": ["red", "green"]},
        "number": {"type": "integer", "minimum": 0, "maximum": 9},
    },
    "required": ["colour", "number"],
    "additionalProperties": False,
}


def look(at: str) -> str:
    """Look at a place.

    Args:
      at: where to look

    Returns:
      str: what is seen
    """
    return f"nothing at {at}"


def delta(delta: dict[str, Any], reason: str | None = None) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": delta, "finish_reason": reason}]}).encode() + b"\n\n"


def called(index: int, name: str, *parts: str) -> bytes:
    first = {"index": index, "id": name, "function": {"name": "look", "arguments": parts[0]}}
    more = [{"index": index, "function": {"arguments": part}} for part in parts[1:]]
    return b"".join(delta({"tool_calls": [call]}) for call in [first, *more])


END = b'data: {"choices": [], "usage": {"prompt_tokens": 30, "completion_tokens": 20}}\n\ndata: [DONE]\n\n'
SCRIPT = (
    delta({"reasoning_content": "Two places, "})
    + delta({"reasoning_content": "two calls."})
    + delta({"content": "I look."})
    + called(0, "one", '{"at"', ': "harbour"}')
    + called(1, "two", '{"at": "town"}')
    + delta({}, "tool_calls")
    + END
)
# Half a character, which JSON can write and UTF-8 cannot.
HALF = called(0, "one", json.dumps({"at": "\ud83d"})) + delta({}, "tool_calls") + END


class Scripted:
    """A service whose model is a server that says what `reply` holds."""

    def __init__(self, client: ollama.Client, reply: Reply, seen: list[dict[str, Any]]) -> None:
        self.client, self.reply, self.seen = client, reply, seen

    def chat(self, messages: list[Any] = ASK, script: bytes = SCRIPT, **more: Any) -> Any:
        self.reply.data = script
        return self.client.chat("scripted", messages, **more)


@pytest.fixture(scope="module")
def scripted(tmp_path_factory, models_folder, granite_folder, embedder_folder):
    reply, seen = Reply(SCRIPT), list[dict[str, Any]]()
    replies = {
        "/v1/models": Reply({"data": [{"id": "scripted", "max_model_len": 4096}]}),
        "/v1/chat/completions": reply,
    }
    home = tmp_path_factory.mktemp("scripted") / "home"
    with serving(replies, seen) as url:
        settings = {"NEXUS_ENGINE_KIND": "remote", "NEXUS_ENGINE_URL": url, "NEXUS_ENGINE_MODEL": "scripted"}
        with running(home, models_folder, **settings) as service:
            headers = {"Authorization": f"Bearer {service.token}"}
            with ollama.Client(service.url, headers=headers) as client:
                yield Scripted(client, reply, seen)


@pytest.fixture(scope="module")
def real(tmp_path_factory, models_folder, granite_folder, embedder_folder, smollm2_path):
    pytest.importorskip("nexus._engine", reason="the native engine is not built")
    home = tmp_path_factory.mktemp("real") / "home"
    with (
        running(home, models_folder, NEXUS_ENGINE_KIND="local") as service,
        ollama.Client(service.url, headers={"Authorization": f"Bearer {service.token}"}) as client,
    ):
        yield client


def places(calls: Any) -> list[Any]:
    return [call.function.arguments["at"] for call in calls]


def test_a_whole_answer_has_its_calls_and_thoughts(scripted):
    reply = scripted.chat(tools=[look])
    assert reply.message.content == "I look."
    assert reply.message.thinking == "Two places, two calls."
    assert places(reply.message.tool_calls) == ["harbour", "town"]
    assert reply.done_reason == "stop"
    assert (reply.prompt_eval_count, reply.eval_count) == (30, 20)
    function = scripted.seen[-1]["tools"][0]["function"]
    assert (function["name"], function["parameters"]["required"]) == ("look", ["at"])


def test_a_streamed_answer_has_them_line_by_line(scripted):
    lines = list(scripted.chat(tools=[look], stream=True))
    assert [line.message.thinking for line in lines if line.message.thinking] == [
        "Two places, ",
        "two calls.",
    ]
    assert "".join(line.message.content or "" for line in lines) == "I look."
    calls = [call for line in lines for call in line.message.tool_calls or ()]
    assert places(calls) == ["harbour", "town"]
    assert lines[-1].done
    assert not lines[-1].message.tool_calls


def test_thoughts_are_left_out_where_they_are_not_wanted(scripted):
    assert scripted.chat(think=False).message.thinking is None
    assert scripted.chat(think="high").message.thinking == "Two places, two calls."


def test_calls_and_their_results_are_told_to_the_model(scripted):
    first = scripted.chat(tools=[look])
    results = [
        {"role": "tool", "tool_name": "look", "content": look(place)}
        for place in places(first.message.tool_calls)
    ]
    scripted.chat([*ASK, first.message, *results], tools=[look])
    told = scripted.seen[-1]["messages"]
    calls = told[1]["tool_calls"]
    assert [json.loads(call["function"]["arguments"]) for call in calls] == [
        {"at": "harbour"},
        {"at": "town"},
    ]
    ids = [call["id"] for call in calls]
    assert len(set(ids)) == 2
    assert [(m["tool_call_id"], m["content"]) for m in told[2:]] == [
        (ids[0], "nothing at harbour"),
        (ids[1], "nothing at town"),
    ]


def test_half_a_character_in_a_call_arrives_as_the_model_wrote_it(scripted):
    for stream in (False, True):
        reply = scripted.chat(script=HALF, tools=[look], stream=stream)
        lines = list(reply) if stream else [reply]
        calls = [call for line in lines for call in line.message.tool_calls or ()]
        assert places(calls) == ["\ud83d"]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (delta({"content": "I "}), "before the answer was complete"),
        (delta({"content": "I "}) + b'data: {"error": {"message": "out of memory"}}\n\n', "out of memory"),
        (delta({"content": "I "}) + b"data: {\n\n", "not JSON"),
    ],
)
def test_what_fails_in_mid_stream_ends_with_an_error(scripted, script, words):
    lines = scripted.chat(script=script, stream=True)
    assert next(lines).message.content == "I "
    with pytest.raises(ollama.ResponseError, match=words):
        list(lines)
    with pytest.raises(ollama.ResponseError, match=words) as caught:
        scripted.chat(script=script)
    assert caught.value.status_code >= 500


def test_options_reach_the_model(scripted):
    options = {"num_predict": 7, "top_k": 5, "top_p": 0.5, "min_p": 0.1, "seed": 3, "stop": ["x"]}
    penalties = {"presence_penalty": 0.5, "frequency_penalty": -0.5}
    scripted.chat(options={**options, **penalties, "temperature": 0.4})
    told = scripted.seen[-1]
    assert {key: told[key] for key in ("top_k", "top_p", "min_p", "seed", "stop", *penalties)} == {
        **{key: value for key, value in options.items() if key != "num_predict"},
        **penalties,
    }
    assert (told["max_tokens"], told["temperature"]) == (7, 0.4)
    scripted.chat(options={"seed": -1})
    told = scripted.seen[-1]
    assert "seed" not in told
    assert (told["temperature"], told["top_p"], told["top_k"]) == (0.8, 0.9, 40)


def test_the_small_model_answers_in_the_form_that_was_asked_for(real):
    for form in ("json", SCHEMA):
        reply = real.chat(
            "smollm2-135m",
            [{"role": "user", "content": "A colour and a number."}],
            format=form,
            options={"temperature": 0, "num_predict": 400},
        )
        if form == "json" and reply.done_reason == "length":
            continue
        answer = json.loads(reply.message.content)
        assert isinstance(answer, dict)
        if form == SCHEMA:
            assert answer["colour"] in ("red", "green")
            assert 0 <= answer["number"] <= 9


def test_a_schema_that_cannot_be_held_to_is_refused_by_name(real):
    for stream in (False, True):
        with pytest.raises(ollama.ResponseError, match='"not"') as caught:
            list(real.chat("smollm2-135m", ASK, format={"not": {}}, stream=stream))
        assert caught.value.status_code == 400
