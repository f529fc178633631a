"""`nexus agents share`: what agents have, laid down for other hosts and taken from there."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nexus.cli import output
from nexus.core.errors import ConfigError

if TYPE_CHECKING:
    from nexus.agentmem.remote import Pulled, Pushed, SharedSpace

app = typer.Typer(no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Argument(metavar="[AGENT...]", help="Durable agents; all of them.")]
Where = Annotated[
    str,
    typer.Option(
        "--to",
        "--from",
        envvar="NEXUS_SHARE_URL",
        help="valkey://HOST, redis://HOST, unix:///SOCKET, a folder.",
    ),
]
SecretFile = Annotated[
    Path | None, typer.Option("--secret", help="The shared secret's file; else share.key in NEXUS_HOME.")
]
Realm = Annotated[str, typer.Option("--realm", help="The realm on this host.")]
Plain = Annotated[bool, typer.Option("--plain", help="Readable for the shelf: signed, not encrypted.")]
Conversations = Annotated[
    bool, typer.Option("--conversations", help="Conversations and other private units, too.")
]
Ttl = Annotated[int, typer.Option("--ttl", min=0, help="Seconds until what was put goes; 0: never.")]
Replace = Annotated[bool, typer.Option("--replace", help="Where two hosts have gone on, take this one's.")]


@app.command()
def key(file: Annotated[Path, typer.Argument(help="A new file.")]) -> None:
    """Make the secret of a shared space; copy its file to every host that belongs to it."""
    from nexus.agentmem.remote import Secret

    made = Secret.create(file)
    output.data(f"{file} is the secret of the space {made.space.hex()}")


@app.command()
def push(
    to: Where,
    names: Names = None,
    realm: Realm = "default",
    secret: SecretFile = None,
    conversations: Conversations = False,
    plain: Plain = False,
    ttl: Ttl = 0,
    replace: Replace = False,
) -> None:
    """Lay down what agents have in the realm's shared space and the shelf lacks."""
    from nexus.agentmem.durable import durable_names

    with _Space(to, secret, plain, ttl) as space:
        for name in names or durable_names(realm):
            _said_pushed(name, _push(space, realm, name, conversations, replace))


@app.command()
def pull(
    to: Where,
    names: Names = None,
    realm: Realm = "default",
    secret: SecretFile = None,
    unit: Annotated[
        list[str] | None, typer.Option("--unit", help="A unit by its name there, 64 digits.")
    ] = None,
    conversation: Annotated[list[str] | None, typer.Option("--conversation", help="Only this one.")] = None,
    owner: Annotated[
        str | None, typer.Option("--as", help="The agent here; for one agent, or units.")
    ] = None,
    replace: Replace = False,
) -> None:
    """Bring conversations of agents, or units by name, from the shelf into this host's realm."""
    from nexus.agentmem.durable import arriving

    if bool(names) == bool(unit):
        raise ConfigError("give agents, or units with --unit", hint="nexus agents share list")
    if owner is not None and names and len(names) > 1:
        raise ConfigError(f"--as takes one agent, {len(names)} are given", hint="pull them one by one")
    with _Space(to, secret) as space:
        for name in names or []:
            importance = space.find(name, conversation or ()).importance
            with arriving(realm, owner or name, importance) as store:
                _said_pulled(name, space.pull(store, name, only=conversation or (), replace=replace))
        for text in unit or []:
            with arriving(realm, owner or "shared", 50) as store:
                output.data(space.pull_unit(store, _unit(text)).hex())


@app.command("list")
def listed(to: Where, secret: SecretFile = None, as_json: output.JsonFlag = False) -> None:
    """The agents on the shelf, and their conversations."""
    with _Space(to, secret) as space:
        agents = space.agents()
    if as_json:
        output.as_json([{"agent": said.agent, "heads": sorted(said.heads)} for said in agents])
        return
    for said in agents:
        output.data(f"{output.harmless(said.agent)}: {output.harmless(', '.join(sorted(said.heads)))}")
    if not agents:
        output.talk("no agent is on the shelf")


