"""`nexus mount` and `nexus umount`: the files of MemexFS as a folder for every program."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nexus.cli import output

if TYPE_CHECKING:
    from nexus.core.config import Config

_DEFAULT = Path("~/memex")
_ENDING_SECONDS = 15.0


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(mount)
    app.command()(umount)


def mount(
    folder: Annotated[Path, typer.Argument(help="Where; it is made if it is missing.")] = _DEFAULT,
    webdav: Annotated[
        int | None,
        typer.Option(
            metavar="PORT", min=0, max=65535, help="No FUSE: a network folder on this port, till Ctrl-C."
        ),
    ] = None,
    libfuse: Annotated[bool, typer.Option("--libfuse", help="By libfuse (macOS), till Ctrl-C.")] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Mount MemexFS: your files by what they are about, until `nexus umount`."""
    if webdav is not None or libfuse:
        _here(folder.expanduser(), webdav)
        return
    from nexus.core import config
    from nexus.memexfs.launch import serving
    from nexus.memexfs.mount_table import place
    from nexus.memexfs.mounting import mount as mounted

    settings, point = config.load(), folder.expanduser()
    found = serving(settings.home.root)
    before = found is not None and found.point == place(point)
    if found is None or not before:
        found = mounted(settings, point)
    if as_json:
        output.as_json({**found._asdict(), "point": str(found.point)})
        return
    output.talk(f"{'it is mounted already' if before else 'mounted'} (process {found.pid}); try:")
    output.talk(f"  cp -r SOME-FOLDER {found.point}/files/")
    output.talk(f'  ls "{found.point}/search/how we handle refunds/"')
    output.talk(f"  cat {found.point}/.memex/help")
    for line in _missing(settings):
        output.talk(line)
    output.data(str(found.point))


def umount(
    folder: Annotated[
        Path | None, typer.Argument(help="Where it is mounted; this home's mount if not given.")
    ] = None,
    lazy: Annotated[bool, typer.Option("--lazy", help="Let programs that use it keep it.")] = False,
) -> None:
    """Unmount MemexFS. The files stay where they are."""
    from nexus.core.errors import NotFoundError
    from nexus.core.paths import Home
    from nexus.memexfs.launch import serving
    from nexus.memexfs.mount import unmount
    from nexus.memexfs.mount_table import place

    home = Home.from_env().root
    found = serving(home)
    if folder is None and found is None:
        raise NotFoundError("MemexFS is not mounted", hint="`findmnt -t fuse.memex` lists all such mounts")
    point = folder.expanduser() if folder is not None else found.point if found else _DEFAULT
    unmount(point, lazy=lazy)
    deadline = time.monotonic() + _ENDING_SECONDS
    ours = found is not None and found.point == place(point)
    while ours and not lazy and serving(home) is not None and time.monotonic() < deadline:
        time.sleep(0.02)  # what was told last is being written down
    output.talk(f"unmounted {point}; the files are in {home / 'memex' / 'tree'}")


def _here(point: Path, port: int | None) -> None:
    """Show the files from this very process."""
    from nexus.core import config
    from nexus.memexfs.mounting import by_libfuse, by_webdav
    from nexus.service.launch import token_of

    settings = config.load()

    def ready(address: str) -> None:
        output.talk("open it as a network folder; any name, and the password of: nexus token")
        for line in _missing(settings):
            output.talk(line)
        output.data(address)

    if port is None:
        point.mkdir(mode=0o700, parents=True, exist_ok=True)
        by_libfuse(settings, point, lambda: output.data(str(point)))
    else:
        by_webdav(settings, token_of(settings), port, ready)


def _missing(settings: Config) -> list[str]:
    """What keeps files from being found by meaning, and the command that mends it."""
    from nexus.core.errors import NexusError
    from nexus.core.instance import running
    from nexus.core.models.store import ModelStore

    lines = []
    try:
        store = ModelStore(settings.settings.models.folder or settings.home.models)
        store.path(settings.settings.cortex.embedder)
    except NexusError as error:
        lines.append(f"files are found by their words only: {error.message} ({error.hint})")
    if running(settings.home) is None:
        lines.append("the service does not run, so nothing is read or indexed: nexus up --detach")
    elif not settings.settings.memex.enabled:
        lines.append("nothing is read or indexed: memex.enabled is false")
    return lines
