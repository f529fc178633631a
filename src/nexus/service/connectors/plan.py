"""What connecting an agent takes: changes to its files, and commands of its own to run.

A plan is made without changing anything, shown to a person, and then carried out or not. Knows nothing of
single agents.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nexus.core.errors import InvalidInputError, MissingPartError, NexusError
from nexus.core.paths import Home
from nexus.service.connectors.change import Change
from nexus.service.connectors.hook_settings import PROGRAM
from nexus.service.connectors.record import Records

NAME = "nexus"
_COMMAND_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Service:
    """Where the service answers, and as which model. `window` is in tokens, 0 where it is not known."""

    url: str = "http://127.0.0.1:8000"
    token: str = ""
    model: str = ""
    window: int = 0


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants: which of the two ways, for one project or for all of theirs.

    With `local`, the agent is also to think with this machine's model. With `relay`, no key is written
    into an agent's settings where a process can stand between.
    """

    mcp: bool = True
    hooks: bool = True
    project: Path | None = None
    local: bool = False
    relay: bool = False
    service: Service = Service()


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done. `advice` are lines for the person, about what is left to them."""

    changes: tuple[Change, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
    advice: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.commands and not any(change.needed for change in self.changes)

    def shown(self) -> str:
        """Every difference and every command, as text."""
        parts = [change.diff() for change in self.changes if change.needed]
        parts += [f"run: {shlex.join(command)}\n" for command in self.commands]
        return "\n".join(parts)

    def carry_out(self, env: Mapping[str, str]) -> None:
        """Write the files, then run the commands. Raises what stopped it; what was done stays."""
        for change in self.changes:
            if change.needed:
                change.write()
        for command in self.commands:
            _run(command, env)


@dataclass(frozen=True, slots=True)
class Programs:
    """How agents call us. `home` is NEXUS_HOME where the user has set it, and empty otherwise."""

    nexus: str
    hook: str
    home: str

    @classmethod
    def installed(cls, env: Mapping[str, str], *, portable: bool) -> Programs:
        """Those of this installation: full paths, or `portable` names where PATH leads to them."""
        return cls(_program(NAME, env, portable), _program(PROGRAM, env, portable), env.get("NEXUS_HOME", ""))

    @property
    def hook_command(self) -> str:
        """For a shell. Raises `MissingPartError` where the hook client was not built."""
        if not self.hook:
            raise MissingPartError(
                f"the program {PROGRAM} is not installed: it needs a C compiler",
                hint="apt-get install g++ && make up; or leave it out: --no-hooks",
            )
        return shlex.join([self.hook, *(["--home", self.home] if self.home else [])])

    @property
    def server_command(self) -> tuple[str, ...]:
        """The stdio relay."""
        return (self.nexus, "mcp")

    @property
    def server_env(self) -> dict[str, str]:
        """What the relay must find in its environment."""
        return {"NEXUS_HOME": self.home} if self.home else {}


def records(env: Mapping[str, str]) -> Records:
    """What is known of the files that were changed from this NEXUS_HOME."""
    return Records(Home.from_env(env).root / "connections")


def refuse_local_project(wish: Wish) -> None:
    """Raise `InvalidInputError` for a key in a folder that others get to see."""
    if wish.local and wish.project:
        raise InvalidInputError(
            "the local model needs a key in the settings, and a project's settings are shared",
            hint="leave --project out",
        )


def calls_nexus(command: object, arguments: object) -> bool:
    """Whether this command line is the relay of some installation of ours."""
    return isinstance(command, str) and command.rsplit("/", 1)[-1] == NAME and arguments == ["mcp"]


def _program(name: str, env: Mapping[str, str], portable: bool) -> str:
    own = Path(sysconfig.get_path("scripts")) / name
    found = shutil.which(name, path=env.get("PATH"))
    if not own.exists():
        return found or ""
    return name if portable and found and Path(found).resolve() == own.resolve() else str(own)


def _run(command: Sequence[str], env: Mapping[str, str]) -> None:
    try:
        done = subprocess.run(
            command,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_COMMAND_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NexusError(f"{shlex.join(command)}: {error}", hint="run it yourself") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise NexusError(
            f"{shlex.join(command)} failed: {said[-1] if said else f'status {done.returncode}'}",
            hint="run it yourself to see more",
        )
