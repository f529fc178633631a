"""Sessions of Codex, as version 0.169 writes them and as older ones did."""

from __future__ import annotations

import json

import pytest

from nexus.cortex.transcripts import codex
from nexus.cortex.transcripts.transcript import Transcript
from tests.unit.cortex.transcripts.session_lines import item, lines, rollout

META = rollout("session_meta", id="c-1", cwd="/srv/shop", source="cli", base_instructions={"text": "You are"})


def said(role: str, text: str, **more: object) -> dict[str, object]:
    kind = "output_text" if role == "assistant" else "input_text"
    return item("message", role=role, content=[{"type": kind, "text": text}], **more)


def talk(session: Transcript) -> list[tuple[str, str, str]]:
    return [(turn.role, turn.speaker, turn.text) for turn in session.turns]


def test_a_session_is_its_turns_and_what_repeats_them_is_not() -> None:
    session = codex.read(
        lines(
            META,
            rollout("event_msg", type="task_started"),
            said("developer", "<permissions>"),
            said("user", "<environment_context>\n  <cwd>/srv/shop</cwd>\n</environment_context>"),
            rollout("turn_context", cwd="/srv/shop", model="m"),
            said("user", "Which port?"),
            rollout("event_msg", type="user_message", message="Which port?"),
            item("reasoning", summary=[{"type": "summary_text", "text": "hm"}]),
            item("function_call", name="exec_command", arguments='{"cmd": "ss -ltn"}', call_id="1"),
            item(
                "function_call_output",
                call_id="1",
                output="Chunk ID: 6bd73c\nWall time: 0.1 seconds\nProcess exited with code 0\n"
                "Original token count: 37\nOutput:\nLISTEN 6543\n",
            ),
            said("assistant", "It is 6543."),
            rollout("token_usage_record", usage={}),
        )
    )
    assert talk(session) == [
        ("user", "User", "Which port?"),
        ("tool", "exec_command", "ss -ltn"),
        ("tool", "exec_command output", "LISTEN 6543"),
        ("assistant", "Agent", "It is 6543."),
    ]
    assert (session.client, session.session, session.project) == ("codex", "c-1", "/srv/shop")
    assert [turn.line for turn in session.turns] == [6, 9, 10, 11]
    assert session.problems == ""


def test_what_a_hook_or_the_client_adds_is_left_out() -> None:
    note = {"content_item_metadata": [{"provenance": {"type": "harness", "hook": True}}]}
    typed = {"content_item_metadata": [{"provenance": {"type": "user"}}]}
    name = "internal_chat_message_metadata_passthrough"
    session = codex.read(
        lines(
            META,
            said("user", "MEM-1: the port is 6543", **{name: note}),
            said("user", "# AGENTS.md instructions for /srv/shop\n\n<INSTRUCTIONS>be kind</INSTRUCTIONS>"),
            said("user", "Hello there.", **{name: typed}),
        )
    )
    assert talk(session) == [("user", "User", "Hello there.")]
    assert session.left_out == {"client note": 2}


def test_the_form_of_2025_without_a_wrapper_is_read() -> None:
    session = codex.read(
        lines(
            {"id": "c-0", "timestamp": "2025-06-01T10:00:00Z", "instructions": None, "git": {}},
            {"record_type": "state"},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello there."}]},
            {
                "type": "function_call",
                "name": "shell",
                "call_id": "1",
                "arguments": json.dumps({"command": ["bash", "-lc", "make test"]}),
            },
            {
                "type": "function_call_output",
                "call_id": "1",
                "output": json.dumps({"output": "2 failed", "metadata": {"exit_code": 2}}),
            },
        )
    )
    assert session.session == "c-0"
    assert talk(session) == [
        ("user", "User", "Hello there."),
        ("tool", "shell", "make test"),
        ("tool", "shell error", "2 failed"),
    ]


def test_a_patch_is_the_files_it_touches() -> None:
    patch = (
        "*** Begin Patch\n*** Update File: src/a.py\n@@\n-x\n+y\n*** Add File: src/b.py\n+z\n*** End Patch"
    )
    session = codex.read(lines(META, item("custom_tool_call", name="apply_patch", call_id="1", input=patch)))
    assert talk(session) == [("tool", "apply_patch", "src/a.py, src/b.py")]


def test_a_sub_agents_session_has_no_person_in_it() -> None:
    meta = rollout("session_meta", id="c-2", cwd="/srv/shop", source={"subagent": {"thread_spawn": {}}})
    session = codex.read(lines(meta, said("user", "Find the port."), said("assistant", "It is 6543.")))
    assert [turn.role for turn in session.turns] == ["assistant", "assistant"]


def test_unknown_kinds_are_named_and_nothing_fails() -> None:
    session = codex.read(
        lines(META, rollout("hologram"), item("telepathy"), said("user", "Hello there."))
        + b'{"timestamp": "2026-11-20T07:30:42Z", "type": "resp'
    )
    assert session.unknown == {"hologram": 1, "telepathy": 1}
    assert session.unfinished
    assert session.damaged == 0
    assert len(session.turns) == 1


@pytest.mark.parametrize("output", [None, 7, [], {"content": None}, [{"type": "input_image"}], {"output": 3}])
def test_odd_results_are_no_failure(output: object) -> None:
    session = codex.read(lines(META, item("function_call_output", call_id="?", output=output)))
    assert session.turns == ()
