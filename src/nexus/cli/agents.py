"""`nexus agents`: the agents that `nexus run` has started, how much memory they take, and their pause."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nexus.cli import output
from nexus.cli.demo import demo
from nexus.core.errors import NexusError

if TYPE_CHECKING:
    from rich.table import Table

    from nexus.agentmem.listing import Listing, Row
    from nexus.agentmem.registration import Registration
    from nexus.agentmem.registry import Registry

app = typer.Typer(invoke_without_command=True)
app.command()(demo)
_WATCH_SECONDS = 2.0
Names = Annotated[list[str], typer.Argument(metavar="AGENT...", help="Names or process ids.")]


@app.callback()
def agents(
    context: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Show it anew every two seconds.")] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """The agents started with `nexus run`: state, memory, age. Sizes are of all processes of an agent."""
    if context.invoked_subcommand:
        return
    from nexus.agentmem.listing import listing

    registry = _registry()
    if as_json:
        output.as_json(listing(registry).as_dict())
    elif watch:
        _live(lambda: listing(registry))
    else:
        from rich.console import Console

        found = listing(registry)
        if found.rows:
            Console(width=None if sys.stdout.isatty() else 160).print(_table(found))
        _talk(found)


@app.command()
def pause(names: Names, as_json: output.JsonFlag = False) -> None:
    """Page agents out now. They go on when they are spoken to."""
    from nexus.agentmem.pause import pause as pause_one

    registry = _registry()
    done = []
    for agent in [registry.find(name) for name in names]:
        freed = pause_one(registry, agent)
        done.append(
            {
                "name": agent.name,
                "pid": agent.pid,
                "before": freed.before.as_dict(),
                "after": freed.after.as_dict(),
                "seconds": round(freed.seconds, 2),
                "complete": freed.complete,
            }
        )
        if not as_json:
            ended = "" if freed.complete else "  (it has ended meanwhile)"
            output.data(
                f"paused {output.harmless(agent.name)} ({agent.pid}): {_size(freed.before.pss)} in RAM "
                f"before, {_size(freed.after.pss)} now, {_size(freed.after.swapped)} swapped{ended}"
            )
    if as_json:
        output.as_json(done)


@app.command()
def resume(names: Names) -> None:
    """Fetch back what paused agents had in RAM, before they need it."""
    from nexus.agentmem.pause import resume as resume_one

    registry = _registry()
    for agent in [registry.find(name) for name in names]:
        resume_one(registry, agent)
        output.data(f"resumed {output.harmless(agent.name)} ({agent.pid})")


@app.command()
def kill(
    names: Names,
    grace: Annotated[float, typer.Option(min=0, max=3600, help="Seconds to end by themselves.")] = 5.0,
) -> None:
    """End agents with all their processes: asked first, then made to."""
    from nexus.agentmem.pause import kill as kill_one

    registry = _registry()
    for agent in [registry.find(name) for name in names]:
        try:
            count = kill_one(agent, grace=grace)
        except PermissionError as error:
            raise NexusError(f"agent {agent.name!r} belongs to another user", hint="sudo") from error
        output.data(f"ended {output.harmless(agent.name)} ({agent.pid}), {count} processes")
    registry.agents()  # takes away what they have left


@app.command("set")
def settings(
    names: Names,
    importance: Annotated[int | None, typer.Option(min=0, max=100, help="Who is paused first: less.")] = None,
    idle: Annotated[
        float | None, typer.Option(min=0, max=100_000, help="Minutes until it is paused; 0: never.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
) -> None:
    """Change what `nexus run` was told of agents."""
    from nexus.agentmem.registration import refuse_name

    if name is not None:
        refuse_name(name)
    registry = _registry()
    for agent in [registry.find(word) for word in names]:
        changed = agent._replace(
            importance=agent.importance if importance is None else importance,
            idle_minutes=agent.idle_minutes if idle is None else idle,
            name=name or agent.name,
        )
        registry.change(changed)
        output.data(f"{output.harmless(changed.name)} ({changed.pid}): {_settings(changed)}")


@app.command()
def tend() -> None:
    """Pause idle agents from here until Ctrl-C; where the service runs, it does this."""
    from nexus.agentmem.watcher import AgentWatcher
    from nexus.core import log
    from nexus.core.config import load
    from nexus.core.errors import AlreadyRunningError
    from nexus.core.paths import Home

    config = load()
    other = _registry().watch()
    if other:
        raise AlreadyRunningError(f"process {other.pid} looks after the agents already")
    log.configure(config.settings.service.log_format, config.settings.service.log_level)
    watcher = AgentWatcher(Home.from_env(), config.settings.agents)
    watcher.start()
    try:
        while True:
            time.sleep(3600)
    finally:
        watcher.stop()


@app.command()
def stats(
    text: Annotated[bool, typer.Option("--text", help="As `nexus-agentmemd --stats` prints it.")] = False,
    folded: Annotated[bool, typer.Option("--folded", help="Stacks for flame graph tools.")] = False,
    flamegraph: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Draw what is stored, bytes as width.")
    ] = None,
    socket: Annotated[Path | None, typer.Option(help="Another broker than this home's.")] = None,
    as_json: output.JsonFlag = False,
) -> None:
    """What AgentMem holds: one copy of the prompts, tools and conversations of all agents."""
    from nexus.cli import agent_stats

    agent_stats.show(socket, text=text, folded=folded, flamegraph=flamegraph, as_json=as_json)


@app.command()
def forget(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Forget every conversation, prompt and tool list that the service has kept as units."""
    from nexus.cli.client import Client

    if not yes:
        typer.confirm("Forget all conversations that passed the service?", abort=True)
    Client().call("DELETE", "/api/agents/units")
    output.data("forgotten")


