"""What the service does at each event of an agent's session, and what it gives the agent to read.

Events come from the hook client over a socket (`nexus.service.hook_socket`) or as POST /api/hooks; both
lead to `Hooks.answer`. It recalls, and notes what is to be done (`nexus.service.capture`); it never
waits for work that an agent would have to wait for. Invariant: whatever an event holds, the answer is a
JSON object, empty when there is nothing to say.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request

from nexus.core.errors import InvalidInputError, NexusError
from nexus.core.paths import find_project
from nexus.cortex.extractor import Role
from nexus.cortex.filters import Filter
from nexus.cortex.ledger import KINDS
from nexus.cortex.memory import Memory
from nexus.cortex.words import question
from nexus.service.capture import Capture, Said, agent_of, session_file, session_folders
from nexus.service.daemon import Daemon
from nexus.service.hook_socket import Call
from nexus.service.quoting import block, quote, quote_memories
from nexus.service.traffic import NAMELESS, Caller

router = APIRouter(prefix="/api")
_log = logging.getLogger(__name__)
# "yes", "go on", "try again" ask nothing of a memory. Not all scripts put blanks between words.
_LEAST_WORDS, _LEAST_LETTERS = 2, 12
# Of a pasted page the beginning and the end: there stands what is wanted.
_QUESTION_CHARS = 4000
_CANDIDATES = 12
_SESSIONS = 256


@router.post("/hooks")
async def post_event(request: Request) -> dict[str, Any]:
    """Handle an event as an agent gives it to its hooks; returns what the hook prints."""
    try:
        event = json.loads(await request.body())
    except ValueError as error:
        raise InvalidInputError(f"the event is not JSON: {error}") from error
    if not isinstance(event, dict):
        raise InvalidInputError("the event is not a JSON object")
    hooks: Hooks = request.app.state.hooks
    return await asyncio.to_thread(hooks.answer, event, session_folders())


class Hooks:
    """Answers to events. May be called from several threads."""

    def __init__(self, daemon: Daemon, capture: Capture) -> None:
        self._daemon, self._capture = daemon, capture
        # What each session was given, so that it does not pay for it again at the next prompt.
        self._given: OrderedDict[str, set[str]] = OrderedDict()
        self._lock = threading.Lock()

    def serve(self, call: Call) -> bytes:
        """Handle an event from the hook client. Returns what it prints, nothing for nothing to say."""
        try:
            event = json.loads(call.event)
            if not isinstance(event, dict):
                raise ValueError("it is not an object")
        except (ValueError, RecursionError) as error:
            _log.warning("an agent's event could not be read: %s", error)
            return b""
        answer = self.answer(event, session_folders(call.claude_folder, call.codex_folder))
        return json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace") if answer else b""

    def answer(self, event: Mapping[str, Any], folders: Sequence[Path]) -> dict[str, Any]:
        """What the agent is given, in the form of Claude Code's hooks; {} for nothing."""
        name = _text(event, "hook_event_name")
        agent = agent_of(_text(event, "transcript_path"), folders) or NAMELESS
        self._daemon.traffic.met(Caller("hooks", agent))
        for missing in event.get("left_out") or ():
            _log.warning("%s: %s is too large and was not read", name, missing)
        try:
            if name in ("SessionStart", "UserPromptSubmit"):
                context = self._briefing(event) if name == "SessionStart" else self._recall(event, agent)
                if not context:
                    return {}
                return {"hookSpecificOutput": {"hookEventName": name, "additionalContext": context}}
            if name in ("PostToolUse", "PreCompact", "Stop", "SubagentStop", "SessionEnd"):
                self._hear(name, event, folders, agent)
            else:
                _log.warning("an agent sent an event that is not known: %.80r", name)
        except NexusError as error:
            # Starting, or without a model: the agent goes on without a memory.
            _log.info("%s: %s", name, error)
        except Exception:
            _log.exception("the event %s failed", name)
        return {}

    def _briefing(self, event: Mapping[str, Any]) -> str:
        cortex, session = self._daemon.cortex, _text(event, "session_id")
        self._capture.wake()
        project = _project(event)
        with self._lock:
            # After a compaction the agent has forgotten what it was given.
            before = self._given.pop(session, set())
        known = cortex.memories(Filter(project=project))
        memories = [m for m in known if m.id in before or _holds_always(m, project)]
        memories.sort(key=_usefulness, reverse=True)
        budget = self._daemon.config.settings.cortex.hook_tokens
        preface = "What is remembered about this project and its user:"
        text, taken = quote_memories(memories, budget - 40, preface=preface)
        cortex.shown(session, [m.learning for m in memories[:taken]])
        self._first_time(session, [m.id for m in memories[:taken]])
        waiting = len(cortex.proposals())
        waiting += self._capture.meet(project) if project else 0
        if waiting:
            things = "1 thing waits" if waiting == 1 else f"{waiting} things wait"
            text += ("\n" if text else "") + block(
                f"NexusOS: {things} for the user's word; `nexus memories list` shows what."
            )
        return text

    def _recall(self, event: Mapping[str, Any], agent: str) -> str:
        prompt, session = _text(event, "prompt"), _text(event, "session_id")
        project = _project(event)
        self._capture.say(Said(prompt, "user", session, project))
        self._keep(event, prompt, "user", agent)
        wanted = _question(prompt)
        if not wanted:
            return ""
        cortex = self._daemon.cortex
        found = cortex.relevant(wanted, _CANDIDATES, KINDS, Filter(project=project))
        own = _text(event, "transcript_path")
        new = self._new(
            session, [r for r in found if r.chunk.path != own], key=lambda r: _key(r.chunk.path, r)
        )
        quoted = quote(new, self._daemon.config.settings.cortex.hook_tokens, cortex.memory)
        cortex.shown(session, quoted.texts)
        cortex.used(quoted.results)
        self._first_time(session, [_key(r.chunk.path, r) for r in quoted.results])
        return quoted.text

    def _keep(self, event: Mapping[str, Any], text: str, role: Role, agent: str) -> None:
        if self._daemon.config.settings.cortex.capture != "sessions":
            return
        session, project = _text(event, "session_id"), _project(event)
        self._daemon.units.said(text, role, program=agent, session=session, project=project)

    def _new(self, session: str, results: list[Any], key: Any) -> list[Any]:
        with self._lock:
            given = self._given.get(session, set())
            return [r for r in results if key(r) not in given]

    def _first_time(self, session: str, keys: Sequence[str]) -> None:
        with self._lock:
            self._given.setdefault(session, set()).update(keys)
            self._given.move_to_end(session)
            while len(self._given) > _SESSIONS:
                self._given.popitem(last=False)

    def _hear(self, name: str, event: Mapping[str, Any], folders: Sequence[Path], agent: str) -> None:
        role: Role = "assistant"
        if name == "Stop":
            text = _text(event, "last_assistant_message")
            self._capture.say(Said(text, role, _text(event, "session_id"), _project(event)))
            self._keep(event, text, role, agent)
        path = _text(event, "agent_transcript_path") if name == "SubagentStop" else ""
        path = path or _text(event, "transcript_path")
        if path and self._daemon.config.settings.cortex.capture == "sessions":
            self._capture.hear(session_file(path, folders), now=name != "PostToolUse")


