"""`nexus agents stats`: what the broker of AgentMem holds, as a table, JSON, text, stacks or a picture."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nexus.cli import output
from nexus.core.errors import InvalidInputError, NexusError, StorageError

_KERNEL_STATS = Path("/proc/agent_stats")


def show(socket: Path | None, *, text: bool, folded: bool, flamegraph: Path | None, as_json: bool) -> None:
    """Ask the broker and print. Raises `BrokerGoneError`, `MissingPartError`, `StorageError`."""
    if text + folded + as_json > 1:
        raise InvalidInputError("--text, --folded and --json are three forms of one thing", hint="choose one")
    from nexus.agentmem.socket_path import find_socket

    place = socket or find_socket()
    if text:
        return _text(place)
    from nexus.agentmem.figures import folded as stacks_of
    from nexus.agentmem.figures import summary
    from nexus.agentmem.store import Store

    with Store.connect(place, agent="nexus-stats") as store:
        stats = store.stats()
        agents = [agent for agent in store.agents() if agent["name"] != "nexus-stats"]
    if flamegraph:
        _draw(flamegraph, list(stacks_of(stats, agents)), summary(stats))
    if folded:
        for stack, size in stacks_of(stats, agents):
            output.data(f"{stack} {size}")
    elif as_json:
        output.as_json({**summary(stats), "agents": agents, "broker": stats})
    elif not flamegraph:
        _table(summary(stats), agents)


def _text(place: Path) -> None:
    """The broker's own words, by its own program; the kernel module's are a file."""
    if place.is_char_device():
        try:
            return output.data(_KERNEL_STATS.read_text(encoding="utf-8").rstrip("\n"))
        except OSError as error:
            raise StorageError.from_os(error, _KERNEL_STATS) from error
    from nexus.agentmem.broker import find_broker

    done = subprocess.run([str(find_broker()), "--stats", str(place)], capture_output=True, text=True)
    if done.returncode:
        raise NexusError(done.stderr.strip() or "the broker does not answer", hint="nexus up --detach")
    output.data(done.stdout.rstrip("\n"))


def _draw(path: Path, stacks: Sequence[tuple[str, int]], total: Mapping[str, Any]) -> None:
    from nexus.agentmem.flamegraph import svg

    title = f"AgentMem: {total['stored_bytes']:,} bytes stored of {total['logical_bytes']:,}"
    try:
        path.write_text(svg(stacks, title), encoding="utf-8")
    except OSError as error:
        raise StorageError.from_os(error, path) from error
    output.talk(f"wrote {path}")


def _table(total: Mapping[str, Any], agents: Sequence[Mapping[str, Any]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    output.data(
        f"{_size(total['logical_bytes'])} are held in {_size(total['stored_bytes'])}: "
        f"{total['ratio']:g}x, {_size(total['saved_bytes'])} saved"
    )
    kinds = Table(box=None, pad_edge=False)
    for title in ("type", "units", "logical", "unique", "stored"):
        kinds.add_column(title, justify="left" if title == "type" else "right")
    for name, of in total["types"].items():
        sizes = (_size(of[f"{key}_bytes"]) for key in ("logical", "unique", "stored"))
        kinds.add_row(name.replace("_", " "), f"{of['units']:,}", *sizes)
    tiers = Table(box=None, pad_edge=False)
    for title in ("tier", "units", "raw", "stored"):
        tiers.add_column(title, justify="left" if title == "tier" else "right")
    for name, of in total["tiers"].items():
        tiers.add_row(name, f"{of['units']:,}", _size(of["raw_bytes"]), _size(of["stored_bytes"]))
    rows = Table(box=None, pad_edge=False)
    for title in ("agent", "realm", "state", "units", "logical", "shared", "private"):
        rows.add_column(title, justify="left" if title in ("agent", "realm", "state") else "right")
    for agent in sorted(agents, key=lambda a: -a["logical_bytes"]):
        rows.add_row(
            escape(output.harmless(agent["name"])),
            escape(output.harmless(agent["realm"])),
            agent["state"],
            f"{sum(of['units'] for of in agent['types'].values()):,}",
            *(_size(agent[f"{key}_bytes"]) for key in ("logical", "shared", "private")),
        )
    console = Console(width=None if sys.stdout.isatty() else 160)
    for table in (kinds, tiers, rows):
        console.print()
        console.print(table)


def _size(count: int) -> str:
    for unit, name in ((2**30, "GB"), (2**20, "MB"), (2**10, "kB")):
        if count >= unit:
            return f"{count / unit:,.1f} {name}"
    return f"{count} B"
