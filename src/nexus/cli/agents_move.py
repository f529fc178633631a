"""`nexus agents export`, `import`, `ids`, `stored`: what agents keep in AgentMem, from one machine to
another."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from nexus.cli import output
from nexus.core.errors import ConfigError

if TYPE_CHECKING:
    from nexus.agentmem.known import Known

Realm = Annotated[str, typer.Option("--realm", help="The domain of trust; by custom a project's folder.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `nexus agents`."""
    for command in (stored, export, ids):
        app.command()(command)
    app.command("import")(take)


def stored(realm: Realm = "default", as_json: output.JsonFlag = False) -> None:
    """The durable agents of a realm: what they have here, and could take along."""
    from nexus.agentmem.durable import durable_agents

    rows = durable_agents(realm)
    if as_json:
        output.as_json(list(rows.values()))
        return
    for name, row in sorted(rows.items()):
        size = row["logical_bytes"]
        output.data(f"{output.harmless(name)}  {row['state']}, {row['units']} units owned, {size} bytes")
    if not rows:
        output.talk(f"no durable agent in the realm {realm!r}")


def export(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The agent.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All durable agents of the realm.")] = False,
    realm: Realm = "default",
    known: Annotated[
        Path | None, typer.Option(help="What the other machine has: its `nexus agents ids NAME`.")
    ] = None,
    to: Annotated[str, typer.Option("-o", "--output", metavar="FILE|-", help="Where to; - is stdout.")] = "-",
) -> None:
    """Write all that an agent has, conversations with their names, as one pack for another machine."""
    from nexus.agentmem.durable import attached, durable_names
    from nexus.agentmem.transfer import export_agents

    if (name is None) == (not everything):
        raise ConfigError("give the name of an agent, or --all", hint="nexus agents stored lists them")
    if known is not None and everything:
        raise ConfigError("--known is of one agent; it does not go with --all", hint="export it by name")
    _no_terminal(to, "a pack")
    names = durable_names(realm) if name is None else [name]
    with ExitStack() as stack:
        stores = [stack.enter_context(attached(realm, one)) for one in names]
        done = export_agents(
            stores,
            sys.stdout.fileno() if to == "-" else Path(to),
            known=_read_known(known) if known is not None else None,
        )
    left = f", {done.known} left out that the other side has" if known is not None else ""
    output.talk(f"{done.agents} agents, {done.units} units, {done.content_bytes} bytes before packing{left}")


def take(
    source: Annotated[str, typer.Argument(metavar="FILE|-", help="A pack; - is stdin.")],
    realm: Realm = "default",
    name: Annotated[str | None, typer.Option("--as", help="Under another name; for a pack of one.")] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Where a conversation went on here too, take what comes.")
    ] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Take over the agents of a pack. What is here and longer stays; nothing changes when one fails."""
    from nexus.agentmem.durable import arriving
    from nexus.agentmem.transfer import Pack

    origin: Path | BinaryIO = sys.stdin.buffer if source == "-" else Path(source)
    if isinstance(origin, Path) and not origin.is_file():
        raise ConfigError(f"there is no file {source}", hint="give a pack of nexus agents export, or -")
    done = []
    with Pack.open(origin) as pack:
        if name is not None and len(pack.agents) != 1:
            raise ConfigError(
                f"--as takes a pack of one agent, this has {len(pack.agents)}", hint="import it without --as"
            )
        for said in pack.agents:
            with arriving(realm, name or said.agent, said.importance) as store:
                came = pack.import_into(store, said.agent, replace=replace)
            done.append(came._asdict())
            if not as_json:
                heads = ", ".join(f"{output.harmless(head)} ({fate})" for head, fate in came.heads.items())
                output.data(
                    f"{output.harmless(came.agent)}: {came.units} units, {came.existed} were here, "
                    f"{came.new_bytes} new bytes; {heads or 'no names'}"
                )
    if as_json:
        output.as_json(done)


def ids(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The agent.")],
    realm: Realm = "default",
) -> None:
    """Write the list of what an agent has here, for --known of an export on the other machine."""
    from nexus.agentmem.durable import attached
    from nexus.agentmem.known import Known
    from nexus.agentmem.transfer import names_of

    _no_terminal("-", "a list of ids")
    with attached(realm, name) as store:
        listed = names_of(store, Known.new_key())
    listed.write(sys.stdout.buffer)
    sys.stdout.buffer.flush()
    output.talk(f"{len(listed.names)} units")


def _read_known(path: Path) -> Known:
    from nexus.agentmem.known import Known

    try:
        with path.open("rb") as file:
            return Known.read(file)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}", hint="give the file of --known"
        ) from error


def _no_terminal(to: str, what: str) -> None:
    if to == "-" and sys.stdout.isatty():
        raise ConfigError(f"{what} is no text for a terminal", hint="redirect it: > FILE")
