"""`nexus run` as the help has it, and `nexus tune`: the machine's switches, shown, turned and put back."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nexus.cli import output
from nexus.core.errors import InvalidInputError, NexusError

if TYPE_CHECKING:
    from nexus.core.paths import Home


def register(app: typer.Typer) -> None:
    """Add the commands. `nexus.cli.entry` does `nexus run` without this module; here it is for the help."""
    app.command(context_settings={"ignore_unknown_options": True})(run)
    app.command()(tune)


def run(
    command: Annotated[list[str], typer.Argument(metavar="COMMAND...", help="The agent, and its arguments.")],
    name: Annotated[str, typer.Option(help="What to call it; default: the program's name.")] = "",
    importance: Annotated[int, typer.Option(min=0, max=100, help="Who is paused first: less.")] = 50,
    idle: Annotated[
        float | None, typer.Option(min=0, max=100_000, help="Minutes until it is paused when unused.")
    ] = None,
    never_pause: Annotated[bool, typer.Option("--never-pause", help="Do not pause it.")] = False,
    merge: Annotated[
        bool, typer.Option("--merge", help="Share equal pages with other agents (KSM).")
    ] = False,
    freeze: Annotated[
        bool, typer.Option("--freeze", help="Also hold it still while paused, its timers too.")
    ] = False,
) -> None:
    """Start any agent so that its memory leaves RAM while it is not used: nexus run -- COMMAND."""
    from nexus.cli.run import become

    become(
        command,
        name=name,
        importance=importance,
        idle_minutes=0.0 if never_pause else idle,
        merge=merge,
        freeze=freeze,
    )


def tune(
    apply: Annotated[bool, typer.Option("--apply", help="Turn the switches, after asking.")] = False,
    revert: Annotated[bool, typer.Option("--revert", help="Put back what --apply has changed.")] = False,
    only: Annotated[
        str, typer.Option(help="Which: swap, zswap, ksm, thp, rights; with commas between.")
    ] = "swap,zswap,ksm,thp,rights",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    swap_size: Annotated[int | None, typer.Option(min=64, help="Size of the swap file in MiB.")] = None,
    swap_folder: Annotated[Path | None, typer.Option(help="Where the swap file is to lie.")] = None,
    trial: Annotated[
        float,
        typer.Option(min=0, max=60, help="Seconds for each setting of KSM that is tried; 0: measure none."),
    ] = 2.0,
    as_json: output.JsonFlag = False,
) -> None:
    """Show what of this machine's settings would make paused agents smaller; change it only when asked."""
    from dataclasses import asdict

    from nexus.agentmem.machine import Machine
    from nexus.agentmem.pageout import program
    from nexus.agentmem.tune import Tune

    if apply and revert:
        raise InvalidInputError("--apply and --revert together")
    if swap_folder and not swap_folder.is_absolute():
        raise InvalidInputError(f"--swap-folder {swap_folder} is not an absolute path")
    names = [word.strip() for word in only.split(",") if word.strip()]
    tuning = Tune(
        Machine(),
        program(),
        swap_folder=swap_folder,
        swap_bytes=swap_size * 2**20 if swap_size else None,
        trial=trial if apply else 0.0,
        agents=_agents() if apply else (),
        owner=_asker(),
    )
    switches = tuning.switches()
    if as_json and not (apply or revert):
        output.as_json({"switches": [asdict(switch) for switch in switches], "other": tuning.others()})
        return
    if not revert:
        for switch in switches:
            if not apply or switch.name in names:
                mark = "ok  " if switch.good else "no  " if switch.cannot else "off "
                output.data(f"{mark} {switch.name:<7} {switch.now}")
                output.data(f"             {switch.brings}")
                if switch.cannot:
                    output.data(f"             cannot be turned: {switch.cannot}")
                for command in switch.commands:
                    output.data(f"             # {command}")
                for note in switch.notes:
                    output.data(f"             {output.harmless(note)}")
        for name, value in tuning.others().items():
            output.data(f"     {name} {value}")
    if not (apply or revert):
        if any(switch.commands for switch in switches):
            output.talk("to do all this: sudo nexus tune --apply; to undo it: sudo nexus tune --revert")
        return
    if os.geteuid() != 0:
        raise NexusError("these are the whole machine's settings", hint=f"sudo {' '.join(sys.argv)}")
    if revert:
        done = tuning.revert()
        output.data(f"put back: {', '.join(done)}" if done else "nothing was changed here")
        return
    due = [switch.name for switch in switches if switch.name in names and switch.commands]
    if due and not yes and not typer.confirm(f"Change {', '.join(due)} for the whole machine?", err=True):
        raise typer.Abort
    if trial and {"ksm", "zswap"} & set(due):
        output.talk("measuring; this takes some seconds")
    turned = tuning.apply(names)
    for name, lines in tuning.told.items():
        for line in lines:
            output.data(f"{name}: {line}")
    output.data(
        f"turned: {', '.join(turned)}; undo with: nexus tune --revert" if turned else "nothing to turn"
    )
    output.talk("it holds until the machine is started anew")


def _asker() -> int | None:
    """Who has said sudo: that user's service may turn KSM off again."""
    word = os.environ.get("SUDO_UID", "")
    return int(word) if os.geteuid() == 0 and word.isdigit() and int(word) else None


def _agents() -> list[int]:
    """The processes of the agents that run here; of those whose user said sudo, only that user's."""
    from nexus.agentmem import registration
    from nexus.agentmem.process_tree import processes, tree
    from nexus.core.paths import Home

    home, asker = Home.from_env(), _asker()
    if asker is not None and "NEXUS_HOME" not in os.environ:
        home = _home_of(asker) or home
    everything, found = processes(), set()
    # Only read: this is root, in a folder that is somebody else's.
    for path in sorted(registration.agents_folder(home).glob("*.json")):
        agent = registration.read(path)
        if agent and agent.pid in everything and everything[agent.pid].start == agent.start:
            found |= {process.pid for process in tree(agent.pid, everything, agent.group)}
    return sorted(pid for pid in found if asker is None or _user_of(pid) == asker)


def _home_of(user: int) -> Home | None:
    from pwd import getpwuid

    from nexus.core.paths import Home

    try:
        folder = getpwuid(user).pw_dir
    except KeyError:
        return None
    return Home(Path(folder) / ".local" / "share" / "nexus")


def _user_of(pid: int) -> int:
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return -1
