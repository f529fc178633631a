"""Long work of the service at the terminal: its progress as a bar, its report as lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nexus.cli import output

if TYPE_CHECKING:
    from nexus.cli.client import Client

_MOST_LINES, _ALIKE = 30, 3
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
                    progress.reset(task, total=event.data["total"])
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


def _told(files: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A line for each file that there is something to say about; many of one reason are one line."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for file in files:
        if file["reason"]:
            groups.setdefault((file["status"], file["reason"], file["hint"]), []).append(file["path"])
    for (status, reason, hint), paths in groups.items():
        mend = f" ({hint})" if hint else ""
        if len(paths) > _ALIKE:
            yield f"{status:<9} {len(paths)} files like {paths[0]}: {reason}{mend}"
        else:
            yield from (f"{status:<9} {path}: {reason}{mend}" for path in paths)


def print_report(report: dict[str, Any], *, quiet: bool, what: str = "files") -> None:
    """The sum of what was read, above it each file that there is something to say about."""
    lines = [] if quiet else list(_told(report["files"]))
    for line in lines[:_MOST_LINES]:
        output.data(output.harmless(line))
    if len(lines) > _MOST_LINES:
        output.data(f"... and {len(lines) - _MOST_LINES} more (--json lists all)")
    counts = ", ".join(f"{n} {status}" for status, n in sorted(report["counts"].items()))
    sessions = sum(f["session"] and f["status"] in ("added", "updated") for f in report["files"])
    heard = f", {sessions} of them sessions" if sessions and what == "files" else ""
    output.data(f"{counts or f'no {what}'}{heard}; {report['embedded']} chunks embedded")
    if report["cancelled"]:
        output.talk("stopped before the end; run it again, and what is done is kept")
