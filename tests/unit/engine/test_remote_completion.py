"""Texts that another server continues: what it is asked, and what it cannot do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nexus.core.errors import ContextOverflowError, InvalidInputError
from nexus.engine.base import Delta, Finish
from nexus.engine.completion import CompletionRequest
from nexus.engine.remote import RemoteEngine
from tests.unit.engine.server import Reply, serving

MODELS = Reply({"data": [{"id": "m", "max_model_len": 1000}]})
CHUNKS: list[dict[str, Any]] = [
    {"choices": [{"text": " Paris", "finish_reason": None}]},
    {"choices": [{"text": "", "finish_reason": "stop"}]},
    {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 1}},
]
STREAM = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in CHUNKS) + b"data: [DONE]\n\n"


def continued(replies, request, seen=None):
    with serving({"/v1/models": MODELS, **replies}, seen) as url:
        engine = RemoteEngine(url, api_key="", model="", context=0)
        engine.start()
        try:
            return list(engine.complete(request))
        finally:
            engine.stop()


def test_the_text_is_sent_as_it_is_and_its_pieces_come_back():
    seen: list[dict[str, Any]] = []
    request = CompletionRequest("France:", suffix=" is it.", max_tokens=4, stop=["\n"], seed=2)
    said, finish = continued({"/v1/completions": Reply(STREAM)}, request, seen)
    assert said == Delta(" Paris")
    assert isinstance(finish, Finish)
    assert (finish.reason, finish.usage.prompt_tokens, finish.usage.completion_tokens) == ("stop", 5, 1)
    asked = next(one for one in seen if one["path"] == "/v1/completions")
    assert (asked["prompt"], asked["suffix"], asked["stop"], asked["seed"]) == (
        "France:",
        " is it.",
        ["\n"],
        2,
    )
    assert "messages" not in asked


def test_a_server_without_such_a_path_is_named_with_the_remedy():
    with pytest.raises(InvalidInputError, match=r"/v1/completions.*chat/completions"):
        continued({}, CompletionRequest("x"))


def test_a_text_over_the_window_is_refused_before_it_is_sent():
    with pytest.raises(ContextOverflowError):
        continued({}, CompletionRequest("word " * 2000))


def test_a_llamacpp_server_would_leave_the_suffix_out():
    llamacpp = {"/tokenize": Reply({"tokens": [1, 2]}), "/v1/completions": Reply(STREAM)}
    with pytest.raises(InvalidInputError, match="suffix"):
        continued(llamacpp, CompletionRequest("x", suffix="y"))
    assert continued(llamacpp, CompletionRequest("x"))[0] == Delta(" Paris")
