"""Memories: `remember`, and `memories list|show|approve|reject|edit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nexus.cli import output

app = typer.Typer(no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the top-level command."""
    parent.command()(remember)


def remember(
    text: Annotated[str, typer.Argument(help="What to remember, in one or two sentences.")],
    context: Annotated[str, typer.Option(help="When or how this was learnt.")] = "",
    as_json: output.JsonFlag = False,
) -> None:
    """Store a memory. It is on disk when the command returns."""
    from nexus.cli.client import Client
    from nexus.core.paths import find_project

    project = find_project(Path.cwd())
    body = {"learning": text, "context": context, "project": str(project or "")}
    memory: dict[str, Any] = Client().call("POST", "/api/memories", body)
    if as_json:
        output.as_json(memory)
        return
    output.data(f"{memory['id']}  {memory['learning']}")


@app.command("list")
def list_memories(as_json: output.JsonFlag = False) -> None:
    """List memories and proposals, newest first."""
    from nexus.cli.client import Client

    known: dict[str, Any] = Client().call("GET", "/api/memories")
    if as_json:
        output.as_json(known)
        return
    for memory in known["memories"]:
        output.data(f"{memory['id']}  {memory['domain']:<7}  {memory['learning']}")
    for proposal in known["proposals"]:
        output.data(f"{proposal['id']}  proposed ({proposal['confidence']})  {proposal['learning']}")
    if not known["memories"] and not known["proposals"]:
        output.talk('nothing is remembered yet; try: nexus remember "..."')


@app.command()
def show(memory_id: str, as_json: output.JsonFlag = False) -> None:
    """Show one memory."""
    from nexus.cli.client import Client

    memory: dict[str, Any] = Client().call("GET", f"/api/memories/{memory_id}")
    if as_json:
        output.as_json(memory)
        return
    for name, value in memory.items():
        if value not in ("", []):
            text = ", ".join(value) if isinstance(value, list) else value
            output.data(f"{name:<16} {text}")


@app.command()
def edit(memory_id: str, learning: str) -> None:
    """Replace the text of a memory."""
    from nexus.cli.client import Client

    memory = Client().call("PATCH", f"/api/memories/{memory_id}", {"learning": learning})
    output.data(f"{memory['id']}  {memory['learning']}")


@app.command()
def approve(proposal_id: str) -> None:
    """Make a proposal a memory."""
    from nexus.cli.client import Client

    memory = Client().call("POST", f"/api/proposals/{proposal_id}/approve")
    output.data(f"{memory['id']}  {memory['learning']}")


@app.command()
def reject(proposal_id: str) -> None:
    """Drop a proposal; it does not come back."""
    from nexus.cli.client import Client

    Client().call("POST", f"/api/proposals/{proposal_id}/reject")
    output.talk(f"rejected: {proposal_id}")
