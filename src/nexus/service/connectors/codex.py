"""Codex: hooks in hooks.json, MCP and the local model in config.toml. Both are for all projects of a user.

The file is written here and not by `codex mcp add`, which could not give it back byte for byte. The key of
the service is not written: Codex asks `nexus token` for it. Its own login (auth.json) stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nexus.core.errors import InvalidInputError
from nexus.service.connectors import codex_models, toml_text
from nexus.service.connectors.change import Change
from nexus.service.connectors.hook_settings import Hooks
from nexus.service.connectors.plan import NAME, Plan, Programs, Wish, calls_nexus, records
from nexus.service.connectors.record import Record
from nexus.service.connectors.settings_file import Part, present, settle

EVENTS = (
    "SessionStart",
    "UserPromptSubmit",
    "PostToolUse",
    "PreCompact",
    "Stop",
    "SubagentStop",
    "SessionEnd",
)
_TRUST = "Codex runs new hooks only after you have looked at them: type /hooks in its next session.\n"
_LOCAL = """Codex asks the model of this machine from its next session on. Back to your own login:
  nexus connect codex
"""
_SERVER, _PROVIDER = ("mcp_servers", NAME), ("model_providers", NAME)
_ROOT_KEYS = ("model_provider", "model", "model_context_window", "model_catalog_json", "web_search")
# What a small model loses its way in, and what cannot be done here: no eyes, no search in the web. Values
# that the user has set stay.
_LEFT_OUT = (
    (("features",), "goals"),
    (("features",), "view_image"),
    (("agents",), "enabled"),
    (("skills",), "include_instructions"),
)
# A small machine reads a first prompt for minutes before it writes a word.
_IDLE_MS = 3_600_000
_KEY_MS = 30_000


@dataclass(frozen=True, slots=True)
class Server:
    """Our entry among its MCP servers."""

    programs: Programs
    name: str = "mcp"
    private: bool = False

    def present(self, text: str, place: str, before: Record | None) -> bool:
        """Whether it is there, of this installation or another one of ours."""
        return _is_relay(_table(text, place, _SERVER))

    def put(self, text: str, place: str) -> str:
        """`text` with it."""
        known = _table(text, place, _SERVER)
        command, *arguments = self.programs.server_command
        if known is not None:
            if not _is_relay(known):
                raise InvalidInputError(
                    f"{place} has another [{'.'.join(_SERVER)}]", hint="rename it, or take it out"
                )
            if known.get("command") == command and (known.get("env") or {}) == self.programs.server_env:
                return text
            text = toml_text.without_table(text, _SERVER, None)
        # What JSON calls a string or a list of them, TOML does too.
        lines = [f"[{'.'.join(_SERVER)}]", f"command = {_quoted(command)}", f"args = {_quoted(arguments)}"]
        if self.programs.server_env:
            pairs = ", ".join(
                f"{name} = {_quoted(value)}" for name, value in self.programs.server_env.items()
            )
            lines.append(f"env = {{ {pairs} }}")
        return _checked(toml_text.with_table(text, lines), place)

    def take(self, text: str, place: str, before: Record | None) -> str:
        """`text` without it."""
        if not self.present(text, place, before):
            return text
        return _checked(toml_text.without_table(text, _SERVER, before.old if before else None), place)


@dataclass(frozen=True, slots=True)
class Provider:
    """The local model: a provider of models, and the keys at the root that choose it."""

    wish: Wish
    programs: Programs
    catalog: Path
    name: str = "local"
    private: bool = False

    def present(self, text: str, place: str, before: Record | None) -> bool:
        """Whether it is chosen."""
        return toml_text.has_marked_key(_checked(text, place), "model_provider")

    def put(self, text: str, place: str) -> str:
        """`text` with it."""
        service = self.wish.service
        keys = {"model_provider": _quoted(NAME), "model": _quoted(service.model)}
        if service.window:
            keys["model_context_window"] = str(service.window)
        keys |= {"model_catalog_json": _quoted(str(self.catalog)), "web_search": _quoted("disabled")}
        for table, key in _LEFT_OUT:
            text = toml_text.with_pair(_checked(text, place), table, key, "false")
        lines = self._lines()
        known = _table(text, place, _PROVIDER)
        if known != toml_text.value("\n".join(lines), place)[_PROVIDER[0]][NAME]:
            if known is not None and not self.present(text, place, None):
                raise InvalidInputError(
                    f"{place} has another [{'.'.join(_PROVIDER)}]", hint="rename it, or take it out"
                )
            text = toml_text.with_table(toml_text.without_table(text, _PROVIDER, None), lines)
        return _checked(toml_text.with_keys(text, keys), place)

    def take(self, text: str, place: str, before: Record | None) -> str:
        """`text` without it, and with the user's own choice again."""
        if not self.present(text, place, before):
            return text
        old = before.old if before else None
        text = toml_text.without_table(toml_text.without_keys(text, _ROOT_KEYS), _PROVIDER, old)
        for table in reversed(dict.fromkeys(table for table, _ in _LEFT_OUT)):
            text = toml_text.without_pairs(text, table, old)
        return _checked(text, place)

    def _lines(self) -> list[str]:
        asking = [self.programs.nexus or NAME, "token"]
        if self.programs.home:
            asking = ["env", f"NEXUS_HOME={self.programs.home}", *asking]
        return [
            f"[{'.'.join(_PROVIDER)}]",
            'name = "NexusOS on this machine"',
            f"base_url = {_quoted(self.wish.service.url + '/v1')}",
            'wire_api = "responses"',
            f"stream_idle_timeout_ms = {_IDLE_MS}",
            "",
            f"[{'.'.join(_PROVIDER)}.auth]",
            f"command = {_quoted(asking[0])}",
            f"args = {_quoted(asking[1:])}",
            f"timeout_ms = {_KEY_MS}",
        ]


