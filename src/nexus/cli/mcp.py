"""`nexus mcp`: the service's MCP tools over stdin and stdout, for agents that start their servers."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the command. `nexus.cli.entry` runs it without this module; here it is for the help."""
    app.command()(mcp)


def mcp() -> None:
    """Relay MCP between an agent (stdin and stdout) and the service; `nexus connect` sets it up."""
    from nexus.cli.relay import relay_stdio

    relay_stdio()
