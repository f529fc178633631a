"""Settings: `config show|path`."""

from __future__ import annotations

import typer

from nexus.cli import output

app = typer.Typer(no_args_is_help=True)
_HIDDEN = {
    "cortex.qdrant_api_key",
    "engine.api_key",
    "memex.embed_key",
    "service.token",
    "training.api_key",
}


def register(parent: typer.Typer) -> None:
    """This group adds nothing to the top level."""


@app.command()
def show(as_json: output.JsonFlag = False) -> None:
    """Show every setting, its value and where it comes from."""
    from nexus.core.config import load, variable

    rows = [
        (v.key, "(set)" if v.key in _HIDDEN and v.value else v.value, v.origin, v.description)
        for v in load().values()
    ]
    if as_json:
        output.as_json(
            [
                {"key": k, "value": v, "origin": o, "description": d, "variable": variable(k)}
                for k, v, o, d in rows
            ]
        )
        return
    for key, value, origin, description in rows:
        text = ",".join(map(str, value)) if isinstance(value, tuple) else "" if value is None else value
        output.data(f"{key:<24} {text!s:<32} {origin:<10} {description}")


@app.command()
def path() -> None:
    """Print the path of the configuration file, whether it exists or not."""
    from nexus.core.paths import Home

    output.data(str(Home.from_env().config_file))
