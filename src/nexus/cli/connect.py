"""`nexus connect` and `nexus disconnect`: agents on this machine, after showing what will change."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nexus.cli import output

if TYPE_CHECKING:
    from nexus.service.connectors.plan import Plan, Service

_NAMES = "claude, codex, cursor, vscode, windsurf, gemini, opencode or zed"
ClientArgument = Annotated[str, typer.Argument(help=f"Which client: {_NAMES}.", metavar="CLIENT")]
ListedArgument = Annotated[
    str, typer.Argument(help=f"Which client: {_NAMES}. Without one, they are listed.", metavar="[CLIENT]")
]
ProjectFlag = Annotated[
    bool, typer.Option("--project/--user", help="Only for the project in this folder, or for all of yours.")
]
McpFlag = Annotated[bool, typer.Option("--mcp/--no-mcp", help="The memory tools.")]
HooksFlag = Annotated[bool, typer.Option("--hooks/--no-hooks", help="Recall and capture by themselves.")]
LocalFlag = Annotated[
    bool, typer.Option("--local", help="Let it think with this machine's model, too (claude, codex).")
]
RelayFlag = Annotated[
    bool, typer.Option("--relay", help="Write no key into its settings: start `nexus mcp` instead of HTTP.")
]
DryRunFlag = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]
YesFlag = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(connect)
    app.command()(disconnect)


def connect(
    client: ListedArgument = "",
    project: ProjectFlag = False,
    mcp: McpFlag = True,
    hooks: HooksFlag = True,
    local: LocalFlag = False,
    relay: RelayFlag = False,
    dry_run: DryRunFlag = False,
    yes: YesFlag = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Give an agent this memory. Shows every change to its settings before it is made."""
    from nexus.service.connectors.clients import client as named
    from nexus.service.connectors.plan import Wish

    if not client:
        _list(as_json)
        return
    chosen = named(client)
    wish = Wish(mcp, hooks, Path.cwd() if project else None, local, relay, _service(running=local))
    _settle(chosen.connect(wish, os.environ), dry_run, yes, f"{chosen.title} is connected")


def disconnect(
    client: ClientArgument,
    project: ProjectFlag = False,
    mcp: McpFlag = True,
    hooks: HooksFlag = True,
    dry_run: DryRunFlag = False,
    yes: YesFlag = False,
) -> None:
    """Take out of an agent's settings what `nexus connect` put there."""
    from nexus.service.connectors.clients import client as named
    from nexus.service.connectors.plan import Wish

    chosen = named(client)
    wish = Wish(mcp, hooks, Path.cwd() if project else None, service=_service(running=False))
    _settle(chosen.disconnect(wish, os.environ), dry_run, yes, f"{chosen.title} is disconnected")


def _list(as_json: bool) -> None:
    """Every client, whether it is here, and how it is connected."""
    from nexus.service.connectors.clients import CLIENTS

    rows = [client.as_dict(os.environ) for client in CLIENTS.values()]
    if as_json:
        output.as_json({"clients": rows})
        return
    for row in rows:
        state = ", ".join(row["connected"]) or ("not connected" if row["found"] else "not on this machine")
        output.data(f"{row['name']:<9} {row['title']:<12} {state:<34} {row['found']}".rstrip())
        if row["problem"]:
            output.data(f"          {row['problem']}")
    output.talk("connect one: nexus connect NAME")


def _service(*, running: bool) -> Service:
    """Where the service answers. With `running`, its window is asked for where it runs."""
    from nexus.core import config, instance
    from nexus.core.models.chat import chat_model
    from nexus.core.models.store import ModelStore
    from nexus.service import launch
    from nexus.service.connectors.plan import Service

    settings = config.load()
    process = instance.running(settings.home)
    url = process.url if process and process.pid else launch.url_of(settings)
    model, window = settings.settings.engine.model, settings.settings.engine.context
    if settings.settings.engine.kind != "remote":
        store = ModelStore(settings.settings.models.folder or settings.home.models)
        model = chat_model(store, model).name
    if running and process:
        from nexus.cli.client import Client

        state = Client().call("GET", "/api/status")["model"]
        model, window = state["name"] or model, state["context"] or window
    return Service(url, launch.token_of(settings), model, window)


def _settle(plan: Plan, dry_run: bool, yes: bool, done: str) -> None:
    """Show a plan; carry it out when the person agrees."""
    from nexus.core.errors import InvalidInputError

    if plan.empty:
        output.talk(f"{done} already; nothing to change" if not plan.advice else "nothing to change")
    else:
        output.data(plan.shown().rstrip("\n"))
    if not plan.empty and not dry_run:
        if not yes and not sys.stdin.isatty():
            raise InvalidInputError("nobody is there to be asked", hint="add --yes, or look with --dry-run")
        if not yes and not typer.confirm("Do this?", err=True):
            output.talk("nothing was changed")
            return
        plan.carry_out(os.environ)
        output.talk(done)
    for line in plan.advice:
        output.talk(f"\n{line.rstrip()}")
