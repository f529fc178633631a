"""Clients that are told of MCP servers in a JSON file, and of nothing else: editors and other agents.

Each row of the table is from the client's own documentation; a client whose form is not certain is not
here. By streamable HTTP the client holds our token, so its file becomes readable by its owner only. Where
that is not enough (a project's file is shared, a link may lead into a repository) the stdio relay is
entered, which needs no token.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nexus.core.errors import InvalidInputError
from nexus.service.connectors.change import read
from nexus.service.connectors.json_members import Member, Members
from nexus.service.connectors.json_text import JsonText
from nexus.service.connectors.plan import NAME, Plan, Programs, Service, Wish, calls_nexus, records
from nexus.service.connectors.settings_file import present, settle

Env = Mapping[str, str]
Server = dict[str, Any]
_PATH = "/mcp"


@dataclass(frozen=True, slots=True)
class McpClient:
    """One client: its files, and the form of an entry in them."""

    title: str
    settings: Callable[[Env], Path]
    http: Callable[[str, dict[str, str]], Server]
    relay: Callable[[Programs], Server]
    members: tuple[str, ...] = ("mcpServers",)
    project: str = ""

    def connect(self, wish: Wish, env: Env) -> Plan:
        """What connecting takes. Raises `InvalidInputError`, `StorageError`."""
        if wish.local:
            raise InvalidInputError(
                f"the model of {self.title} is chosen in {self.title}",
                hint="leave --local out; docs/guides/clients.md has the address and the key",
            )
        path = self._file(wish, env)
        advice = () if wish.project else (f"{self.title} reads it at its next start.\n",)
        return Plan((settle(path, [self._part(path, wish, env)], {"mcp"}, records(env)),), (), advice)

    def disconnect(self, wish: Wish, env: Env) -> Plan:
        """What taking our entry out again takes."""
        path = self._file(wish, env)
        return Plan((settle(path, [self._part(path, wish, env)], set(), records(env)),))

    def connected(self, env: Env) -> list[str]:
        """In which way it is connected, for all of the user's projects."""
        path = self.settings(env)
        if not present(path, [self._part(path, Wish(), env)], records(env)):
            return []
        entry = JsonText(read(path) or "", str(path)).at([*self._members(path), NAME])
        relayed = isinstance(entry, dict) and "command" in entry
        return ["tools by the relay" if relayed else "tools by HTTP"]

    def folder(self, env: Env) -> Path:
        """A folder that is there where the client has been used."""
        return self.settings(env).parent

    def files(self, env: Env) -> tuple[Path, ...]:
        """Where an entry of ours may be."""
        return (self.settings(env),)

    def _file(self, wish: Wish, env: Env) -> Path:
        if wish.project is None:
            return self.settings(env)
        if not self.project:
            raise InvalidInputError(
                f"{self.title} has no settings of a project for this", hint="leave --project out"
            )
        return wish.project / self.project

    def _part(self, path: Path, wish: Wish, env: Env) -> Members:
        private = (
            wish.project is None and not wish.relay and not path.is_symlink() and bool(wish.service.token)
        )
        if private:
            entry = self.http(wish.service.url + _PATH, _headers(wish.service))
        else:
            entry = self.relay(Programs.installed(env, portable=wish.project is not None))
        member = Member((*self._members(path), NAME), entry, _is_ours)
        return Members("mcp", [member], private)

    def _members(self, path: Path) -> tuple[str, ...]:
        if self.members != ("mcp",):
            return self.members
        # opencode reads two forms: servers at `mcp`, and since its second version at `mcp.servers`.
        newer = JsonText(read(path) or "", str(path)).at(["mcp", "servers"])
        is_map = isinstance(newer, dict) and "type" not in newer and "enabled" not in newer
        return ("mcp", "servers") if is_map else ("mcp",)


def _headers(service: Service) -> dict[str, str]:
    return {"Authorization": f"Bearer {service.token}"}


def _is_ours(found: Any) -> bool:
    """The relay of any installation, or /mcp of a loopback address."""
    if not isinstance(found, dict):
        return False
    command, arguments = found.get("command"), found.get("args")
    if isinstance(command, list) and command:
        command, arguments = command[0], command[1:]
    if calls_nexus(command, arguments):
        return True
    urls = [found.get(name) for name in ("url", "serverUrl", "httpUrl")]
    return any(
        isinstance(url, str)
        and url.endswith(_PATH)
        and url.startswith(("http://127.0.0.1:", "http://localhost:", "http://[::1]:"))
        for url in urls
    )


def _home(env: Env) -> Path:
    return Path(env.get("HOME") or "~").expanduser()


def _config(env: Env) -> Path:
    return Path(env.get("XDG_CONFIG_HOME") or _home(env) / ".config")


def _vscode(env: Env) -> Path:
    if sys.platform == "darwin":
        return _home(env) / "Library" / "Application Support" / "Code" / "User" / "mcp.json"
    return _config(env) / "Code" / "User" / "mcp.json"


def _opencode(env: Env) -> Path:
    folder = _config(env) / "opencode"
    with_comments = folder / "opencode.jsonc"
    return with_comments if with_comments.exists() else folder / "opencode.json"


def _stdio(programs: Programs) -> Server:
    command, *arguments = programs.server_command
    entry: Server = {"command": command, "args": arguments}
    return {**entry, "env": programs.server_env} if programs.server_env else entry


def _opencode_relay(programs: Programs) -> Server:
    entry: Server = {"type": "local", "command": list(programs.server_command)}
    return {**entry, "environment": programs.server_env} if programs.server_env else entry


MCP_CLIENTS: dict[str, McpClient] = {
    "cursor": McpClient(
        "Cursor",
        lambda env: _home(env) / ".cursor" / "mcp.json",
        lambda url, headers: {"url": url, "headers": headers},
        _stdio,
        project=".cursor/mcp.json",
    ),
    "vscode": McpClient(
        "VS Code",
        _vscode,
        lambda url, headers: {"type": "http", "url": url, "headers": headers},
        lambda programs: {"type": "stdio", **_stdio(programs)},
        members=("servers",),
        project=".vscode/mcp.json",
    ),
    "windsurf": McpClient(
        "Windsurf",
        lambda env: _home(env) / ".codeium" / "windsurf" / "mcp_config.json",
        lambda url, headers: {"serverUrl": url, "headers": headers},
        _stdio,
    ),
    "gemini": McpClient(
        "Gemini CLI",
        lambda env: _home(env) / ".gemini" / "settings.json",
        lambda url, headers: {"httpUrl": url, "headers": headers},
        _stdio,
        project=".gemini/settings.json",
    ),
    "opencode": McpClient(
        "opencode",
        _opencode,
        lambda url, headers: {"type": "remote", "url": url, "headers": headers},
        _opencode_relay,
        members=("mcp",),
        project="opencode.json",
    ),
    "zed": McpClient(
        "Zed",
        lambda env: _config(env) / "zed" / "settings.json",
        lambda url, headers: {"url": url, "headers": headers},
        _stdio,
        members=("context_servers",),
        project=".zed/settings.json",
    ),
}
