"""`nexus agents demo`: a hundred agents on this machine, and what holding their context once saves."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nexus.cli import output

if TYPE_CHECKING:
    from rich.console import Console

    from nexus.agentmem.demo.performance import Outcome, Performance
    from nexus.agentmem.demo.transcripts import Transcripts

# Begin a phase with its whole; what comes back is told each part that is done.
Phase = Callable[[str, int], Callable[[int], object]]
_BAR = 48  # columns of the whole
_PLAYERS = 6


def demo(
    agents: Annotated[int, typer.Option(min=2, max=1000, help="How many agents.")] = 100,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Play real transcripts from this folder (tau-bench, SWE-agent, SpecStory); else NEXUS_DATA."
        ),
    ] = None,
    as_json: output.JsonFlag = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep it running until Ctrl-C, to look at it.")
    ] = False,
) -> None:
    """Watch simulated agents share their prompts, tools, files and talks, in a store of its own.

    Nothing of yours is touched and nothing is left behind. Every byte is read back and compared.

    Exit status 1 when one differs.
    """

    def report(outcome: Outcome) -> None:
        if as_json:
            output.as_json(outcome.as_dict())
        else:
            show(outcome)
        sys.stdout.flush()

    outcome = run(agents, data or _from_environment(), report, keep=keep, quiet=as_json)
    if outcome.different:
        raise typer.Exit(1)


def _from_environment() -> Path | None:
    named = os.environ.get("NEXUS_DATA", "")
    return Path(named) if named else None


def run(
    agents: int,
    data: Path | None,
    report: Callable[[Outcome], None],
    *,
    keep: bool = False,
    quiet: bool = False,
) -> Outcome:
    """The whole demo, with its progress on stderr; `report` is called before anything is ended."""
    from nexus.agentmem.demo.performance import Performance
    from nexus.agentmem.demo.transcripts import Transcripts

    started = time.monotonic()
    transcripts = Transcripts(data) if data else None
    with Performance(_PLAYERS) as performance:
        with _progress(quiet) as phase:
            outcome = _perform(performance, agents, transcripts, phase)
        outcome.seconds = time.monotonic() - started
        report(outcome)
        if keep:
            _stay(performance)
    return outcome


def _perform(performance: Performance, agents: int, transcripts: Transcripts | None, phase: Phase) -> Outcome:
    from nexus.agentmem.demo.making import made
    from nexus.agentmem.demo.performance import Outcome, kinds
    from nexus.agentmem.demo.texts import TextsWriter

    with TextsWriter(performance.texts) as writer:
        ready = phase("preparing what they will say", agents)
        scripts = []
        for script in transcripts.scripts(agents, writer) if transcripts else made(agents, writer):
            scripts.append(script)
            ready(1)
    performance.enter(scripts)
    source = transcripts.describe(agents) if transcripts else "made texts, and this product's own source"
    outcome = Outcome(agents, source, performance.players, performance.without_node)
    total = sum(script.bytes_total for script in scripts)
    talks = sum(block.place.length for script in scripts for block in script.blocks if block.talk)
    performance.play(phase(f"{agents} agents work in {sum(outcome.players.values())} processes", total))
    outcome.moments.append(performance.moment("working"))
    performance.check(outcome, phase("reading every byte back", talks))
    done = phase("all pause", 1)
    performance.pause()
    outcome.moments.append(performance.moment("paused"))
    done(1)
    performance.resume()
    performance.check(outcome, phase("they resume: reading every byte again", talks))
    outcome.moments.append(performance.moment("resumed"))
    outcome.kinds = kinds(scripts, outcome.moments[0], outcome.moments[1])
    return outcome


def _stay(performance: Performance) -> None:
    try:
        output.talk(f"it runs until Ctrl-C; look at it: nexus-agentmemd --stats {performance.socket}")
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        output.talk("ending")


@contextmanager
def _progress(quiet: bool) -> Iterator[Phase]:
    """A line for each phase, on a terminal with a bar."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:

        def plain(what: str, whole: int) -> Callable[[int], object]:
            if not quiet:
                output.talk(what)
            return lambda _: None

        yield plain
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:

        def phase(what: str, whole: int) -> Callable[[int], object]:
            task = progress.add_task(what, total=whole)
            return lambda done: progress.advance(task, done)

        yield phase


def show(outcome: Outcome) -> None:
    """Tables and the bar, on stdout."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 110, highlight=False)
    players = " and ".join(f"{count} in {name}" for name, count in outcome.players.items())
    console.print(f"{outcome.agents} agents, {players}; they hold {outcome.source}.")
    if outcome.without_node:
        console.print(f"Without Node: {outcome.without_node}.")
    if outcome.source.startswith("made"):
        console.print("How far made texts compress says little: give --data FOLDER for real ones.")
    _types(console, outcome)
    _bars(console, outcome)
    _memory(console, outcome)
    compared = f"{outcome.compared_units:,} units, {_size(outcome.compared_bytes)} read back and compared"
    if outcome.different:
        console.print(f"{compared}: {outcome.different} DIFFER", style="bold red")
        for line in outcome.wrong:
            console.print(f"  {output.harmless(line)}", markup=False)
    else:
        console.print(f"{compared}: all equal. {outcome.seconds:.0f} s in all.")


def _types(console: Console, outcome: Outcome) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_footer=True)
    rows = outcome.kinds
    stored, paused = (sum(part) for part in zip(*((kind.stored, kind.paused) for kind in rows), strict=True))
    footers = (
        "together",
        f"{sum(kind.held for kind in rows):,}",
        _size(outcome.logical),
        _size(sum(kind.shared for kind in rows)),
        _size(stored),
        _size(paused),
        _ratio(outcome.logical, paused),
    )
    titles = ("type", "units", "logical", "shared", "stored", "stored, paused", "ratio")
    for title, footer in zip(titles, footers, strict=True):
        table.add_column(title, footer=footer, justify="left" if title == "type" else "right", no_wrap=True)
    for kind in rows:
        table.add_row(
            kind.type.replace("_", " "),
            f"{kind.held:,}",
            _size(kind.logical),
            _size(kind.shared),
            _size(kind.stored),
            _size(kind.paused),
            _ratio(kind.logical, kind.paused),
        )
    console.print()
    console.print(table)


def _bars(console: Console, outcome: Outcome) -> None:
    console.print()
    working, paused = outcome.moments[0].stored, outcome.moments[1].stored
    for name, count, style in (
        ("each agent its own", outcome.logical, "red"),
        ("stored, working", working, "yellow"),
        ("stored, paused", paused, "green"),
    ):
        bar = "█" * max(1, round(_BAR * count / max(1, outcome.logical)))
        console.print(f"{name:<19}[{style}]{bar}[/] {_size(count)}")
    saved = 100 * (1 - paused / outcome.logical) if outcome.logical else 0.0
    console.print(f"{'':<19}{saved:.1f} % saved while paused")


def _memory(console: Console, outcome: Outcome) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in ("", "hot", "warm", "cold", "broker's PSS", "agents' PSS"):
        table.add_column(title, justify="right" if title else "left", no_wrap=True)
    for moment in outcome.moments:
        tiers = (_size(moment.tiers[name]["stored_bytes"]) for name in ("hot", "warm", "cold"))
        table.add_row(moment.name, *tiers, _size(moment.broker), _size(moment.agents))
    console.print()
    console.print(table)
    console.print("(the agents' PSS is mostly Python and Node themselves)")
    console.print()


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count < 1e10 else f"{count / 1e9:,.1f} GB"


def _ratio(logical: int, stored: int) -> str:
    return f"{logical / stored:,.1f}x" if stored else "-"
