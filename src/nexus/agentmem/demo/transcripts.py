"""Scripts of agents from real transcripts: tau-bench, SWE-agent, SpecStory, as their repositories have them.

    FOLDER/agents/tau-bench/*.json
    FOLDER/agents/swe-agent/**/*.traj, config/default.yaml, tools/**/*.yaml
    FOLDER/agents/specstory-claude-code/**/.specstory/history/*.md

Each session is played by one agent; a set that is not there is left out and named. Where a session has no
prompt or tools of its own (SpecStory keeps none) it gets SWE-agent's, with a made environment block,
which `describe` says. Invariant: no text of a session is changed, left out or put in twice.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, TypeGuard

from nexus.agentmem.demo.making import environment
from nexus.agentmem.demo.texts import Block, Script, TextsWriter
from nexus.agentmem.unit_type import UnitType
from nexus.core.errors import InvalidInputError

# How SpecStory begins what somebody said.
_TURN = re.compile(r"^(?=_\*\*(?:User|Agent|Assistant)\b)", re.MULTILINE)
_ROLES = {"tool": UnitType.TOOL_RESULT}


class Said(NamedTuple):
    """One message."""

    type: UnitType
    text: str


class Session(NamedTuple):
    """What one agent held; prompt "" where the transcript has none."""

    name: str
    prompt: str
    messages: Sequence[Said]


class Transcripts:
    """All sessions below a folder. Raises `InvalidInputError` when there are none."""

    def __init__(self, folder: Path) -> None:
        agents = folder / "agents"
        found = {
            "tau-bench": list(_tau_bench(agents / "tau-bench")),
            "SWE-agent": list(_swe_agent(agents / "swe-agent")),
            "SpecStory": list(_specstory(agents / "specstory-claude-code")),
        }
        self._sets = {name: [one for one in of if one is not None] for name, of in found.items()}
        self._left_out = sum(one is None for of in found.values() for one in of)
        config = agents / "swe-agent" / "config" / "default.yaml"
        self._prompt = config.read_text() if config.is_file() else ""
        self._tools = [path.read_text() for path in sorted((agents / "swe-agent" / "tools").rglob("*.yaml"))]
        if not any(self._sets.values()):
            raise InvalidInputError(
                f"no transcripts below {agents}",
                hint="in it, agents/tau-bench, agents/swe-agent or agents/specstory-claude-code is expected",
            )

    def describe(self, agents: int) -> str:
        """Which sessions, and what was added."""
        counts = {name: len(found) for name, found in self._sets.items()}
        total = sum(counts.values())
        text = "real sessions of " + ", ".join(f"{name} ({count})" for name, count in counts.items() if count)
        absent = [name for name, count in counts.items() if not count]
        if absent:
            text += f"; not there: {', '.join(absent)}"
        if self._left_out:
            text += f"; {self._left_out} without messages, or copies of others, left out"
        if self._prompt or self._tools:
            text += "; prompt and tools of SWE-agent, with a made environment block"
        if agents > total:
            text += f"; {agents - total} agents play a session that another plays, too"
        return text

    def scripts(self, agents: int, writer: TextsWriter, seed: int = 0) -> Iterator[Script]:
        """One for each agent, the sets in turn."""
        for number, session in enumerate(itertools.islice(itertools.cycle(self._in_turn()), agents)):
            random = Random(f"{seed} {number}")  # noqa: S311 - the same texts for a seed
            prompt = (session.prompt or self._prompt).rstrip() + "\n\n" + environment(number, random)
            blocks = [Block(UnitType.SYSTEM_PROMPT, writer.add(prompt))]
            blocks += [Block(UnitType.TOOL_DEF, writer.add(tool)) for tool in self._tools]
            blocks += [Block(said.type, writer.add(said.text), True, True) for said in session.messages]
            yield Script(f"{session.name}-{number:03}", blocks)

    @property
    def sessions(self) -> list[Session]:
        """All of them, the sets in turn."""
        return self._in_turn()

    def _in_turn(self) -> list[Session]:
        rows = itertools.zip_longest(*self._sets.values())
        return [session for row in rows for session in row if session is not None]


def _text(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def _messages(name: str, messages: Sequence[dict[str, Any]]) -> Session:
    """From a list of messages with roles; the first system message is the prompt."""
    prompt, said = "", []
    for message in messages:
        if message.get("role") == "system" and not prompt:
            prompt = _text(message.get("content"))
            continue
        kind = _ROLES.get(str(message.get("role")), UnitType.CONVERSATION)
        # A tool's result is the same for whoever asked; what is said stands with its role and calls.
        whole = _text(message.get("content")) if kind == UnitType.TOOL_RESULT else _text(message)
        said.append(Said(kind, whole))
    return Session(name, prompt, said)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise InvalidInputError(f"{path} is no JSON: {error}", hint="take it out of the folder") from error


def _is_talk(value: Any) -> TypeGuard[list[dict[str, Any]]]:
    return isinstance(value, list) and bool(value) and all(isinstance(message, dict) for message in value)


def _tau_bench(folder: Path) -> Iterator[Session | None]:
    for path in sorted(folder.glob("*.json")):
        for entry in _json(path):
            talk = entry.get("traj") if isinstance(entry, dict) else None
            yield _messages("tau", talk) if _is_talk(talk) else None


def _swe_agent(folder: Path) -> Iterator[Session | None]:
    for path in sorted(folder.rglob("*.traj")):
        found = _json(path)
        talk = found.get("history") if isinstance(found, dict) else None
        yield _messages("swe", talk) if _is_talk(talk) else None


def _specstory(folder: Path) -> Iterator[Session | None]:
    seen: set[str] = set()
    for path in sorted(folder.rglob(".specstory/history/*.md")):
        text = path.read_text(errors="replace")
        if text in seen or not text:
            yield None
            continue
        seen.add(text)
        turns = [Said(UnitType.CONVERSATION, turn) for turn in _TURN.split(text) if turn]
        yield Session("specstory", "", turns)
