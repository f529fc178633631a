"""Any conversation is cut without a loss, the same way each time, and cleaned by what stands before."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from nexus.agentmem.unit_type import UnitType
from nexus.engine.base import ChatMessage, ChatRequest, Role, Tool, ToolCall
from nexus.service.cleaning import Cleaner
from nexus.service.cutting import Cut, cut, messages, preface, read, reply, tool_text

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
arguments = st.dictionaries(texts, st.integers() | texts | st.none(), max_size=3)
calls = st.builds(ToolCall, texts, texts, arguments.map(json.dumps))
roles: list[Role] = ["user", "assistant", "tool", "system"]


@st.composite
def spoken(draw: st.DrawFn) -> ChatMessage:
    role = draw(st.sampled_from(roles))
    blocks = draw(st.lists(texts, max_size=4))
    made = draw(st.lists(calls, max_size=2)) if role == "assistant" else []
    call_id = draw(texts) if role == "tool" else ""
    return ChatMessage(role, "\n\n".join(blocks), tuple(made), call_id, tuple(blocks))


@given(spoken())
def test_a_message_is_read_back_as_it_was(message: ChatMessage) -> None:
    pieces = cut(message)
    assert [piece.starts for piece in pieces] == [True] + [False] * (len(pieces) - 1)
    said = read(piece.text.encode() for piece in pieces)
    wanted = message.blocks or (message.content,)
    if message.role == "assistant":
        wanted = [text.strip() for text in wanted]
    assert said.role == message.role
    assert said.texts == tuple(text for text in wanted if text)
    assert said.call_id == message.tool_call_id
    assert [(c["id"], c["name"], c["arguments"]) for c in said.calls] == [
        (call.id, call.name, json.loads(call.arguments)) for call in message.tool_calls
    ]


@given(st.lists(spoken(), min_size=1, max_size=6))
def test_nothing_is_left_out_of_a_request(said: list[ChatMessage]) -> None:
    request = ChatRequest(tuple(said), tools=(Tool("look", "Look.", {"b": 1, "a": 2}),))
    before, after = preface(request), list(messages(request))
    leading = 0
    while leading < len(said) and said[leading].role == "system":
        leading += 1
    assert len(after) == len(said) - leading
    assert before[-1] == Cut(UnitType.TOOL_DEF, tool_text(request.tools[0]))
    assert (preface(request), list(messages(request))) == (before, after)


@given(texts, st.lists(calls, max_size=2))
def test_an_answer_is_cut_as_the_client_sends_it_back(text: str, made: list[ToolCall]) -> None:
    again = ChatMessage("assistant", text.rstrip(), tuple(made))
    assert reply(text, made) == (cut(again) if text.strip() or made else [])


def test_equal_tools_are_equal_bytes_however_their_members_stand() -> None:
    one = Tool("look", "Look.", {"type": "object", "properties": {"b": {}, "a": {}}})
    two = Tool("look", "Look.", {"properties": {"a": {}, "b": {}}, "type": "object"})
    assert tool_text(one) == tool_text(two)


@given(st.lists(texts, max_size=6), st.integers(0, 6))
def test_what_a_piece_becomes_depends_on_what_stands_before_it_only(before: list[str], end: int) -> None:
    secret = "password = hV9x-Kq2Lm7Zr4Tw"
    pieces = [Cut(UnitType.CONVERSATION, text) for text in [*before, secret, "is it hV9x-Kq2Lm7Zr4Tw ?"]]
    cleaner = Cleaner()
    whole = list(cleaner.clean(pieces, {}))
    assert list(cleaner.clean(pieces[:end], {})) == whole[:end]
    assert list(Cleaner().clean(pieces, {})) == whole
    assert "hV9x-Kq2Lm7Zr4Tw" not in "".join(piece.text for piece in whole[len(before) :])