def _key(path: str, result: Any) -> str:
    return Path(path).stem if result.chunk.kind == "memory" else result.chunk.point


def _holds_always(memory: Memory, project: str) -> bool:
    """Whether a session needs it before anything was asked: the project's own, and how its user works.

    Facts of elsewhere come when a prompt is about them; in every session they would be noise.
    """
    if project and memory.project == project:
        return True
    return memory.type == "procedural" and not memory.project


def _usefulness(memory: Memory) -> tuple[bool, int, str]:
    return memory.verified, memory.retrieval_count, memory.updated


def _text(event: Mapping[str, Any], name: str) -> str:
    value = event.get(name)
    if not isinstance(value, str):
        return ""
    # JSON can spell half a character; nothing further on can store one.
    return value.encode("utf-8", "replace").decode()


def _project(event: Mapping[str, Any]) -> str:
    folder = _text(event, "cwd")
    if not folder.startswith("/") or "\0" in folder:
        return ""
    return str(find_project(Path(folder)) or "")


def _question(prompt: str) -> str:
    """What of a prompt is worth a search; "" for a nod or a command of the agent itself."""
    prompt = prompt.strip()
    words = question(prompt[:_QUESTION_CHARS])
    short = len(set(words)) < _LEAST_WORDS and len("".join(words)) < _LEAST_LETTERS
    if short or (prompt.startswith("/") and " " not in prompt):
        return ""
    if len(prompt) <= _QUESTION_CHARS:
        return prompt
    half = _QUESTION_CHARS // 2
    return f"{prompt[:half]}\n{prompt[-half:]}"
