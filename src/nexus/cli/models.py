"""Weights: `models list|pull|rm|path|verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nexus.cli import output, weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from nexus.core.config import Config
    from nexus.core.models import Manifest, Model, ModelStore, Progress

app = typer.Typer(no_args_is_help=True)
weights.register(app)
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", show_default=False)]
Name = Annotated[str, typer.Argument(metavar="NAME")]


@app.command("list")
def list_models(as_json: output.JsonFlag = False) -> None:
    """Show every model of the catalog, what it needs, and whether it is here."""
    from nexus.core.models import CATALOG

    config, store = _open()
    used = _used(config, lambda _: None)
    rows = [_row(model, store, model.name in used) for model in CATALOG.values()]
    rows += [_stranger(store, name) for name in store.names() if name not in CATALOG]
    if as_json:
        output.as_json(rows)
        return
    for row in rows:
        mark = "*" if row["used"] else " "
        size = _megabytes(row["bytes"])
        output.data(
            f"{mark} {row['name']:<30} {row['kind']:<10} {size:>9}  {row['licence']:<11} "
            f"{row['state']:<14} {row['summary']}"
        )
    output.talk(f"* is in use. Models lie in {store.folder}")
    if unpinned := [row["name"] for row in rows if not row["pinned"]]:
        output.talk(
            f"The catalog does not know the bytes of {', '.join(unpinned)}: the first installation "
            "is trusted, and verify compares with it."
        )


@app.command()
def pull(
    names: Names = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch again what is there.")] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Install models; without a name those that the configuration uses."""
    from nexus.core.models import Installer, find

    config, store = _open()
    settings = config.settings.models
    wanted = names or _used(config, output.talk)
    for name in wanted:
        find(name)  # a misspelt name is told before a long download
    installer = Installer(
        store,
        search_path=settings.search_path,
        order=settings.sources,
        converters={"granite-pack": _convert_granite},
    )
    results = []
    for name in wanted:
        with _bar(name) as progress:
            done = installer.pull(name, progress=progress, notify=output.talk, force=force)
        output.talk(f"{name} is installed" if done.fresh else f"{name} is here already")
        results.append(
            {
                "name": name,
                "folder": done.folder,
                "fetched": done.fresh,
                "files": [file.model_dump() for file in done.manifest.files],
                "notes": done.notes,
            }
        )
    if as_json:
        output.as_json(results)


@app.command("rm")
def remove(name: Name) -> None:
    """Delete a model, and what an interrupted pull left of it."""
    _, store = _open()
    freed = store.remove(name)
    output.talk(f"removed {name}, {_megabytes(freed)} freed")


@app.command()
def path(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", show_default=False)] = None,
) -> None:
    """Print the folder of an installed model, or of all models."""
    _, store = _open()
    output.data(str(store.path(name) if name else store.folder))


@app.command()
def verify(names: Names = None, as_json: output.JsonFlag = False) -> None:
    """Read every byte of installed models and say what is damaged."""
    from nexus.core.errors import ModelCorruptError

    _, store = _open()
    results: list[dict[str, Any]] = []
    for name in names or store.names():
        problems: list[str]
        try:
            with _bar(name) as progress:
                problems = [str(problem) for problem in store.verify(name, progress)]
        except ModelCorruptError as error:  # a manifest that cannot be read
            problems = [error.message]
        results.append({"name": name, "ok": not problems, "problems": problems})
        if not as_json:
            for line in problems or [f"{name} is whole"]:
                output.data(line)
    if as_json:
        output.as_json(results)
    elif not results:
        output.talk(f"no model is installed in {store.folder}")
    if damaged := [str(row["name"]) for row in results if not row["ok"]]:
        raise ModelCorruptError(
            f"damaged: {', '.join(damaged)}",
            hint=f"nexus models pull {' '.join(damaged)} --force",
        )


def _open() -> tuple[Config, ModelStore]:
    from nexus.core.config import load
    from nexus.core.models import ModelStore

    config = load()
    return config, ModelStore(config.settings.models.folder or config.home.models)


def _used(config: Config, say: Callable[[str], None]) -> list[str]:
    """The names of the catalog models that the configuration uses."""
    settings = config.settings
    names = list(dict.fromkeys((settings.cortex.embedder, settings.cortex.talk_embedder)))
    if settings.engine.kind == "remote":
        say(f"engine.kind is {settings.engine.kind}: no chat model is needed here")
    elif settings.engine.model.endswith(".gguf") or "/" in settings.engine.model:
        say(f"engine.model is the file {settings.engine.model}: it is used where it lies")
    else:
        names.append(settings.engine.model)
    return names


def _row(model: Model, store: ModelStore, used: bool) -> dict[str, Any]:
    state = _state(store, model.name)
    return {
        "name": model.name,
        "kind": model.kind,
        "bytes": model.download_size,
        "licence": model.licence,
        "context": model.context,
        "dimensions": model.dimensions,
        "pinned": model.pinned,
        "used": used,
        "state": state,
        "folder": store.path_of(model.name) if state == "installed" else None,
        "summary": model.summary,
    }


def _stranger(store: ModelStore, name: str) -> dict[str, Any]:
    """A folder that the catalog does not name: put there by another release or by hand."""
    state = _state(store, name)
    manifest: Manifest | None = store.manifest(name) if state == "installed" else None
    return {
        "name": name,
        "kind": "?",
        "bytes": sum(file.size for file in manifest.files) if manifest else None,
        "licence": manifest.licence if manifest else "?",
        "context": None,
        "dimensions": None,
        "pinned": True,
        "used": False,
        "state": state,
        "folder": store.path_of(name),
        "summary": "not in this release's catalog",
    }


def _state(store: ModelStore, name: str) -> str:
    from nexus.core.errors import ModelCorruptError, ModelMissingError

    try:
        store.manifest(name)
    except ModelMissingError:
        return "not installed"
    except ModelCorruptError:
        return "damaged"
    return "installed"


def _megabytes(size: int | None) -> str:
    return "? MB" if size is None else f"{size / 1e6:,.1f} MB"


def _convert_granite(pack: Path, folder: Path) -> None:
    # Imported here: numpy and onnx take longer to load than everything else a pull needs.
    try:
        from nexus.cortex.granite import convert
    except ImportError as error:
        from nexus.core.errors import MissingPartError

        raise MissingPartError(
            f"{error.name} is not installed", hint="pip install numpy onnx onnxruntime"
        ) from error
    output.talk("converting the model")
    convert(pack, folder)


def _bar(name: str) -> AbstractContextManager[Progress]:
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
