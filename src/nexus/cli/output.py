"""What commands print: data on stdout, talk on stderr."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def data(text: str) -> None:
    """A line of data."""
    typer.echo(text)


def talk(text: str) -> None:
    """A line for the person at the terminal."""
    typer.echo(text, err=True)


def as_json(value: Any) -> None:
    """Data as JSON, one document."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, default=str)
    sys.stdout.write("\n")


def place(source: dict[str, Any]) -> str:
    """Where a source is from: file, heading and lines, or the memory's id."""
    name = source["path"].rsplit("/", 1)[-1]
    if source["kind"] == "memory":
        return f"memory {name.removesuffix('.md')}"
    heading = " > ".join(source["heading"])
    lines = f"lines {source['lines'][0]}-{source['lines'][1]}"
    return f"{source['path']}  {heading}  ({lines})" if heading else f"{source['path']}  ({lines})"
