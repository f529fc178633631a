"""`nexus memex branch`: copy-on-write branches of the files, one for each agent. They live in the mount."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from nexus.cli import output
from nexus.core.errors import InvalidInputError, NexusError, NotFoundError, NotRunningError

app = typer.Typer(no_args_is_help=True)
_ATTRIBUTE = "user.memex.branch"
_DIFF = ".diff"
Name = Annotated[str, typer.Argument(metavar="NAME", help="The branch, as under agents/.")]


@app.command("list")
def list_branches(as_json: output.JsonFlag = False) -> None:
    """List the branches."""
    agents = _agents()
    names = sorted(entry.name for entry in agents.iterdir() if not entry.name.endswith(_DIFF))
    if as_json:
        output.as_json([{"name": name, "folder": str(agents / name)} for name in names])
        return
    if not names:
        output.talk("no branches yet: nexus memex branch make NAME")
    for name in names:
        output.data(output.harmless(name))


@app.command()
def make(name: Name) -> None:
    """Make a branch: a folder that shows files/ and keeps what is changed there to itself."""
    folder = _agents() / _named(name)
    try:
        folder.mkdir()
    except OSError as error:
        _refused(error, name)
    output.data(str(folder))


@app.command()
def diff(name: Name, as_json: output.JsonFlag = False) -> None:
    """List what a branch changed: A added, M changed, D removed; `!` where files/ changed there too."""
    try:
        text = os.fsdecode((_agents() / f"{_named(name)}{_DIFF}").read_bytes())
    except OSError as error:
        _refused(error, name)
    changes = [
        {"how": line[0], "conflict": line[1] == "!", "path": line[3:]} for line in text.splitlines() if line
    ]
    if as_json:
        output.as_json(changes)
        return
    if not changes:
        output.talk("nothing was changed")
    for line in text.splitlines():
        output.data(output.harmless(line))


@app.command()
def merge(
    name: Name,
    force: Annotated[bool, typer.Option("--force", help="Also over what others changed meanwhile.")] = False,
) -> None:
    """Take the changes of a branch into files/. What they replace becomes versions."""
    _set(name, "merge force" if force else "merge")
    output.talk(f"merged {output.harmless(name)}")


@app.command()
def drop(name: Name) -> None:
    """Forget a branch and its changes."""
    _set(name, "drop")
    folder = _agents() / _named(name)
    if folder.exists():
        folder.rmdir()
    output.talk(f"dropped {output.harmless(name)}")


def _set(name: str, value: str) -> None:
    try:
        os.setxattr(_agents() / _named(name), _ATTRIBUTE, value.encode())
    except FileExistsError as error:
        from nexus.memexfs.branch_changes import MergeConflictError

        raise MergeConflictError(
            f"branch {name!r} changed what was changed in files/ too",
            hint=f"see `nexus memex branch diff {name}`; merge --force takes the branch's",
        ) from error
    except OSError as error:
        _refused(error, name)


def _agents() -> Path:
    """The folder of branches. Raises `NotRunningError` where nothing is mounted."""
    from nexus.core.paths import Home
    from nexus.memexfs.launch import serving

    found = serving(Home.from_env().root)
    if found is None:
        raise NotRunningError("MemexFS is not mounted", hint="nexus mount")
    return found.point / "agents"


def _named(name: str) -> str:
    if not name or "/" in name or name.startswith("."):
        raise InvalidInputError(f"{name!r} cannot be a branch's name", hint="letters, digits, - and _")
    return name


def _refused(error: OSError, name: str) -> NoReturn:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        raise NotFoundError(f"there is no branch {name!r}", hint="nexus memex branch list") from error
    if error.errno == errno.EEXIST:
        raise InvalidInputError(f"branch {name!r} is there already", hint="choose another name") from error
    raise NexusError(f"branch {name!r}: {error.strerror}") from error
