"""Sessions of Claude Code: `~/.claude/projects/<slug>/<session>.jsonl`, one JSON object a line.

A line is a message (`user`, `assistant`) or bookkeeping of the client. Tool results come as messages of
the user, and so do reminders, hook output and slash commands: only what a person typed is a user's turn.
Read with files of the versions 1.0 to 2.1. Sub-agents: their lines inside a session are left out, for
their report is in it; in a file of their own they are the session.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nexus.cortex.transcripts.injected import spoken
from nexus.cortex.transcripts.json_lines import objects, table_of, text_of
from nexus.cortex.transcripts.tool_talk import call_line, flat, refusal, result_text
from nexus.cortex.transcripts.transcript import Draft, Transcript, clean, moment

# Kinds of lines that hold nothing said.
_BOOKKEEPING = frozenset(
    "system progress attachment queue-operation file-history-snapshot last-prompt permission-mode mode "
    "agent-name agent-color agent-setting pr-link tag worktree-state content-replacement relocated "
    "attribution-snapshot bridge-session speculation-accept task-summary saved_hook_context started "
    "result frame-link hook-result file-history-delta agent-listing context-collapse-commit "
    "context-collapse-snapshot".split()
)
_TITLES = {"summary": "summary", "ai-title": "aiTitle", "custom-title": "customTitle"}
_ATTACHED_WORDS = "queued_command"  # typed while the agent was at work


def is_ours(entry: Mapping[str, Any]) -> bool:
    """Whether a line of a JSONL file was written by Claude Code."""
    if "sessionId" not in entry:
        return entry.get("type") == "summary" and "leafUuid" in entry
    return isinstance(entry.get("type"), str) and "payload" not in entry


def read(data: bytes) -> Transcript:
    """The session in the bytes of its file. Raises nothing."""
    reader = _Reader(Draft("claude-code"))
    for number, entry in objects(data, reader.draft):
        reader.line(number, entry)
    return reader.draft.finish()


class _Reader:
    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.calls: dict[str, str] = {}  # id of a call -> name of the tool
        self.seen: set[str] = set()
        self.of_a_helper: bool | None = None  # the whole file is a sub-agent's

    def line(self, number: int, entry: Mapping[str, Any]) -> None:
        kind = text_of(entry.get("type"))
        draft = self.draft
        draft.session = draft.session or text_of(entry.get("sessionId"))
        draft.project = draft.project or text_of(entry.get("cwd"))
        if kind in _TITLES:
            draft.title = text_of(entry.get(_TITLES[kind])) or draft.title
        elif kind in ("user", "assistant"):
            self._message(number, kind, entry)
        elif kind == "attachment":
            self._attachment(number, entry)
        elif kind not in _BOOKKEEPING:
            draft.unknown[clean(kind)[:40] or "(no type)"] += 1

    def _attachment(self, number: int, entry: Mapping[str, Any]) -> None:
        attached = table_of(entry.get("attachment"))
        if attached.get("type") == _ATTACHED_WORDS and not entry.get("isSidechain"):
            words = spoken(flat(attached.get("prompt")))
            self.draft.say("user", "User", words, moment(entry.get("timestamp")), number)

    def _message(self, number: int, kind: str, entry: Mapping[str, Any]) -> None:
        draft = self.draft
        aside = entry.get("isSidechain") is True
        if self.of_a_helper is None:
            self.of_a_helper = aside
        if aside and not self.of_a_helper:
            draft.left_out["sub-agent"] += 1
            return
        identity = text_of(entry.get("uuid"))
        if identity and identity in self.seen:  # a resumed session repeats what went before
            draft.left_out["repeated"] += 1
            return
        self.seen.add(identity)
        said = moment(entry.get("timestamp"))
        content = table_of(entry.get("message")).get("content")
        if kind == "assistant":
            if entry.get("isApiErrorMessage") or table_of(entry.get("message")).get("model") == "<synthetic>":
                draft.left_out["client note"] += 1
                return
            self._agent(content, said, number)
        elif entry.get("isMeta") or entry.get("isCompactSummary") or entry.get("isVisibleInTranscriptOnly"):
            draft.left_out["client note"] += 1
        else:
            self._user(content, said, number)

    def _agent(self, content: object, said: str, number: int) -> None:
        speaker = "Subagent" if self.of_a_helper else "Agent"
        for part in content if isinstance(content, list) else [{"type": "text", "text": content}]:
            block = table_of(part)
            if block.get("type") == "text":
                self.draft.say("assistant", speaker, text_of(block.get("text")), said, number)
            elif block.get("type") in ("tool_use", "server_tool_use"):
                name = text_of(block.get("name")) or "tool"
                self.calls[text_of(block.get("id"))] = name
                self.draft.say("tool", name, call_line(name, block.get("input")) or "called", said, number)
            elif block.get("type") in ("thinking", "redacted_thinking"):
                self.draft.left_out["thinking"] += 1

    def _user(self, content: object, said: str, number: int) -> None:
        for part in content if isinstance(content, list) else [{"type": "text", "text": content}]:
            block = table_of(part)
            if block.get("type") == "text":
                words = spoken(text_of(block.get("text")))
                if not words:
                    self.draft.left_out["client note"] += 1
                elif self.of_a_helper:  # what the agent asked of its helper; no person said it
                    self.draft.say("assistant", "Agent", words, said, number)
                else:
                    self.draft.say("user", "User", words, said, number)
            elif block.get("type") == "tool_result":
                self._result(block, said, number)

    def _result(self, block: Mapping[str, Any], said: str, number: int) -> None:
        text, failed = flat(block.get("content")), block.get("is_error") is True
        words = refusal(text) if failed else ""
        if words and not self.of_a_helper:
            self.draft.say("user", "User", words, said, number)
            return
        name = self.calls.get(text_of(block.get("tool_use_id")), "tool")
        kept = result_text(name, text, failed=failed)
        if kept:
            self.draft.say("tool", f"{name} {'error' if failed else 'output'}", kept, said, number)
        elif text.strip():
            self.draft.left_out["tool output"] += 1
