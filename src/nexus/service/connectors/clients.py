"""Every client that can be connected: its names, whether this machine has it, and how it is connected."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nexus.core.errors import InvalidInputError, NexusError
from nexus.service.connectors import claude_code, codex
from nexus.service.connectors.mcp_clients import MCP_CLIENTS
from nexus.service.connectors.plan import Plan, Wish, records

Env = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Client:
    """A client under its name, with the programs that start it and what it can be given.

    `files` are those of its settings that may hold something of ours.
    """

    name: str
    title: str
    programs: tuple[str, ...]
    folder: Callable[[Env], Path]
    connect: Callable[[Wish, Env], Plan]
    disconnect: Callable[[Wish, Env], Plan]
    connected: Callable[[Env], list[str]]
    files: Callable[[Env], tuple[Path, ...]]
    local: bool = False

    def found(self, env: Env) -> str:
        """Where this machine has it: a program, or the folder of its settings. Empty where it has not."""
        for program in self.programs:
            path = shutil.which(program, path=env.get("PATH"))
            if path:
                return path
        folder = self.folder(env)
        return str(folder) if folder.is_dir() else ""

    def as_dict(self, env: Env) -> dict[str, Any]:
        """For a list, or for JSON. A file that cannot be read is a state, not a failure of the list."""
        try:
            ways, problem = self.connected(env), ""
        except NexusError as error:
            ways, problem = [], str(error)
        files = self.files(env)
        since = [moment for moment in map(records(env).since, files) if moment]
        return {
            "name": self.name,
            "title": self.title,
            "found": self.found(env),
            "connected": ways,
            "files": [str(path) for path in files],
            "since": min(since, default="") if ways else "",
            "problem": problem,
        }


CLIENTS: dict[str, Client] = {
    "claude": Client(
        "claude",
        "Claude Code",
        ("claude",),
        claude_code.folder,
        claude_code.connect,
        claude_code.disconnect,
        claude_code.connected,
        claude_code.files,
        local=True,
    ),
    "codex": Client(
        "codex",
        "Codex",
        ("codex",),
        codex.folder,
        codex.connect,
        codex.disconnect,
        codex.connected,
        codex.files,
        local=True,
    ),
    **{
        name: Client(
            name,
            row.title,
            {"vscode": ("code",), "zed": ("zed", "zeditor")}.get(name, (name,)),
            row.folder,
            row.connect,
            row.disconnect,
            row.connected,
            row.files,
        )
        for name, row in MCP_CLIENTS.items()
    },
}
_OTHER_NAMES = {"claude-code": "claude", "code": "vscode", "gemini-cli": "gemini"}


def client(name: str) -> Client:
    """The client of a name. Raises `InvalidInputError` with those there are."""
    known = CLIENTS.get(_OTHER_NAMES.get(name, name))
    if known is None:
        raise InvalidInputError(
            f"no client {name!r}",
            hint=f"one of {', '.join(CLIENTS)}; others by hand: docs/guides/agents.md",
        )
    return known
