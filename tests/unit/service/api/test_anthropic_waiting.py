"""What a client hears while the prompt is read, and how a request is made to fit the window."""

from __future__ import annotations

import asyncio
import json

import pytest

from nexus.core.errors import ContextOverflowError, EngineError
from nexus.engine.base import ChatMessage, ChatRequest
from nexus.service.api.anthropic import PINGS_A_SIGN, _sent
from nexus.service.api.anthropic_stream import PING, Answer
from nexus.service.fitting import LEAST_ANSWER, fitted
from nexus.service.stream import Event

COUNTED = Event("counted", {"short": False})
BEGUN = Event("content_block_start", {"type": "content_block_start", "index": 0, "content_block": {}})


class Words:
    """Counts a token for each word."""

    def __init__(self, context: int) -> None:
        self.context = context

    def count_prompt(self, request: ChatRequest) -> int:
        return sum(len(message.content.split()) for message in request.messages)


def heard(first, *events, error=None):
    """The names and data of all that is sent for a stream of these events."""

    async def rest():
        for event in events:
            yield event
        if error:
            raise error

    async def collect():
        answer = Answer("m")
        answer.take(first)
        return b"".join([data async for data in _sent(answer, first, rest())]).decode()

    lines = asyncio.run(collect()).strip().split("\n\n")
    return [
        (name.removeprefix("event: "), json.loads(data.removeprefix("data: ")))
        for name, data in (line.split("\n") for line in lines)
    ]


def request(words, **more):
    return ChatRequest(messages=[ChatMessage("user", "word " * words)], **more)


def test_a_long_wait_is_more_than_pings_for_clients_swallow_these():
    names = [name for name, _ in heard(COUNTED, *[PING] * (2 * PINGS_A_SIGN))]
    assert names.count("message_delta") == 2
    signs = [data for name, data in heard(PING, *[PING] * PINGS_A_SIGN) if name == "message_delta"]
    assert [sign["delta"]["stop_reason"] for sign in signs] == [None]


def test_once_the_answer_has_begun_a_pause_is_pings_only():
    names = [name for name, _ in heard(COUNTED, BEGUN, *[PING] * (2 * PINGS_A_SIGN))]
    assert "message_delta" not in names
    names = [name for name, _ in heard(BEGUN, *[PING] * (2 * PINGS_A_SIGN))]
    assert "message_delta" not in names


def test_what_goes_wrong_later_is_the_last_event():
    name, data = heard(COUNTED, BEGUN, error=EngineError("the model process ended"))[-1]
    assert name == "error"
    assert data["error"] == {"type": "api_error", "message": "the model process ended"}


def test_an_answer_gets_the_room_that_the_window_leaves():
    assert fitted(Words(4000), request(1000, max_tokens=64_000)).max_tokens == 3000  # type: ignore[arg-type]
    assert fitted(Words(4000), request(1000, max_tokens=10)).max_tokens == 10  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "max_tokens", "most"), [(4000, 64_000, 4000 - LEAST_ANSWER), (3991, 10, 3990), (9000, 1, 3999)]
)
def test_a_prompt_that_leaves_no_room_is_refused_with_both_numbers(words, max_tokens, most):
    with pytest.raises(ContextOverflowError, match=f"prompt is too long: {words} tokens > {most} maximum"):
        fitted(Words(4000), request(words, max_tokens=max_tokens))  # type: ignore[arg-type]
