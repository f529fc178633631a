"""`nexus connect` and `nexus disconnect`: agents on this machine, after showing what will change."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nexus.cli import output

if TYPE_CHECKING:
    from nexus.service.connectors.plan import Plan


class Agent(StrEnum):
    """Whom we know how to connect."""

    CLAUDE_CODE = "claude-code"
    CODEX = "codex"


AgentArgument = Annotated[Agent, typer.Argument(help="Which agent.")]
ProjectFlag = Annotated[
    bool, typer.Option("--project/--user", help="Only for the project in this folder, or for all of yours.")
]
McpFlag = Annotated[bool, typer.Option("--mcp/--no-mcp", help="The memory tools.")]
HooksFlag = Annotated[bool, typer.Option("--hooks/--no-hooks", help="Recall and capture by themselves.")]
DryRunFlag = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]
YesFlag = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(connect)
    app.command()(disconnect)


def connect(
    agent: AgentArgument,
    project: ProjectFlag = False,
    mcp: McpFlag = True,
    hooks: HooksFlag = True,
    dry_run: DryRunFlag = False,
    yes: YesFlag = False,
) -> None:
    """Give an agent this memory. Shows every change to its settings before it is made."""
    from nexus.service.connectors import claude_code, codex
    from nexus.service.connectors.plan import Wish

    wish = Wish(mcp, hooks, Path.cwd() if project else None)
    connector = claude_code if agent == Agent.CLAUDE_CODE else codex
    _settle(connector.connect(wish, os.environ), dry_run, yes, f"{agent} is connected")


def disconnect(
    agent: AgentArgument,
    project: ProjectFlag = False,
    mcp: McpFlag = True,
    hooks: HooksFlag = True,
    dry_run: DryRunFlag = False,
    yes: YesFlag = False,
) -> None:
    """Take out of an agent's settings what `nexus connect` put there."""
    from nexus.service.connectors import claude_code, codex
    from nexus.service.connectors.plan import Wish

    wish = Wish(mcp, hooks, Path.cwd() if project else None)
    connector = claude_code if agent == Agent.CLAUDE_CODE else codex
    _settle(connector.disconnect(wish, os.environ), dry_run, yes, f"{agent} is disconnected")


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
        for change in plan.changes:
            if change.needed and change.old is not None:
                output.talk(f"the old {change.path.name} is kept as {change.backup}")
        output.talk(done)
    for line in plan.advice:
        output.talk(f"\n{line.rstrip()}")
