"""Sessions of Codex: `~/.codex/sessions/YYYY/MM/DD/rollout-*.jsonl`, one JSON object a line.

`{timestamp, type, payload}`; the talk is in the `response_item` lines, all others repeat it for the
screen or keep state. Files of 2025 have the items without that wrapper. Read with version 0.169 and the
older forms. What the client wrote in the user's name (environment, AGENTS.md, hooks) is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nexus.cortex.transcripts.injected import spoken
from nexus.cortex.transcripts.json_lines import objects, table_of, text_of
from nexus.cortex.transcripts.tool_talk import call_line, flat, result_text
from nexus.cortex.transcripts.transcript import Draft, Transcript, clean, moment

_STATE = frozenset(
    "event_msg turn_context world_state token_usage_record compacted session_state ghost_snapshot "
    "inter_agent_communication inter_agent_communication_metadata".split()
)
_SILENT_ITEMS = frozenset(
    "ghost_snapshot compaction context_compaction compaction_summary additional_tools tool_search_output "
    "image_generation_call other".split()
)
_CALLS = frozenset(
    "function_call custom_tool_call local_shell_call web_search_call tool_search_call mcp_call".split()
)
_RESULTS = frozenset("function_call_output custom_tool_call_output mcp_tool_call_output".split())


def is_ours(entry: Mapping[str, Any]) -> bool:
    """Whether the first line of a JSONL file was written by Codex."""
    if isinstance(entry.get("payload"), Mapping):
        return entry.get("type") in ("session_meta", "response_item", "event_msg", "turn_context")
    return "id" in entry and "timestamp" in entry and "instructions" in entry


def read(data: bytes) -> Transcript:
    """The session in the bytes of its file. Raises nothing."""
    reader = _Reader(Draft("codex"))
    for number, entry in objects(data, reader.draft):
        reader.line(number, entry)
    return reader.draft.finish()


class _Reader:
    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.calls: dict[str, str] = {}
        self.aside = False  # the session of a sub-agent

    def line(self, number: int, entry: Mapping[str, Any]) -> None:
        payload, kind = entry.get("payload"), text_of(entry.get("type"))
        if not isinstance(payload, Mapping):
            if "instructions" in entry or "git" in entry:
                self._meta(entry)
            elif entry.get("record_type") != "state":
                self._item(number, entry, "")
            return
        if kind == "session_meta":
            self._meta(payload)
        elif kind == "response_item":
            self._item(number, payload, moment(entry.get("timestamp")))
        elif kind == "turn_context":
            self.draft.project = self.draft.project or text_of(payload.get("cwd"))
        elif kind not in _STATE:
            self.draft.unknown[clean(kind)[:40] or "(no type)"] += 1

    def _meta(self, meta: Mapping[str, Any]) -> None:
        draft = self.draft
        draft.session = draft.session or text_of(meta.get("id"))
        draft.project = draft.project or text_of(meta.get("cwd"))
        self.aside = self.aside or isinstance(meta.get("source"), Mapping)

    def _item(self, number: int, item: Mapping[str, Any], said: str) -> None:
        kind = text_of(item.get("type"))
        if kind == "message":
            self._message(number, item, said)
        elif kind in _CALLS:
            name = text_of(item.get("name")) or kind.removesuffix("_call")
            self.calls[text_of(item.get("call_id"))] = name
            arguments = item.get("arguments", item.get("input", item.get("action")))
            self.draft.say("tool", name, call_line(name, arguments) or "called", said, number)
        elif kind in _RESULTS:
            self._result(number, item, said)
        elif kind == "reasoning":
            self.draft.left_out["thinking"] += 1
        elif kind == "agent_message":
            self.draft.left_out["sub-agent"] += 1
        elif kind not in _SILENT_ITEMS:
            self.draft.unknown[clean(kind)[:40] or "(no type)"] += 1

    def _message(self, number: int, item: Mapping[str, Any], said: str) -> None:
        role, text = item.get("role"), flat(item.get("content"))
        if role == "assistant":
            self.draft.say("assistant", "Subagent" if self.aside else "Agent", text, said, number)
            return
        words = spoken(text) if role == "user" and _by_a_person(item) else ""
        if not words:
            self.draft.left_out["client note"] += 1
        elif self.aside:
            self.draft.say("assistant", "Agent", words, said, number)
        else:
            self.draft.say("user", "User", words, said, number)

    def _result(self, number: int, item: Mapping[str, Any], said: str) -> None:
        name = self.calls.get(text_of(item.get("call_id")), "tool")
        text, failed = _output(item.get("output"))
        kept = result_text(name, text, failed=failed)
        if kept:
            self.draft.say("tool", f"{name} {'error' if failed else 'output'}", kept, said, number)
        elif text.strip():
            self.draft.left_out["tool output"] += 1


def _by_a_person(item: Mapping[str, Any]) -> bool:
    """Newer files say where a message comes from: `user`, or `harness`, also for hooks."""
    notes = table_of(item.get("internal_chat_message_metadata_passthrough")).get("content_item_metadata")
    sources = (
        [table_of(table_of(note).get("provenance")) for note in notes] if isinstance(notes, list) else []
    )
    return all(source.get("type", "user") == "user" and not source.get("hook") for source in sources)


def _output(value: object) -> tuple[str, bool]:
    """The text of a result and whether it failed: text, an object, or (older files) an object as text."""
    if isinstance(value, str) and value.startswith('{"'):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return str(value), False
    if isinstance(value, Mapping):
        code = table_of(value.get("metadata")).get("exit_code")
        failed = value.get("success") is False or (isinstance(code, int) and code != 0)
        return flat(value.get("output", value.get("content"))) or flat(value), failed
    return flat(value), False
