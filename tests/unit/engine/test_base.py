"""The values of the protocol refuse what no engine can use."""

from __future__ import annotations

from typing import Any

import pytest

from nexus.core.errors import ContextOverflowError, InvalidInputError
from nexus.engine.base import ChatMessage, ChatRequest, refuse_overflow
from nexus.engine.completion import CompletionRequest

HELLO = (ChatMessage("user", "hello"),)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"messages": ()}, "no messages"),
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"temperature": -0.1}, "temperature is -0.1"),
        ({"top_p": 0.0}, "top_p is 0.0"),
        ({"top_p": float("inf")}, "top_p is inf"),
        ({"stop": ("",)}, "stop text is empty"),
    ],
)
def test_a_request_no_engine_can_use_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        ChatRequest(**{"messages": HELLO, **change})


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="'wizard'"):
        ChatMessage("wizard", "hello")  # type: ignore[arg-type]


def test_overflow_names_both_numbers() -> None:
    refuse_overflow(prompt=1500, max_tokens=548, context=2048)
    with pytest.raises(ContextOverflowError, match=r"1501 tokens .* leaves 1500"):
        refuse_overflow(prompt=1501, max_tokens=548, context=2048)
    with pytest.raises(ContextOverflowError, match="about 9000 tokens"):
        refuse_overflow(prompt=9000, max_tokens=1, context=2048, exact=False)


def test_a_text_to_continue_is_checked_like_a_chat() -> None:
    assert CompletionRequest("x").suffix is None
    assert CompletionRequest("", suffix="the end").prompt == ""
    wrong: list[dict[str, Any]] = [
        {"prompt": ""},
        {"prompt": "x", "max_tokens": 0},
        {"prompt": "x", "stop": ["a", ""]},
        {"prompt": "x", "temperature": float("nan")},
        {"prompt": "x", "top_p": 0},
    ]
    for fields in wrong:
        with pytest.raises(InvalidInputError):
            CompletionRequest(**fields)
