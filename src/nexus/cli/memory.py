"""Memories: `remember`, and `memories list|show|edit|supersede|export|import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

import typer

from nexus.cli import approval, editing, output
from nexus.cli.scope import AllFlag, DomainOption, ProjectOption, absolute, project_folder
from nexus.core.errors import InvalidInputError

app = typer.Typer(no_args_is_help=True)
approval.register(app)
IdArgument = Annotated[str, typer.Argument(help="The memory's id, MEM-...")]


def register(parent: typer.Typer) -> None:
    """Add the top-level command."""
    parent.command()(remember)


def remember(
    text: Annotated[str, typer.Argument(help="What to remember, in one or two sentences.")],
    context: Annotated[str, typer.Option(help="When or how this was learnt.")] = "",
    domain: Annotated[
        str, typer.Option(help="AUTH, UI, API, DB, TEST, DEV or GENERAL; default: by its words.")
    ] = "",
    kind: Annotated[str, typer.Option("--type", help="factual, experiential or procedural.")] = "factual",
    project: Annotated[
        str, typer.Option("--project", help="For this project; default: the one here, if there is one.")
    ] = "",
    everywhere: Annotated[bool, typer.Option("--global", help="For all projects.")] = False,
    share: Annotated[
        bool, typer.Option("--share", help="Write it into the project's .cortex, for all who have it.")
    ] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Store a memory. It is on disk when the command returns."""
    from nexus.cli.client import Client
    from nexus.core.paths import find_project

    if everywhere and (project or share):
        other = f"--project {project}" if project else "--share"
        raise InvalidInputError(f"--global and {other} exclude each other", hint="leave one of them out")
    folder = "" if everywhere else project_folder(project) or str(find_project(Path.cwd()) or "")
    if share and not folder:
        raise InvalidInputError(
            f"--share needs a project, and {Path.cwd()} is in none", hint="add --project FOLDER"
        )
    body = {
        "learning": text,
        "context": context,
        "type": kind,
        "project": folder,
        "share": share,
        **({"domain": domain.upper()} if domain else {}),
    }
    memory: dict[str, Any] = Client().call("POST", "/api/memories", body)
    if as_json:
        output.as_json(memory)
        return
    output.data(f"{memory['id']}  {memory['learning']}")
    for old in memory["contradicts"]:
        output.talk(f"contradicts {old}; if that no longer holds:")
        output.talk(f"  nexus memories supersede {old} {memory['id']}")


@app.command("list")
def list_memories(
    project: ProjectOption = "",
    domain: DomainOption = "",
    all_times: AllFlag = False,
    by: Annotated[
        Literal["time", "regret"],
        typer.Option(help="regret: what could be forgotten first, and why. Nothing is deleted."),
    ] = "time",
    as_json: output.JsonFlag = False,
) -> None:
    """List memories and proposals, newest first; or memories by what their loss would cost."""
    from nexus.cli.client import Client

    asked = {"project": project_folder(project), "domain": domain.upper(), "all": all_times, "by": by}
    known: dict[str, Any] = Client().call("GET", f"/api/memories?{urlencode(asked)}")
    if as_json:
        output.as_json(known)
        return
    if by == "regret":
        _list_by_regret(known["memories"])
        return
    for memory in known["memories"]:
        output.data(_line(memory))
    for proposal in known["proposals"]:
        learning = output.harmless(" ".join(proposal["learning"].split()))
        surprise = f", {proposal['surprise_means']}" if proposal["surprise_means"] else ""
        output.data(f"{proposal['id']}  proposed ({proposal['confidence']}{surprise})  {learning}")
    if not known["memories"] and not known["proposals"]:
        output.talk('nothing is remembered yet; try: nexus remember "..."')


@app.command()
def show(memory_id: IdArgument, as_json: output.JsonFlag = False) -> None:
    """Show one memory."""
    from nexus.cli.client import Client

    memory: dict[str, Any] = Client().call("GET", f"/api/memories/{quote(memory_id, safe='')}")
    if as_json:
        output.as_json(memory)
        return
    for name, value in memory.items():
        if value not in ("", []):
            text = ", ".join(value) if isinstance(value, list) else value
            output.data(output.harmless(f"{name:<16} {text}"))


