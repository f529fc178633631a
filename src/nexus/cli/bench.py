"""Measure this machine's NexusOS: `bench cortex`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nexus.cli import output

if TYPE_CHECKING:
    from nexus.cortex.evaluation.report import Row, Section

app = typer.Typer(no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Without a callback, a group of one command would lose the command's name."""


@app.command()
def cortex(
    data: Annotated[Path, typer.Option(help="Folder with the judged sets, or one LoCoMo file.")],
    only: Annotated[list[str] | None, typer.Option(help="Only this section; may be given again.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write everything here, too.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Search 10,000 chunks, not 100,000.")] = False,
    kills: Annotated[int, typer.Option(min=1, max=10_000, help="How often the writer is killed.")] = 20,
) -> None:
    """Measure retrieval, speed, secrets, extractor, durability and service against their goals.

    Works in homes of its own with the default settings; needs no running service and stores nothing.
    """
    from nexus.core import config
    from nexus.core.models.store import ModelStore
    from nexus.cortex.evaluation import bench, record
    from nexus.cortex.evaluation.options import Options
    from nexus.cortex.evaluation.product import default_names

    settings = config.load()
    store = ModelStore(settings.settings.models.folder or settings.home.models)
    for name in default_names():
        store.path(name)  # says how to get the one that is missing
    options = Options(data.expanduser().resolve(), store.folder, quick, kills)
    with _Progress() as progress:

        def show(section: Section) -> None:
            progress.hide()
            _print(section)

        sections = bench.run(options, only or [], progress.tell, show)
    record.write([section.as_dict() for section in sections], json_file)
    rows = [row for section in sections for row in section.rows]
    told = [row.reached for row in rows if row.reached is not None]
    output.data(f"\n{sum(told)} of {len(told)} goals reached")


class _Progress:
    """What is being measured, as a bar on stderr."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task: Any = None
        self._doing = ""

    def __enter__(self) -> _Progress:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def tell(self, doing: str, done: int, total: int) -> None:
        """See `OnProgress`."""
        if doing != self._doing:
            self.hide()
            self._task, self._doing = self._bars.add_task(doing, total=None), doing
        self._bars.update(self._task, completed=done, total=total or None)

    def hide(self) -> None:
        """Nothing is being done for now."""
        if self._doing:
            self._bars.remove_task(self._task)
            self._doing = ""


def _print(section: Section) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console.print(f"\n[bold]{section.title}[/bold]  ({section.name})")
    if section.rows:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name, side in (
            ("", "left"),
            ("measured", "right"),
            ("95 % interval", "right"),
            ("goal", "right"),
        ):
            table.add_column(name, justify=side, no_wrap=name != "")  # type: ignore[arg-type]
        table.add_column("")
        for row in section.rows:
            style = {True: "green", False: "red", None: "dim" if row.control else ""}[row.reached]
            table.add_row(*(Text(cell, style=style) for cell in _cells(row)))
        console.print(table)
    for name, lines in (("data", section.data), ("missing", section.missing), ("note", section.notes)):
        for line in lines:
            console.print(
                Text(f"{name}: {output.harmless(line)}", style="yellow" if name == "missing" else "dim")
            )


def _cells(row: Row) -> tuple[str, str, str, str, str]:
    interval = "" if row.low is None or row.high is None else f"{_figure(row.low)} - {_figure(row.high)}"
    goal = "" if row.goal is None else f"{'<=' if row.most else '>='} {row.goal:g}"
    value = "-" if row.value is None else f"{_figure(row.value)} {row.unit}".strip()
    verdict = {True: "reached", False: "missed", None: "control" if row.control else ""}[row.reached]
    remark = ", ".join(part for part in (verdict, row.note) if part)
    return output.harmless(row.what), value, interval, goal, output.harmless(remark)


def _figure(value: float) -> str:
    """Three digits behind the point below one, one below a hundred thousand, none above."""
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:.3f}" if abs(value) < 1 else f"{value:,.1f}"