def connect(wish: Wish, env: Mapping[str, str]) -> Plan:
    """What connecting takes. Raises `InvalidInputError`, `MissingPartError`, `StorageError`."""
    _refuse_project(wish)
    programs = Programs.installed(env, portable=False)
    changes: list[Change] = []
    advice: list[str] = []
    if wish.hooks:
        changes.append(
            settle(folder(env) / "hooks.json", _hooks(programs.hook_command), {"hooks"}, records(env))
        )
        advice.append(_TRUST)
    path, parts = folder(env) / "config.toml", _parts(wish, programs, env)
    there = present(path, parts, records(env))
    wanted = ({"mcp"} if wish.mcp else there & {"mcp"}) | ({"local"} if wish.local else set())
    if wish.local or "local" in there:
        # First what the settings name.
        changes.append(_described(wish, env))
    if wanted or there:
        changes.append(settle(path, parts, wanted, records(env)))
    return Plan(tuple(changes), (), (*advice, *([_LOCAL] if wish.local else [])))


def disconnect(wish: Wish, env: Mapping[str, str]) -> Plan:
    """What taking everything of ours out again takes."""
    _refuse_project(wish)
    changes: list[Change] = []
    if wish.hooks:
        changes.append(settle(folder(env) / "hooks.json", _hooks(""), set(), records(env)))
    path, parts = folder(env) / "config.toml", _parts(wish, Programs.installed(env, portable=False), env)
    kept = set() if wish.mcp else present(path, parts, records(env)) & {"mcp"}
    changes.append(settle(path, parts, kept, records(env)))
    changes.append(_described(Wish(), env))
    return Plan(tuple(changes))


def connected(env: Mapping[str, str]) -> list[str]:
    """In which ways it is connected."""
    known = records(env)
    parts = _parts(Wish(), Programs.installed(env, portable=False), env)
    there = present(folder(env) / "config.toml", parts, known)
    there |= present(folder(env) / "hooks.json", _hooks(""), known)
    names = {"mcp": "tools by the relay", "hooks": "hooks", "local": "the local model"}
    return [name for part, name in names.items() if part in there]


def files(env: Mapping[str, str]) -> tuple[Path, ...]:
    """Where something of ours may be."""
    return folder(env) / "config.toml", folder(env) / "hooks.json"


def folder(env: Mapping[str, str]) -> Path:
    """Where it keeps its settings."""
    return Path(env.get("CODEX_HOME") or Path(env.get("HOME", "~")).expanduser() / ".codex")


def _parts(wish: Wish, programs: Programs, env: Mapping[str, str]) -> Sequence[Part]:
    return (Server(programs), Provider(wish, programs, folder(env) / codex_models.FILE))


def _described(wish: Wish, env: Mapping[str, str]) -> Change:
    """The file that tells Codex about the local model, or its end."""
    part = codex_models.Models(wish.service)
    return settle(folder(env) / codex_models.FILE, (part,), {part.name} if wish.local else (), records(env))


def _hooks(command: str) -> Sequence[Part]:
    return (Hooks(command, EVENTS),)


def _refuse_project(wish: Wish) -> None:
    if wish.project:
        raise InvalidInputError("Codex has no settings of a project for this", hint="leave --project out")


def _table(text: str, place: str, path: tuple[str, ...]) -> Any:
    found: Any = toml_text.value(text, place)
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _is_relay(known: Any) -> bool:
    return isinstance(known, dict) and calls_nexus(known.get("command"), known.get("args"))


def _checked(text: str, place: str) -> str:
    toml_text.value(text, place)
    return text


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
