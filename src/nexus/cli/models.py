"""Weights: `models list|pull|rm|path|verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nexus.cli import output, weights
from nexus.cli.fetching import bar, fetch, store_of

if TYPE_CHECKING:
    from nexus.core.config import Config
    from nexus.core.models import ModelStore

app = typer.Typer(no_args_is_help=True)
weights.register(app)
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", show_default=False)]
Name = Annotated[str, typer.Argument(metavar="NAME")]


@app.command("list")
def list_models(as_json: output.JsonFlag = False) -> None:
    """Show every model of the catalog, what it needs, and whether it is here."""
    from nexus.core.models.inventory import inventory, used_by

    config, store = _open()
    rows = inventory(store, used_by(config.settings))
    if as_json:
        output.as_json([row.as_dict() for row in rows])
        return
    for row in rows:
        mark = "*" if row.used else " "
        output.data(
            f"{mark} {row.name:<30} {row.kind:<10} {_megabytes(row.bytes):>9}  {row.licence:<11} "
            f"{row.state:<14} {row.summary}"
        )
    output.talk(f"* is in use. Models lie in {store.folder}")
    if unpinned := [row.name for row in rows if not row.pinned]:
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
    from nexus.core.models.inventory import used_by

    config, _ = _open()
    used = used_by(config.settings)
    if used.note and not names:
        output.talk(used.note)
    installed = fetch(config, names or used.names, force=force)
    results = [
        {
            "name": name,
            "folder": done.folder,
            "fetched": done.fresh,
            "files": [file.model_dump() for file in done.manifest.files],
            "notes": done.notes,
        }
        for name, done in installed.items()
    ]
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
            with bar(name) as progress:
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

    config = load()
    return config, store_of(config)


def _megabytes(size: int | None) -> str:
    return "? MB" if size is None else f"{size / 1e6:,.1f} MB"
