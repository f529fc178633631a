"""What commands print: data on stdout, talk on stderr."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any
from unicodedata import category

import typer

# They turn the direction of what follows, so that a person reads another text than is there.
_BIDI = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))
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


def harmless(text: str) -> str:
    """Text from a file as a terminal may show it: control characters, which steer it, are spelled out."""
    return "".join(_spelled(c) if c in _BIDI or category(c) in ("Cc", "Cs") else c for c in text)


def place(source: dict[str, Any]) -> str:
    """Where a source is from: file, heading and lines, the session, or the memory's id."""
    name = source["path"].rsplit("/", 1)[-1]
    if source["kind"] == "memory":
        return f"memory {name.removesuffix('.md')}"
    lines = f"lines {source['lines'][0]}-{source['lines'][1]}"
    if source["kind"] == "transcript":
        said = f", said {source['said'][:16].replace('T', ' ')}" if source.get("said") else ""
        title = f"  {source['title']}" if source.get("title") else ""
        return harmless(f"session {source['path']}{title}  ({lines}{said})")
    heading = " > ".join(source["heading"])
    return harmless(f"{source['path']}  {heading}  ({lines})" if heading else f"{source['path']}  ({lines})")


def _spelled(char: str) -> str:
    if char in "\n\t":
        return char
    return f"\\x{ord(char):02x}" if ord(char) < 0x100 else f"\\u{ord(char):04x}"