def _registry() -> Registry:
    from nexus.agentmem.registry import Registry
    from nexus.core.paths import Home

    return Registry(Home.from_env())


def _live(look: Callable[[], Listing]) -> None:
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(), screen=sys.stdout.isatty(), auto_refresh=False) as live:
        while True:
            live.update(_table(look()), refresh=True)
            time.sleep(_WATCH_SECONDS)


def _table(found: Listing) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_footer=bool(found.rows))
    total = found.as_dict()["total"]
    size = {name: _size(total[f"{name}_bytes"]) for name in ("rss", "pss", "private", "shared", "merged")}
    states = ", ".join(f"{total[name]} {name}" for name in ("active", "idle", "paused") if total[name])
    for title, footer in (("name", f"{len(found.rows)} in all"), ("pid", ""), ("state", states)):
        table.add_column(title, footer=footer, justify="right" if title == "pid" else "left", no_wrap=True)
    compressed = _size(total["compressed_estimate_bytes"])
    for title, footer in (
        ("RSS", size["rss"]),
        ("PSS", size["pss"]),
        ("private", size["private"]),
        ("shared", size["shared"]),
        ("merged", size["merged"]),
        ("swapped", _size(total["swapped_bytes"])),
        ("~in zswap", compressed),
        ("age", ""),
        ("idle", ""),
        ("importance", ""),
    ):
        table.add_column(title, footer=footer, justify="right", no_wrap=True)
    for row in found.rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: Row) -> tuple[str, ...]:
    from rich.markup import escape

    used = row.footprint
    sizes = (
        used.rss,
        used.pss,
        used.private,
        used.shared,
        used.merged,
        used.swapped,
        row.compressed_estimate,
    )
    return (
        escape(output.harmless(row.agent.name)),
        str(row.agent.pid),
        f"{row.state}, frozen" if row.frozen else row.state,
        *map(_size, sizes),
        _time(row.age),
        "-" if row.idle is None else _time(row.idle),
        str(row.agent.importance),
    )


def _talk(found: Listing) -> None:
    if not found.rows:
        output.talk("no agent runs; start one with: nexus run -- COMMAND")
        return
    if any(row.footprint.swapped for row in found.rows):
        ratio = found.compression.ratio
        output.talk(f"~in zswap is an estimate: the whole machine's ratio is {ratio:.1f}")
    if found.problem:
        output.talk(f"idle agents are not paused: {found.problem}")
    if found.watcher is None:
        output.talk("nobody pauses idle agents: the service does not run (nexus up, or nexus agents tend)")


def _settings(agent: Registration) -> str:
    idle = agent.idle_minutes
    minutes = "as configured" if idle is None else f"after {idle:g} idle minutes" if idle else "never"
    return f"importance {agent.importance}, paused {minutes}"


def _size(count: int) -> str:
    if count < 10 * 2**20:
        return f"{count / 2**20:.1f} MB" if count else "-"
    return f"{count / 2**20:,.0f} MB" if count < 10 * 2**30 else f"{count / 2**30:,.1f} GB"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} d"
