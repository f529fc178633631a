"""Servers that are broken, strict or odd: every one is named, none is passed off as an answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from nexus.core.errors import ContextOverflowError, EngineError, InvalidInputError, NexusError
from nexus.engine.base import AnswerEvent, ChatMessage, ChatRequest, Delta, Finish
from nexus.engine.remote import RemoteEngine
from tests.unit.engine.server import Reply, serving

MODELS = Reply({"data": [{"id": "m", "max_model_len": 1000}]})
REQUEST = ChatRequest([ChatMessage("user", "hello")], max_tokens=20, seed=3, stop=["END"])


def sse(*chunks: dict[str, Any] | str) -> bytes:
    return b"".join(
        b"data: " + (c if isinstance(c, str) else json.dumps(c)).encode() + b"\n\n" for c in chunks
    )


def piece(text: str | None = None, reason: str | None = None, **delta: str) -> dict[str, Any]:
    content = {} if text is None else {"content": text}
    return {"choices": [{"delta": {**content, **delta}, "finish_reason": reason}]}


@contextmanager
def remote(
    chat: Reply | None = None, seen: list[dict[str, Any]] | None = None, **other: Reply
) -> Iterator[RemoteEngine]:
    replies = {"/v1/models": other.get("models", MODELS)}
    if chat is not None:
        replies["/v1/chat/completions"] = chat
    if "tokenize" in other:
        replies["/tokenize"] = other["tokenize"]
    with serving(replies, seen) as url:
        engine = RemoteEngine(url + "/v1/", api_key="k", model="", context=0)
        engine.start()
        yield engine
        engine.stop()


def answer(body: bytes) -> list[AnswerEvent]:
    with remote(Reply(body)) as engine:
        return list(engine.chat(REQUEST))


def test_a_stream_without_usage_is_answered_and_marked_as_inexact() -> None:
    *deltas, finish = answer(sse(piece("a"), piece("b"), piece(reason="stop"), "[DONE]"))
    assert deltas == [Delta("a"), Delta("b")]
    assert isinstance(finish, Finish)
    assert (finish.reason, finish.usage.completion_tokens, finish.usage.exact) == ("stop", 2, False)


def test_usage_is_taken_from_the_server_and_thoughts_are_kept_apart() -> None:
    usage = {
        "choices": [],
        "usage": {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 5}},
    }
    events = answer(
        sse(
            piece(reasoning_content="hm"),
            piece(reasoning="so"),
            piece("x"),
            piece(reason="length"),
            usage,
            "[DONE]",
        )
    )
    finish = events[-1]
    assert events[:-1] == [Delta("hm", True), Delta("so", True), Delta("x")]
    assert isinstance(finish, Finish)
    assert (finish.reason, finish.usage.prompt_tokens, finish.usage.cached_tokens) == ("length", 9, 5)
    assert finish.usage.exact


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (sse(piece("a")), "ended the stream before the answer was complete"),
        (sse(piece("a"), "{not json"), "not JSON: '{not json'"),
        (sse(piece("a"), "[1]"), "no JSON object"),
        (sse(piece("a"), {"error": {"message": "out of memory", "code": 500}}), "out of memory"),
        (sse(piece("a"), {"error": "went wrong"}), "went wrong"),
        (sse(piece("a"), piece(reason="content_filter")), "content_filter"),
        (sse({"choices": [{"delta": {"content": ["x"]}}]}), "a list where text belongs"),
        (b"data: " + b"x" * (2 << 20), "over 1048576 bytes"),
    ],
)
def test_a_broken_stream_is_an_error_and_not_an_answer(body: bytes, said: str) -> None:
    with pytest.raises(EngineError) as caught:
        answer(body)
    assert said in caught.value.message


def test_the_request_says_what_was_asked_and_nothing_more() -> None:
    seen: list[dict[str, Any]] = []
    with remote(Reply(sse(piece(reason="stop"), "[DONE]")), seen) as engine:
        list(engine.chat(REQUEST))
    sent = seen[-1]
    assert sent.pop("path") == "/v1/chat/completions"
    assert sent == {
        "key": "Bearer k",
        "model": "m",
        "messages": [{"role": "user", "content": "hello"}],
        "max_tokens": 20,
        "temperature": 0.7,
        "top_p": 0.95,
        "stream": True,
        "stream_options": {"include_usage": True},
        "stop": ["END"],
        "seed": 3,
    }


@pytest.mark.parametrize(
    ("chat", "said", "hint"),
    [
        (Reply({"error": {"message": "bad key"}}, 401), "bad key", "engine.api_key"),
        (Reply({"error": {"message": "unknown"}}, 404), "does not have the model 'm'", "one of: m"),
        (Reply({"error": {"message": "slow down"}}, 429), "slow down", "wait"),
        (Reply(b"<html>oops</html>", 502, "text/html"), "<html>oops", ""),
        (Reply({"choices": []}), "application/json, not with a stream", "OpenAI-compatible"),
    ],
)
def test_a_refusal_names_the_server_and_the_remedy(chat: Reply, said: str, hint: str) -> None:
    with remote(chat) as engine, pytest.raises(EngineError) as caught:
        list(engine.chat(REQUEST))
    assert said in caught.value.message
    assert "http://127.0.0.1:" in caught.value.message
    assert hint in caught.value.hint


def test_the_servers_own_refusal_of_a_long_prompt_is_an_overflow() -> None:
    error = {
        "type": "exceed_context_size_error",
        "message": "too big",
        "n_prompt_tokens": 1200,
        "n_ctx": 1000,
    }
    numbers = "prompt 1200 tokens, window 1000"
    with remote(Reply({"error": error}, 400)) as engine, pytest.raises(ContextOverflowError, match=numbers):
        list(engine.chat(REQUEST))


def test_without_a_tokenizer_counts_are_estimates_and_said_to_be() -> None:
    with remote() as engine:
        assert engine.count_tokens("") == 0
        assert engine.count_tokens("four") == 2
        assert engine.count_prompt(ChatRequest([ChatMessage("user", "x" * 30)])) == 18
        request = ChatRequest([ChatMessage("user", "x" * 9000)], max_tokens=10)
        with pytest.raises(ContextOverflowError, match=r"about 3008 tokens .* leaves 990 "):
            list(engine.chat(request))


def test_a_server_that_counts_is_believed() -> None:
    with remote(tokenize=Reply({"count": 7, "tokens": [1] * 7})) as engine:
        assert engine.count_tokens("anything") == 7
        assert engine.count_prompt(ChatRequest([ChatMessage("user", "anything")])) == 7


@pytest.mark.parametrize(
    ("models", "model", "context", "said"),
    [
        ({"data": [{"id": "a", "max_model_len": 9}, {"id": "b"}]}, "", 0, "has 2 models: a, b"),
        ({"data": []}, "", 0, "has 0 models: none"),
        ({"data": [{"id": "a"}]}, "", 0, "does not say how large the window of a is"),
        ({"object": "list"}, "a", 0, "does not say how large"),
    ],
)
def test_what_the_server_does_not_say_is_asked_of_the_user(
    models: dict[str, Any], model: str, context: int, said: str
) -> None:
    with serving({"/v1/models": Reply(models)}) as url:
        engine = RemoteEngine(url, api_key="", model=model, context=context)
        engine.start()
        assert engine.health().state == "failed"
        with pytest.raises(EngineError, match=said) as caught:
            engine.count_tokens("x")
        assert caught.value.hint
        engine.stop()


@pytest.mark.parametrize(
    ("entry", "setting", "context", "remark"),
    [
        ({"max_model_len": 4096}, 0, 4096, ""),
        ({"context_length": 8192}, 2048, 2048, ""),
        ({"meta": {"n_ctx": 512, "n_ctx_train": 8192}}, 0, 512, ""),
        ({"max_model_len": 4096}, 9999, 4096, "4096 tokens, not 9999"),
        ({}, 2048, 2048, ""),
        ({"max_model_len": True}, 2048, 2048, ""),
    ],
)
def test_the_window_is_the_smaller_of_the_servers_and_the_users(
    entry: dict[str, Any], setting: int, context: int, remark: str
) -> None:
    with serving({"/v1/models": Reply({"data": [{"id": "m", **entry}]})}) as url:
        engine = RemoteEngine(url, api_key="", model="m", context=setting)
        engine.start()
        health = engine.health()
        assert (engine.context, health.state) == (context, "ready")
        assert remark in health.detail
        engine.stop()


def test_a_model_the_server_does_not_list_is_remarked_on() -> None:
    with serving({"/v1/models": MODELS}) as url:
        engine = RemoteEngine(url, api_key="", model="other", context=100)
        engine.start()
        assert "does not list other; it lists m" in engine.health().detail
        engine.stop()


@pytest.mark.parametrize("url", ["", "127.0.0.1:11434", "ftp://x", "http://"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError, match="is not a URL"):
        RemoteEngine(url, api_key="", model="", context=0)


def test_an_api_below_a_path_and_version_is_used_as_given() -> None:
    models = Reply({"data": [{"id": "m", "max_model_len": 50}]})
    with serving({"/gate/api/v4/models": models}) as url:
        engine = RemoteEngine(url + "/gate/api/v4", api_key="", model="", context=0)
        engine.start()
        assert (engine.name, engine.context) == ("m", 50)
        engine.stop()


def test_a_stopped_engine_says_so() -> None:
    engine = RemoteEngine("http://127.0.0.1:9", api_key="", model="", context=0)
    with pytest.raises(NexusError, match="is stopped"):
        list(engine.chat(REQUEST))
    assert engine.health().state == "stopped"
