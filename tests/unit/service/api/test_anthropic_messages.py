"""Anthropic's messages become a chat: nothing is lost, nothing is moved past another's words."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nexus.core.errors import InvalidInputError
from nexus.engine.base import ChatMessage, ToolCall, ToolChoice
from nexus.service.api.anthropic_messages import CountBody, MessagesBody, choice_of, request_of, tools_of

ASK = [{"role": "user", "content": "hi"}]
READ = {"name": "read", "description": "Reads a file.", "input_schema": {"type": "object"}}


def request(**fields):
    return request_of(MessagesBody(**{"model": "m", "max_tokens": 9, "messages": ASK, **fields}))


def chat(*messages, **fields):
    return list(request(messages=list(messages), **fields).messages)


def user(*blocks):
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks):
    return {"role": "assistant", "content": list(blocks)}


def text(words):
    return {"type": "text", "text": words}


def call(name, call_id="t1", **given):
    return {"type": "tool_use", "id": call_id, "name": name, "input": given}


def result(content, call_id="t1", **more):
    return {"type": "tool_result", "tool_use_id": call_id, "content": content, **more}


def test_a_session_with_a_tool():
    assert chat(
        user(text("what is in a.txt?")),
        assistant(text("I look."), call("read", path="a.txt")),
        user(result("six"), text("go on")),
        system="Be brief.",
    ) == [
        ChatMessage("system", "Be brief."),
        ChatMessage("user", "what is in a.txt?"),
        ChatMessage("assistant", "I look.", (ToolCall("t1", "read", '{"path": "a.txt"}'),)),
        ChatMessage("tool", "six", (), "t1"),
        ChatMessage("user", "go on"),
    ]


def test_system_blocks_are_one_text_without_the_client_s_billing():
    first = {"type": "text", "text": "x-anthropic-billing-header: cc_version=1.2.3; cch=abc;"}
    marked = {"type": "text", "text": "You are an agent.", "cache_control": {"type": "ephemeral"}}
    assert chat(*ASK, system=[first, marked, text("Be brief.")]) == [
        ChatMessage("system", "You are an agent.\n\nBe brief."),
        ChatMessage("user", "hi"),
    ]


def test_what_the_harness_says_first_is_system_and_later_a_reminder():
    listed = {"role": "system", "content": "Skills: init"}
    changed = {"role": "system", "content": "The mode has changed."}
    assert chat(*ASK, listed, assistant(text("yes")), user(text("go on")), changed, system="S") == [
        ChatMessage("system", "S\n\nSkills: init"),
        ChatMessage("user", "hi"),
        ChatMessage("assistant", "yes"),
        ChatMessage("user", "go on\n\n<system-reminder>\nThe mode has changed.\n</system-reminder>"),
    ]


def test_neighbours_of_one_role_are_one_message():
    assert chat(*ASK, *ASK, assistant(text("a")), assistant(call("read")), user(result("x"))) == [
        ChatMessage("user", "hi\n\nhi"),
        ChatMessage("assistant", "a", (ToolCall("t1", "read", "{}"),)),
        ChatMessage("tool", "x", (), "t1"),
    ]


def test_thoughts_are_left_out_and_the_turn_stays():
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    hidden = {"type": "redacted_thinking", "data": "x"}
    assert chat(*ASK, assistant(thought, hidden), *ASK) == [
        ChatMessage("user", "hi"),
        ChatMessage("assistant", ""),
        ChatMessage("user", "hi"),
    ]


@pytest.mark.parametrize(
    ("content", "more", "said"),
    [
        ("done", {}, "done"),
        ([text("a"), text("b")], {}, "a\n\nb"),
        (None, {}, ""),
        ([], {"is_error": False}, ""),
        ("no such file", {"is_error": True}, "Error: no such file"),
        ([{"type": "image", "source": {}}], {}, "[an image, which this model cannot see]"),
        ([{"type": "tool_reference", "tool_name": "grep"}], {}, "The tool grep can be called now."),
        (
            [{"type": "search_result", "title": "T", "source": "s", "content": [text("c")]}],
            {},
            "T (s)\n\nc",
        ),
    ],
)
def test_results_of_tools(content, more, said):
    turns = chat(*ASK, assistant(call("read")), user(result(content, **more)))
    assert turns[-1] == ChatMessage("tool", said, (), "t1")


def test_documents_of_text_are_read():
    plain = {"type": "document", "title": "T", "source": {"type": "text", "data": "words"}}
    parts = {"type": "document", "source": {"type": "content", "content": [text("more")]}}
    assert chat(user(plain, parts)) == [ChatMessage("user", "T\n\nwords\n\nmore")]


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"type": "image", "source": {"type": "base64"}}, "cannot see images"),
        ({"type": "document", "source": {"type": "base64"}}, "not text"),
        ({"type": "web_search_tool_result", "content": []}, "web_search_tool_result"),
        ({"type": "text"}, "messages.0.0.text is no text"),
        ({"type": "text", "text": "a\ud800"}, "unicode"),
        ({"text": "x"}, "no content block"),
        (result("x") | {"tool_use_id": 5}, "tool_use_id"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(block, words):
    with pytest.raises(InvalidInputError, match=words):
        chat(user(block))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"messages": [*ASK, assistant(text("so"))]}, "last message"),
        ({"mcp_servers": [{"url": "x"}]}, "mcp_servers"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "provider's servers"),
        ({"tools": [{"name": "x"}]}, "input_schema"),
        ({"tools": [{"name": "x", "input_schema": {"a": "\ud800"}}]}, "unicode"),
        ({"tools": [READ, READ]}, "two tools"),
        ({"tool_choice": {"type": "any"}}, "demands a tool"),
        ({"tools": [READ], "tool_choice": {"type": "tool", "name": "write"}}, "write"),
        ({"tools": [READ], "tool_choice": {"type": "maybe"}}, "maybe"),
        ({"output_config": {"format": {"type": "grammar"}}}, "json_schema"),
        ({"messages": [*ASK, assistant({"type": "tool_use", "id": "a", "name": "b"}), *ASK]}, "input"),
    ],
)
def test_what_cannot_be_done_is_refused(fields, words):
    with pytest.raises(InvalidInputError, match=words):
        request(**fields)


@pytest.mark.parametrize(
    "fields",
    [{"max_tokens": 0}, {"messages": []}, {"temperature": 9}, {"top_p": 0}, {"stop_sequences": "x"}],
)
def test_wrong_values_are_refused(fields):
    with pytest.raises(ValidationError):
        request(**fields)


@pytest.mark.parametrize(
    ("given", "choice"),
    [
        (None, ToolChoice()),
        ({"type": "auto", "disable_parallel_tool_use": True}, ToolChoice()),
        ({"type": "none"}, ToolChoice("none")),
        ({"type": "any"}, ToolChoice("required")),
        ({"type": "tool", "name": "read"}, ToolChoice("required", "read")),
    ],
)
def test_the_choice_of_tools(given, choice):
    assert choice_of(given) == choice


def test_a_deferred_tool_is_offered_once_a_search_has_found_it():
    deferred = {**READ, "name": "grep", "defer_loading": True}
    assert [tool.name for tool in tools_of([READ, deferred])] == ["read"]
    found = user(result([{"type": "tool_reference", "tool_name": "grep"}]))
    after = request(messages=[*ASK, assistant(call("search")), found], tools=[READ, deferred])
    assert [tool.name for tool in after.tools] == ["read", "grep"]


def test_what_a_client_of_the_real_service_sends_beside_is_ignored():
    wanted = request(
        metadata={"user_id": "u"},
        thinking={"type": "adaptive"},
        context_management={"edits": []},
        output_config={"effort": "high"},
        cache_control={"type": "ephemeral"},
        tools=[{**READ, "eager_input_streaming": True, "strict": True, "cache_control": {}}],
        top_k=5,
        temperature=0,
    )
    assert (wanted.top_k, wanted.temperature, wanted.max_tokens, wanted.schema) == (5, 0, 9, None)
    assert [tool.name for tool in wanted.tools] == ["read"]


def test_tools_are_called_with_a_steady_hand_unless_the_client_says_otherwise():
    usual = request().temperature
    assert request(tools=[READ]).temperature < usual
    assert request(tools=[READ], temperature=1).temperature == 1


def test_a_schema_for_the_answer():
    schema = {"type": "object", "properties": {"title": {"type": "string"}}}
    assert request(output_config={"format": {"type": "json_schema", "schema": schema}}).schema == schema
    assert request(output_format={"type": "json_schema", "schema": schema}).schema == schema


def test_counting_needs_no_max_tokens():
    assert request_of(CountBody.model_validate({"model": "m", "messages": ASK})).messages == (
        ChatMessage("user", "hi"),
    )


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
said = st.builds(text, words)
answered = st.builds(result, st.one_of(words, st.lists(said, max_size=3)), st.sampled_from("abc"))
called = st.builds(lambda name, w: call(name, "a", value=w), st.sampled_from(["read", "write"]), words)
thought = st.just({"type": "thinking", "thinking": "THOUGHT", "signature": ""})
turns = st.lists(
    st.one_of(
        st.builds(user, said),
        st.lists(st.one_of(said, answered), max_size=4).map(lambda blocks: user(*blocks)),
        st.lists(st.one_of(said, called, thought), max_size=4).map(lambda blocks: assistant(*blocks)),
    ),
    max_size=8,
)


@given(turns)
def test_every_text_call_and_result_comes_out_once_and_in_order(conversation):
    conversation = [*conversation, user(text("end"))]
    out = chat(*conversation)
    # What each role says, in order; between the blocks of a turn stands nothing but an empty line.
    for role in ("user", "assistant"):
        sent = "".join(
            block["text"]
            for m in conversation
            if m["role"] == role
            for block in m["content"]
            if "text" in block
        )
        got = "".join(message.content for message in out if message.role == role)
        assert got.replace("\n", "") == sent.replace("\n", "")
    blocks = [block for message in conversation for block in message["content"]]
    assert [json.loads(c.arguments) for m in out for c in m.tool_calls] == [
        block["input"] for block in blocks if block["type"] == "tool_use"
    ]
    assert [m.tool_call_id for m in out if m.role == "tool"] == [
        block["tool_use_id"] for block in blocks if block["type"] == "tool_result"
    ]
    # Templates want roles to alternate, but for results.
    roles = [message.role for message in out]
    assert all(a != b for a, b in itertools.pairwise(roles) if a != "tool")


@given(turns, turns)
def test_a_longer_conversation_begins_like_the_shorter(earlier, later):
    begin = [*earlier, user(text("ask"))]
    more = [*begin, assistant(text("answer")), *later, user(text("ask again"))]
    assert chat(*more)[: len(chat(*begin))] == chat(*begin)


keys = st.sampled_from(
    "type text content source data title tool_use_id id name input is_error tool_name input_schema"
    " description defer_loading format schema".split()
)
kinds = st.sampled_from(
    "text image document search_result tool_use tool_result tool_reference thinking custom content"
    " json_schema base64 auto any tool none".split()
)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3), kinds),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=5)),
    max_leaves=12,
)
block = st.dictionaries(keys, anything, max_size=5).flatmap(
    lambda fields: kinds.map(lambda kind: {"type": kind, **fields})
)


@given(
    st.sampled_from(["user", "assistant", "system"]),
    st.one_of(anything, st.lists(block, max_size=3)),
    st.one_of(anything, st.lists(block, max_size=3)),
    st.one_of(anything, block),
    anything,
)
def test_whatever_is_sent_is_understood_or_refused(role, content, tools, choice, system):
    body = {
        "model": "m",
        "max_tokens": 9,
        "messages": [{"role": role, "content": content}, *ASK],
        "tools": tools,
        "tool_choice": choice,
        "system": system,
    }
    try:
        made = request_of(MessagesBody.model_validate(body))
    except (InvalidInputError, ValidationError):
        return
    assert made.messages[-1].role == "user"
