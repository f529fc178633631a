"""Notes who each request is from: the interface by its path, the program by what it calls itself.

Counters are `nexus.service.traffic`. Invariant: a name that a program gives itself is kept printable and
short, and is never more than a name.
"""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from nexus.service.guard import headers
from nexus.service.traffic import CALLER, NAMELESS, Caller, Interface

_LONGEST_NAME = 60
_OLLAMA = frozenset(
    f"/api/{name}" for name in ("chat", "generate", "embed", "embeddings", "tags", "show", "ps", "version")
)
_VERSION = re.compile(r"v?\d[\w.+-]*")
# What agents call themselves, and what people call them.
_KNOWN = {
    "claude-cli": "Claude Code",
    "claude-code": "Claude Code",
    "codex_cli_rs": "Codex",
    "codex_exec": "Codex",
    "codex-mcp-client": "Codex",
    "cursor-vscode": "Cursor",
    "gemini-cli-mcp-client": "Gemini CLI",
}


class Counting:
    """ASGI middleware: notes who a request is from. Behind the guards: who is refused is nobody's agent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        interface = interface_of(scope["path"]) if scope["type"] == "http" else None
        daemon = getattr(scope["app"].state, "daemon", None) if interface else None
        if interface and daemon is not None:
            agents = headers(scope, b"user-agent")
            caller = Caller(interface, program_of(agents[0] if agents else ""))
            scope[CALLER] = caller
            daemon.traffic.met(caller)
        await self._app(scope, receive, send)


def interface_of(path: str) -> Interface | None:
    """The interface that a path belongs to; None for the service's own. Hooks say themselves who they are."""
    if path == "/mcp":
        return "mcp"
    if path.startswith("/v1/messages"):
        return "anthropic"
    if path.startswith("/v1/"):
        return "openai"
    return "ollama" if path in _OLLAMA else None


def program_of(user_agent: str) -> str:
    """The name that a program gives itself, without its version; printable and short."""
    words = user_agent.split()
    first = "".join(c for c in (words[0] if words else "") if c.isprintable())
    name, _, version = first.rpartition("/")
    name = name if name and _VERSION.fullmatch(version) else first
    return _KNOWN.get(name, name[:_LONGEST_NAME]) or NAMELESS
