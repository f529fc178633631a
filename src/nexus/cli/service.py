"""`nexus service install|uninstall|status|logs`: the service as one of the user's own systemd services."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nexus.cli import output

if TYPE_CHECKING:
    from nexus.core.config import Config
    from nexus.service.systemd import Systemd

app = typer.Typer(no_args_is_help=True)
DryRunFlag = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]
YesFlag = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
_OTHERS = ("NEXUS_HOME", "NEXUS_DATA")


@app.command()
def install(dry_run: DryRunFlag = False, yes: YesFlag = False) -> None:
    """Let systemd start the service with your session, and again when it dies."""
    from nexus.core import config
    from nexus.service.systemd import Systemd

    settings, systemd = config.load(), Systemd()
    if dry_run:
        output.data(systemd.change(_text(settings)).diff().rstrip("\n") or f"{systemd.path} stays as it is")
        if systemd.missing():
            output.talk(f"{systemd.missing()}; run it without: nexus up --detach")
        return
    systemd.require(_crontab_line())
    _refuse_foreign(settings, systemd)
    change = systemd.change(_text(settings))
    if change.needed:
        output.data(change.diff().rstrip("\n"))
        _agree(yes)
        settings.home.create()
        change.write()
    confined = _start(settings, systemd)
    output.talk(f"NexusOS runs as {systemd.path.name}{'' if confined else ', not confined (see above)'}")
    others = [name for name in os.environ if name.startswith("NEXUS_") and name not in _OTHERS]
    if others:
        output.talk(f"systemd does not see {', '.join(sorted(others))}: put them into config.toml")
    if systemd.lingers() is False:
        output.talk("it runs while you are logged in; also without: loginctl enable-linger")


@app.command()
def uninstall(dry_run: DryRunFlag = False, yes: YesFlag = False) -> None:
    """Stop it and remove what `install` wrote. Memories, models and settings stay."""
    from nexus.service.systemd import Systemd

    systemd = Systemd()
    change = systemd.change(None)
    if not change.needed:
        output.talk(f"there is no {systemd.path}; nothing to do")
        return
    output.data(change.diff().rstrip("\n"))
    if dry_run:
        return
    systemd.require(_crontab_line())
    _agree(yes)
    systemd.remove()
    change.write()
    systemd.reload()
    output.talk("removed; start it by hand with `nexus up --detach`")


@app.command()
def status(as_json: output.JsonFlag = False) -> None:
    """Say how the service is run: by systemd, by hand, or not at all."""
    from nexus.core.instance import running
    from nexus.core.paths import Home
    from nexus.service.systemd import Systemd

    systemd, service = Systemd(), running(Home.from_env())
    why = systemd.missing()
    state: dict[str, Any] = {
        "systemd": why or "available",
        "installed": systemd.installed,
        "unit": str(systemd.path),
        "state": "",
        "says": "",
        "lingers": None,
        "running": {"url": service.url, "pid": service.pid} if service else None,
    }
    if not why and systemd.installed:
        known = systemd.properties("ActiveState", "SubState", "StatusText", "NRestarts", "MainPID")
        state["state"] = f"{known.get('ActiveState', '')} ({known.get('SubState', '')})"
        state["says"] = known.get("StatusText", "")
        state["restarts"] = int(known.get("NRestarts") or 0)
        state["by_systemd"] = bool(service and str(service.pid) == known.get("MainPID"))
        state["lingers"] = systemd.lingers()
    if as_json:
        output.as_json(state)
        return
    output.data(f"systemd   {state['systemd']}")
    output.data(
        f"unit      {state['unit'] if state['installed'] else 'not installed: nexus service install'}"
    )
    if state["state"]:
        output.data(f"state     {state['state']}, {state['restarts']} restarts; {state['says']}".rstrip("; "))
        if state["lingers"] is False:
            output.data("lingering off: it runs while you are logged in (loginctl enable-linger)")
    by = " by systemd" if state.get("by_systemd") else " by hand"
    output.data(f"running   {f'{service.url}, process {service.pid},{by}' if service else 'no'}")


@app.command()
def logs(
    follow: Annotated[bool, typer.Option("--follow/--no-follow", "-f", help="Go on as more comes.")] = True,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 50,
) -> None:
    """Show the log: systemd's journal, or the file of `nexus up --detach`."""
    from nexus.core.errors import MissingPartError, NotFoundError
    from nexus.core.paths import Home
    from nexus.service.systemd import Systemd

    systemd, file = Systemd(), Home.from_env().log_file
    journal = ["journalctl", "--user", "-u", systemd.path.stem, "-n", str(lines)]
    command = [*journal, "-f"] if follow else [*journal, "--no-pager"]
    if not systemd.installed or systemd.missing():
        if not file.exists():
            raise NotFoundError(f"there is no log at {file}", hint="start it with `nexus up --detach`")
        command = ["tail", "-n", str(lines), *(["-F"] if follow else []), str(file)]
    output.talk(" ".join(command))
    sys.stdout.flush()
    try:
        os.execvp(command[0], command)  # noqa: S606  (so that Ctrl-C reaches it alone)
    except OSError as error:
        raise MissingPartError(f"{command[0]}: {error.strerror}", hint=f"the log is {file}") from error


def _text(settings: Config, *, confined: bool = True) -> str:
    from nexus.service.unit import unit_text

    program = (sys.executable, "-P", "-m", "nexus", "up")
    return unit_text(program, settings.home.root, settings.settings.service.drain_seconds, confined=confined)


def _start(settings: Config, systemd: Systemd) -> bool:
    """Start the unit; where this machine cannot confine it, without that. Returns whether it is confined."""
    from nexus.core.errors import NexusError

    try:
        systemd.start()
    except NexusError:
        if not systemd.confinement_failed():
            raise
        output.talk(
            "this machine does not allow user namespaces, which confining the service needs;"
            " it is started without ProtectSystem, PrivateUsers and the like"
        )
        systemd.change(_text(settings, confined=False)).write()
        systemd.start()
        return False
    return True


def _refuse_foreign(settings: Config, systemd: Systemd) -> None:
    """A service that was started by hand holds the home; systemd's could not start beside it."""
    from nexus.core.errors import AlreadyRunningError
    from nexus.core.instance import running

    service = running(settings.home)
    if service and systemd.properties("MainPID").get("MainPID") != str(service.pid):
        raise AlreadyRunningError(
            f"NexusOS already runs at {service.url} (process {service.pid}), started by hand",
            hint="stop it with `nexus down`, then install",
        )


def _crontab_line() -> str:
    return f"@reboot {sys.executable} -P -m nexus up --detach"


def _agree(yes: bool) -> None:
    from nexus.core.errors import InvalidInputError

    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidInputError("nobody is there to be asked", hint="add --yes, or look with --dry-run")
    if not typer.confirm("Do this?", err=True):
        output.talk("nothing was changed")
        raise typer.Exit(1)
