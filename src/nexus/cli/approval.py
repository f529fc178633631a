"""What waits for your word: `memories proposals|approve|reject|withdraw`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlencode

import typer

from nexus.cli import output
from nexus.cli.scope import project_folder
from nexus.core.errors import InvalidInputError

if TYPE_CHECKING:
    from nexus.cli.client import Client

IdsArgument = Annotated[list[str], typer.Argument(help="Ids of proposals, NEW-...")]


def register(app: typer.Typer) -> None:
    """Add the commands to the group of the memories."""
    app.command()(proposals)
    app.command()(approve)
    app.command()(reject)
    app.command()(withdraw)


def proposals(as_json: output.JsonFlag = False) -> None:
    """List what waits for your word: why it was proposed, where it was said, what it contradicts."""
    from nexus.cli.client import Client

    waiting: list[dict[str, Any]] = Client().call("GET", "/api/proposals")["proposals"]
    if as_json:
        output.as_json(waiting)
        return
    for proposal in waiting:
        _show_proposal(proposal)
    if not waiting:
        output.talk("nothing waits for your word")
        return
    output.talk("nexus memories approve ID... remembers, nexus memories reject ID... drops")


def approve(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Ids of proposals, NEW-...; or the project's folder.")
    ] = None,
    keep_old: Annotated[
        bool, typer.Option("--keep-old", help="Keep what it contradicts valid, too.")
    ] = False,
    from_project: Annotated[
        bool,
        typer.Option(
            "--all-from-project", help="Approve the memories that came with a project (default: this one)."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Make proposals memories. What they contradict is superseded and stays readable."""
    from nexus.cli.client import Client

    if from_project:
        if len(ids or []) > 1 or keep_old:
            extra = "--keep-old" if keep_old else (ids or [])[1]
            raise InvalidInputError(
                f"{extra} does not go with --all-from-project", hint="name one project at a time"
            )
        _approve_project(Client(), project_folder((ids or ["."])[0]), yes)
        return
    if not ids:
        raise InvalidInputError("no proposal is named", hint="see `nexus memories proposals`")
    client = Client()
    for proposal_id in ids:
        address = f"/api/proposals/{quote(proposal_id, safe='')}/approve"
        memory = client.call("POST", address, {"keep_old": keep_old})
        output.data(output.harmless(f"{memory['id']}  {memory['learning']}"))
        if memory["supersedes"]:
            output.talk(f"supersedes {', '.join(memory['supersedes'])}")


def reject(ids: IdsArgument) -> None:
    """Drop proposals; they do not come back."""
    from nexus.cli.client import Client

    client = Client()
    for proposal_id in ids:
        client.call("POST", f"/api/proposals/{quote(proposal_id, safe='')}/reject")
        output.talk(f"rejected: {proposal_id}")


def withdraw(
    project: Annotated[str, typer.Argument(help="The project's folder; default: this one.")] = ".",
) -> None:
    """Take back the approval of all memories that came with a project. Its files stay as they are."""
    from nexus.cli.client import Client

    folder = project_folder(project)
    done = Client().call("POST", "/api/projects/withdraw", {"path": folder})
    output.talk(f"{done['withdrawn']} memories of {folder} are no longer recalled")


def _approve_project(client: Client, folder: str, yes: bool) -> None:
    """Show every memory in full, ask, and approve exactly what was shown."""
    found = client.call("GET", f"/api/projects/memories?{urlencode({'path': folder})}")
    for problem in found["problems"]:
        output.talk(output.harmless(f"left alone  {problem}"))
    waiting = found["waiting"]
    if not waiting:
        known = f"all {found['known']} of them are approved" if found["known"] else "there are none"
        output.talk(f"no memories of {folder} wait for your word: {known}")
        return
    for memory in waiting:
        _show_foreign(memory)
    count = f"{len(waiting)} {'memory' if len(waiting) == 1 else 'memories'} of {folder}"
    if not yes and not _agreed(f"Let agents read {count}?"):
        output.talk("nothing was approved")
        raise typer.Exit(1)
    body = {"path": folder, "contents": [memory["sha256"] for memory in waiting]}
    done = client.call("POST", "/api/projects/approve", body)
    output.data(f"{len(done['approved'])} approved")


def _agreed(question: str) -> bool:
    try:
        return typer.confirm(question, default=False, err=True)
    except typer.Abort:
        return False  # nobody there to answer


def _show_foreign(memory: dict[str, Any]) -> None:
    fields = [memory["domain"], memory["type"], f"confidence {memory['confidence']}"]
    output.data(output.harmless(f"{memory['id']}  {', '.join(fields)}  {Path(memory['file']).name}"))
    for name in ("learning", "context"):
        for line in output.harmless(memory[name]).splitlines():
            output.data(f"  {'context: ' if name == 'context' else ''}{line}")
    if memory["keywords"]:
        output.data(output.harmless(f"  keywords: {', '.join(memory['keywords'])}"))
    output.data("")


def _show_proposal(proposal: dict[str, Any]) -> None:
    lines = [
        f"{proposal['id']}  {proposal['created'][:10]}  {proposal['confidence']}  by the {proposal['role']}"
    ]
    lines += [f"  {line}" for line in proposal["learning"].splitlines()]
    lines.append(f"  why: {proposal['why']}")
    if proposal["surprise_means"]:
        lines.append(f"  surprise {proposal['surprise']:.2f}: {proposal['surprise_means']}")
    if proposal["session"]:
        lines.append(f"  session: {proposal['session']}")
    if proposal["project"]:
        lines.append(f"  project: {proposal['project']}")
    lines += [f"  contradicts {m['id']}: {m['learning']}" for m in proposal["against"]]
    lines += [f"  much like {m['id']}: {m['learning']}" for m in proposal["alike"]]
    for line in lines:
        output.data(output.harmless(line))
