"""Sessions of agents: `sessions import|list`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nexus.cli import output
from nexus.cli.scope import absolute
from nexus.cli.working import follow, print_report
from nexus.core.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from nexus.cortex.transcripts.sessions import Client as Agent

app = typer.Typer(no_args_is_help=True)


@app.command("import")
def import_sessions(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Session files, or folders of them; default: all there are.")
    ] = None,
    claude_code: Annotated[bool, typer.Option("--claude-code", help="Those of Claude Code.")] = False,
    codex: Annotated[bool, typer.Option("--codex", help="Those of Codex.")] = False,
    as_json: output.JsonFlag = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the sum only.")] = False,
) -> None:
    """Take in what was said in sessions of Claude Code and Codex, so that it is found again.

    Without paths they are looked for where the agents keep them. Credentials are blacked out first.
    """
    from nexus.cli.client import Client

    agents: list[Agent] = [*(["claude-code"] if claude_code else []), *(["codex"] if codex else [])]  # type: ignore[list-item]
    if paths and agents:
        raise InvalidInputError(
            f"{paths[0]} is named and --{agents[0]} too", hint="name files, or say whose sessions, not both"
        )
    for path in paths or ():
        if not path.expanduser().exists():
            raise NotFoundError(f"{path} does not exist", hint="name a file or a folder of sessions")
    client = Client()
    found = [path.expanduser() for path in paths] if paths else _kept(agents or ["claude-code", "codex"])
    body = {"paths": [absolute(path) for path in found]}
    report = follow(client, "/api/sessions", body, "reading sessions")
    if as_json:
        output.as_json(report)
        return
    print_report(report, quiet=quiet, what="sessions")


@app.command("list")
def list_sessions(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many of the latest.")] = 30,
    as_json: output.JsonFlag = False,
) -> None:
    """List the sessions that were taken in, latest first."""
    from nexus.cli.client import Client

    known: list[dict[str, Any]] = Client().call("GET", "/api/sessions")["sessions"]
    if as_json:
        output.as_json(known)
        return
    for session in known[:limit]:
        title = " ".join(session["title"].split())[:70] or "(no title)"
        output.data(output.harmless(f"{session['changed'][:10]}  {title}  {session['path']}"))
    if len(known) > limit:
        output.talk(f"... and {len(known) - limit} more (-n {len(known)} lists all)")
    if not known:
        output.talk("no sessions yet; try: nexus sessions import")


def _kept(agents: list[Agent]) -> list[Path]:
    """The session files of these agents. Raises `NotFoundError` naming where they were looked for."""
    from nexus.cortex.transcripts.sessions import find_sessions, sessions_folder

    found = find_sessions(Path.home(), agents)
    if not found:
        folders = " and ".join(str(sessions_folder(agent, Path.home())) for agent in agents)
        raise NotFoundError(f"there are no sessions in {folders}", hint="name their files or folders")
    return found