@app.command()
def edit(
    memory_id: IdArgument,
    learning: Annotated[str | None, typer.Option(help="What it says.")] = None,
    context: Annotated[str | None, typer.Option(help="When or how this was learnt.")] = None,
    domain: Annotated[str | None, typer.Option(help="AUTH, UI, API, DB, TEST, DEV or GENERAL.")] = None,
    confidence: Annotated[str | None, typer.Option(help="high, medium or low.")] = None,
    verified: Annotated[
        bool | None, typer.Option("--verified/--unverified", help="Whether you have checked it.")
    ] = None,
    valid_to: Annotated[
        str | None, typer.Option("--valid-to", help="The day or time it ends (UTC), or never.")
    ] = None,
    as_json: output.JsonFlag = False,
) -> None:
    """Change a memory: what the options name, or, without any, what you change in your editor."""
    from nexus.cli.client import Client

    client, address = Client(), f"/api/memories/{quote(memory_id, safe='')}"
    given = {
        "learning": learning,
        "context": context,
        "domain": domain.upper() if domain is not None else None,
        "confidence": confidence,
        "verified": verified,
        "valid_to": "" if valid_to == "never" else valid_to,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        changes = editing.changes(client.call("GET", address))
    if not changes:
        output.talk(f"{memory_id} stays as it is")
        return
    memory: dict[str, Any] = client.call("PATCH", address, changes)
    if as_json:
        output.as_json(memory)
        return
    output.data(_line(memory))


@app.command()
def supersede(
    memory_id: Annotated[str, typer.Argument(help="The id of the memory that no longer holds.")],
    text: Annotated[str, typer.Argument(help="What holds now, or the id of the memory that says it.")],
    context: Annotated[str, typer.Option(help="When or how this was learnt.")] = "",
    as_json: output.JsonFlag = False,
) -> None:
    """Let another memory take the place of one, which ends now and stays readable (list --all)."""
    from nexus.cli.client import Client

    address = f"/api/memories/{quote(memory_id, safe='')}/supersede"
    memory: dict[str, Any] = Client().call("POST", address, {"learning": text, "context": context})
    if as_json:
        output.as_json(memory)
        return
    output.data(_line(memory))
    output.talk(f"supersedes {', '.join(memory['supersedes'])}")


@app.command()
def export(
    target: Annotated[Path, typer.Argument(help="A folder, or one file that ends in .jsonl.")],
) -> None:
    """Write all your memories to a folder of their files, or to one file of JSON lines."""
    from nexus.cli.client import Client

    done = Client().call("POST", "/api/memories/export", {"path": absolute(target)})
    output.talk(f"{done['memories']} memories written to {done['path']}")


@app.command("import")
def import_memories(
    source: Annotated[Path, typer.Argument(help="What `nexus memories export` wrote.")],
    as_json: output.JsonFlag = False,
) -> None:
    """Take in exported memories. What is there already stays as it is; differences are named."""
    from rich.console import Console

    from nexus.cli.client import Client

    client = Client()
    with Console(stderr=True).status("taking in memories"):
        report = client.call("POST", "/api/memories/import", {"path": absolute(source)})
    if as_json:
        output.as_json(report)
    else:
        for problem in report["problems"]:
            output.data(output.harmless(problem))
        left = f", {len(report['problems'])} not taken" if report["problems"] else ""
        output.data(f"{len(report['added'])} added, {len(report['unchanged'])} unchanged{left}")
    if report["problems"]:
        raise typer.Exit(1)


def _list_by_regret(memories: list[dict[str, Any]]) -> None:
    for memory in memories:
        output.data(_line(memory))
        could = "could go" if memory["forgettable"] else "keep"
        output.data(output.harmless(f"  {could}, regret {memory['regret']:.2f}: {memory['why']}"))
    if any(memory["forgettable"] for memory in memories):
        output.talk("nothing is forgotten by itself; nexus forget ID... does it")
    else:
        output.talk("nothing here could go without a loss" if memories else "nothing is remembered yet")


def _line(memory: dict[str, Any]) -> str:
    """A memory in one line, with what is unusual about it."""
    marks = [
        *([] if memory["verified"] else ["unverified"]),
        *([f"of {memory['project']}"] if memory["project"] else []),
        *([f"ends {memory['valid_to'][:10]}"] if memory["valid_to"] else []),
    ]
    learning = " ".join(memory["learning"].split())
    marked = f"  [{', '.join(marks)}]" if marks else ""
    return output.harmless(f"{memory['id']}  {memory['domain']:<7}  {learning}{marked}")
