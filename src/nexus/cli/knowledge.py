"""Documents: `add`, `recall`, `forget`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nexus.cli import output

_MOST_LINES = 30


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(add)
    app.command()(recall)
    app.command()(forget)


def add(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders to index.")],
    as_json: output.JsonFlag = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the sum only.")] = False,
) -> None:
    """Index files and folders. Unchanged files are not embedded again."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from nexus.cli.client import Client

    client = Client()
    body = {"paths": [str(path.absolute()) for path in paths]}
    report: dict[str, Any] = {}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[chunks]} chunks"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("indexing", total=None, chunks=0)
        for event in client.stream("/api/knowledge", body):
            if event.name == "queued":
                progress.update(task, description="waiting")
            elif event.name == "progress":
                progress.update(
                    task,
                    description="indexing",
                    completed=event.data["done"],
                    total=event.data["total"],
                    chunks=event.data["chunks"],
                )
            elif event.name == "done":
                report = event.data
    if as_json:
        output.as_json(report)
        return
    told = [f for f in report["files"] if f["reason"]]
    if not quiet:
        for file in told[:_MOST_LINES]:
            hint = f" ({file['hint']})" if file["hint"] else ""
            output.data(f"{file['status']:<9} {file['path']}: {file['reason']}{hint}")
        if len(told) > _MOST_LINES:
            output.data(f"... and {len(told) - _MOST_LINES} more (--json lists all)")
    counts = ", ".join(f"{n} {status}" for status, n in sorted(report["counts"].items()))
    output.data(f"{counts or 'no files'}; {report['embedded']} chunks embedded")


def recall(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many results.")] = 5,
    as_json: output.JsonFlag = False,
) -> None:
    """Search documents and memories, without asking the model."""
    from nexus.cli.client import Client

    body = {"query": query, "limit": limit}
    results: list[dict[str, Any]] = Client().call("POST", "/api/recall", body)["results"]
    if as_json:
        output.as_json(results)
        return
    if not results:
        output.talk("nothing found")
    for number, result in enumerate(results, 1):
        output.data(f"{number}. {output.place(result)}  score {result['score']:.2f}")
        for line in result["text"].strip().splitlines()[:4]:
            output.data(f"   {line[:160]}")


def forget(
    what: Annotated[str, typer.Argument(help="A memory's id, or a file or folder that was added.")],
) -> None:
    """Delete a memory, or take documents out of the store (the files stay)."""
    from nexus.cli.client import Client

    client = Client()
    if what.startswith("MEM-"):
        client.call("DELETE", f"/api/memories/{what}")
        output.talk(f"forgotten: {what}")
        return
    path = str(Path(what).absolute())
    removed = client.call("DELETE", "/api/knowledge", {"path": path})["removed"]
    output.talk(f"forgotten: {removed} documents of {path}")