@app.command()
def follow(
    to: Where,
    names: Names = None,
    realm: Realm = "default",
    secret: SecretFile = None,
    conversations: Conversations = False,
    plain: Plain = False,
    ttl: Ttl = 0,
    every: Annotated[float, typer.Option(min=0.1, max=86400, help="Seconds between two looks.")] = 10.0,
    times: Annotated[int, typer.Option(min=0, help="Looks, then the end; 0: until Ctrl-C.")] = 0,
) -> None:
    """Push what is new here and pull what is new there, again and again, whatever the shelf does."""
    from nexus.agentmem.durable import durable_agents
    from nexus.agentmem.errors import AgentMemError
    from nexus.agentmem.remote import ShelfGoneError

    said: set[str] = set()
    looks = 0
    with _Space(to, secret, plain, ttl) as space:
        while True:
            try:
                here = sorted(durable_agents(realm))
                for name in names or here:
                    _follow(space, realm, name, here, conversations, said)
                said = {text for text in said if not text.startswith("the shelf")}
            except ShelfGoneError as error:
                _once(said, f"the shelf is away: {error.message}")
            except AgentMemError as error:
                _once(said, str(error))
            looks += 1
            if looks == times:
                return
            time.sleep(every)


def _follow(
    space: SharedSpace, realm: str, name: str, here: list[str], conversations: bool, said: set[str]
) -> None:
    """One agent, both ways; what concerns it alone is said once and does not keep the others."""
    from nexus.agentmem.durable import arriving
    from nexus.agentmem.errors import UnitNotFoundError
    from nexus.agentmem.placing import AgentRunsError, DivergedError

    try:
        if name in here:
            pushed = _push(space, realm, name, conversations, False)
            if pushed.units or set(pushed.heads.values()) - {"same", "kept"}:
                _said_pushed(name, pushed)
        with arriving(realm, name, space.find(name).importance) as store:
            pulled = space.pull(store, name)
        if set(pulled.heads.values()) - {"same", "kept"}:
            _said_pulled(name, pulled)
    except UnitNotFoundError:
        return  # it has nothing on the shelf that could be pulled
    except (AgentRunsError, DivergedError) as error:
        _once(said, str(error))


def _once(said: set[str], text: str) -> None:
    if text not in said:
        output.talk(output.harmless(text))
    said.add(text)


def _push(space: SharedSpace, realm: str, name: str, conversations: bool, replace: bool) -> Pushed:
    from nexus.agentmem.durable import attached

    with attached(realm, name) as store:
        return space.push(store, conversations=conversations, replace=replace)


def _said_pushed(name: str, done: Pushed) -> None:
    output.data(
        f"{output.harmless(name)}: {done.units} of {done.seen} units pushed, {done.sent_bytes} bytes"
        f"{_fates(done.heads)}"
    )


def _said_pulled(name: str, done: Pulled) -> None:
    output.data(
        f"{output.harmless(name)}: {done.units} units pulled, {done.received_bytes} bytes{_fates(done.heads)}"
    )


def _fates(heads: dict[str, str]) -> str:
    return "".join(f"; {output.harmless(head)} ({fate})" for head, fate in heads.items())


def _unit(text: str) -> bytes:
    try:
        name = bytes.fromhex(text)
    except ValueError:
        name = b""
    if len(name) != 32:
        raise ConfigError(f"{text[:70]!r} is no unit's name", hint="it has 64 hexadecimal digits")
    return name


class _Space:
    """The shared space while a command runs."""

    def __init__(self, to: str, secret: Path | None, plain: bool = False, ttl: int = 0) -> None:
        from nexus.agentmem.remote import Secret, SharedSpace, open_shelf
        from nexus.core.paths import Home

        file = secret if secret is not None else Home.from_env().root / "share.key"
        self._shelf = open_shelf(to, ttl=ttl)
        self._space = SharedSpace(self._shelf, Secret.load(file), encrypt=not plain)

    def __enter__(self) -> SharedSpace:
        return self._space

    def __exit__(self, *error: object) -> None:
        self._shelf.close()
