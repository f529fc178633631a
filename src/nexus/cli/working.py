"""Long work of the service at the terminal: its progress as a bar, its report as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nexus.cli import output

if TYPE_CHECKING:
    from nexus.cli.client import Client

_MOST_LINES = 30
_DOING = {"reading": "reading files", "embedding": "embedding chunks"}


def follow(client: Client, path: str, body: dict[str, Any], doing: str) -> dict[str, Any]:
    """Start a job and show how far it is until it ends. Returns its result. Raises what it reports."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    result: dict[str, Any] = {}
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task, phase = progress.add_task(doing, total=None), ""
        for event in client.stream(path, body):
            if event.name == "queued":
                progress.update(task, description="waiting")
            elif event.name == "progress":
                now = event.data.get("phase", "")
                if now != phase:
                    # Files and chunks are counted apart, so each has a bar of its own.
                    progress.reset(task)
                    phase = now
                progress.update(
                    task,
                    description=_DOING.get(now, doing),
                    completed=event.data["done"],
                    total=event.data["total"],
                )
            elif event.name == "done":
                result = event.data
    return result


def print_report(report: dict[str, Any], *, quiet: bool, what: str = "files") -> None:
    """The sum of what was read, above it each file that there is something to say about."""
    told = [] if quiet else [f for f in report["files"] if f["reason"]]
    for file in told[:_MOST_LINES]:
        hint = f" ({file['hint']})" if file["hint"] else ""
        output.data(output.harmless(f"{file['status']:<9} {file['path']}: {file['reason']}{hint}"))
    if len(told) > _MOST_LINES:
        output.data(f"... and {len(told) - _MOST_LINES} more (--json lists all)")
    counts = ", ".join(f"{n} {status}" for status, n in sorted(report["counts"].items()))
    output.data(f"{counts or f'no {what}'}; {report['embedded']} chunks embedded")
    if report["cancelled"]:
        output.talk("stopped before the end; run it again, and what is done is kept")
