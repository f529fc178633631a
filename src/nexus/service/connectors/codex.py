"""Codex: hooks in hooks.json, MCP by its own `codex mcp add`. Both are for all projects of a user."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nexus.core.errors import InvalidInputError
from nexus.service.connectors.change import Change, read
from nexus.service.connectors.hook_settings import with_hooks, without_hooks
from nexus.service.connectors.plan import NAME, Plan, Programs, Wish

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


def connect(wish: Wish, env: Mapping[str, str]) -> Plan:
    """What connecting takes. Raises `InvalidInputError`, `MissingPartError`."""
    _refuse_project(wish)
    programs = Programs.installed(env, portable=False)
    changes: list[Change] = []
    commands: list[tuple[str, ...]] = []
    advice: list[str] = []
    if wish.hooks:
        path = _folder(env) / "hooks.json"
        old = read(path)
        changes.append(Change(path, old, with_hooks(old or "", str(path), programs.hook_command, EVENTS)))
        advice.append(_TRUST)
    if wish.mcp and not _is_ours(_registered(env), programs):
        if shutil.which("codex", path=env.get("PATH")):
            words = [
                word for name, value in programs.server_env.items() for word in ("--env", f"{name}={value}")
            ]
            commands.append(("codex", "mcp", "add", NAME, *words, "--", *programs.server_command))
        else:
            changes.append(_config(env, programs))
    return Plan(tuple(changes), tuple(commands), tuple(advice))


def disconnect(wish: Wish, env: Mapping[str, str]) -> Plan:
    """What taking everything of ours out again takes."""
    _refuse_project(wish)
    changes: list[Change] = []
    commands: list[tuple[str, ...]] = []
    advice: list[str] = []
    path = _folder(env) / "hooks.json"
    old = read(path)
    if wish.hooks and old is not None:
        changes.append(Change(path, old, without_hooks(old, str(path))))
    if wish.mcp and _registered(env) is not None:
        if shutil.which("codex", path=env.get("PATH")):
            commands.append(("codex", "mcp", "remove", NAME))
        else:
            advice.append(f"Take [mcp_servers.{NAME}] out of {_folder(env) / 'config.toml'}\n")
    return Plan(tuple(changes), tuple(commands), tuple(advice))


def _refuse_project(wish: Wish) -> None:
    if wish.project:
        raise InvalidInputError("Codex has no settings of a project for this", hint="leave --project out")


def _folder(env: Mapping[str, str]) -> Path:
    return Path(env.get("CODEX_HOME") or Path(env.get("HOME", "~")).expanduser() / ".codex")


def _registered(env: Mapping[str, str]) -> Any:
    path = _folder(env) / "config.toml"
    try:
        servers = tomllib.loads(read(path) or "").get("mcp_servers")
    except tomllib.TOMLDecodeError as error:
        raise InvalidInputError(f"{path} is not TOML: {error}", hint="mend it first") from error
    return servers.get(NAME) if isinstance(servers, dict) else None


def _is_ours(known: Any, programs: Programs) -> bool:
    if not isinstance(known, dict):
        return False
    command = (known.get("command"), *(known.get("args") or ()))
    return command == programs.server_command and (known.get("env") or {}) == programs.server_env


def _config(env: Mapping[str, str], programs: Programs) -> Change:
    path = _folder(env) / "config.toml"
    old = read(path)
    if _registered(env) is not None:
        raise InvalidInputError(
            f"{path} has another [mcp_servers.{NAME}]", hint="take it out, or put `codex` in PATH"
        )
    command, *arguments = programs.server_command
    # What JSON calls a string or a list of them, TOML does too.
    lines = [f"[mcp_servers.{NAME}]", f"command = {json.dumps(command)}", f"args = {json.dumps(arguments)}"]
    if programs.server_env:
        pairs = ", ".join(f"{name} = {json.dumps(value)}" for name, value in programs.server_env.items())
        lines.append(f"env = {{ {pairs} }}")
    head = old or ""
    gap = "" if not head else "\n" if head.endswith("\n") else "\n\n"
    return Change(path, old, f"{head}{gap}{chr(10).join(lines)}\n")
