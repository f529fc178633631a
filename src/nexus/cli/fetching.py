"""Models fetched from a command, with a bar for each; and the offer to do so before a start that needs them.

Nothing is fetched that nobody asked for: without a terminal and without `--yes` there is no offer, and the
start says what is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nexus.cli import output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from nexus.core.config import Config
    from nexus.core.models import Converter, Installed, ModelStore, Progress


def store_of(config: Config) -> ModelStore:
    """Where the models of this configuration lie."""
    from nexus.core.models import ModelStore

    return ModelStore(config.settings.models.folder or config.home.models)


def fetch(config: Config, names: Iterable[str], *, force: bool = False) -> dict[str, Installed]:
    """Install what is not here yet. Raises `NotFoundError`, `SourceError`, `StorageError`."""
    from nexus.core.models import Installer, find
    from nexus.cortex.conversions import CONVERTERS

    wanted = list(names)
    for name in wanted:
        find(name)  # a misspelt name is told before a long download
    installer = Installer(
        store_of(config),
        search_path=config.settings.models.search_path,
        order=config.settings.models.sources,
        converters={kind: _told(convert) for kind, convert in CONVERTERS.items()},
    )
    done = {}
    for name in wanted:
        with bar(name) as progress:
            done[name] = installer.pull(name, progress=progress, notify=output.talk, force=force)
        output.talk(f"{name} is installed" if done[name].fresh else f"{name} is here already")
    return done


def offer(config: Config, *, yes: bool) -> None:
    """Fetch the models of the configuration that are not here, if `yes` or who is at the terminal says so."""
    from nexus.core.models.inventory import inventory, used_by

    if not yes and not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    entries = inventory(store_of(config), used_by(config.settings))
    missing = [entry for entry in entries if entry.used and entry.state == "not installed"]
    if not missing:
        return
    size = sum(entry.bytes or 0 for entry in missing) / 1e6
    output.talk(f"Not here yet: {', '.join(entry.name for entry in missing)} ({size:,.0f} MB)")
    if yes or typer.confirm("Fetch them now?", default=True, err=True):
        fetch(config, [entry.name for entry in missing])


def _told(convert: Converter) -> Converter:
    def run(pack: Path, folder: Path) -> None:
        output.talk("converting the model")
        convert(pack, folder)

    return run


def bar(name: str) -> AbstractContextManager[Progress]:
    """A progress bar on stderr that appears with the first byte."""
    from contextlib import contextmanager

    @contextmanager
    def show() -> Iterator[Progress]:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        columns = (
            TextColumn(name),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        bar = Progress(*columns, console=Console(stderr=True))
        task = None

        def progress(done: int, total: int | None) -> None:
            nonlocal task
            if task is None:
                bar.start()
                task = bar.add_task(name, total=total)
            bar.update(task, completed=done, total=total)

        try:
            yield progress
        finally:
            bar.stop()

    return show()
