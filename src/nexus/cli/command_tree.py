"""The commands as plain data: words, options, what they take. For completions, the manual and the reference.

Knows how typer keeps a command, and no shell. Invariant: hidden commands and options are not in it.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LABELS = {Path: "PATH", str: "TEXT", int: "INT", float: "NUMBER"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """An option, or an argument where `names` is empty."""

    names: tuple[str, ...]
    label: str  # what stands for its value: INT, PATH, a choice; empty for a switch
    choices: tuple[str, ...]
    help: str
    required: bool
    repeats: bool


@dataclass(frozen=True, slots=True)
class Command:
    """A command or, where `children` has words, a group of them."""

    path: tuple[str, ...]
    help: str
    summary: str
    options: tuple[Parameter, ...]
    arguments: tuple[Parameter, ...]
    children: tuple[tuple[str, str], ...]  # (word, summary)


def commands() -> list[Command]:
    """Every visible command of `nexus`, groups before their members, in the order of their names."""
    import typer.main

    from nexus.cli.main import app

    return list(_walk(typer.main.get_command(app), ()))


def _walk(command: Any, path: tuple[str, ...]) -> Iterator[Command]:
    members = sorted((word, c) for word, c in getattr(command, "commands", {}).items() if not c.hidden)
    parameters = [_parameter(p) for p in command.params if not p.hidden]
    switch = Parameter(("-h", "--help"), "", (), "Show this message and exit.", False, False)
    yield Command(
        path,
        " ".join((command.help or "").split()),
        _summary(command),
        (*(p for p in parameters if p.names), switch),
        tuple(p for p in parameters if not p.names),
        tuple((word, _summary(member)) for word, member in members),
    )
    for word, member in members:
        yield from _walk(member, (*path, word))


def _parameter(found: Any) -> Parameter:
    kind = found.type_descriptor.annotation
    many = typing.get_origin(kind) is list
    kind = typing.get_args(kind)[0] if many else kind
    choices = tuple(map(str, typing.get_args(kind))) if typing.get_origin(kind) is typing.Literal else ()
    is_option = found.opts[0].startswith("-")
    if not is_option:
        label = (found.metavar or str(found.name).upper()).removeprefix("[").removesuffix("]")
    elif found.is_flag:
        label = ""
    else:
        label = found.metavar or "|".join(choices) or _LABELS[kind]
    return Parameter(
        (*found.opts, *found.secondary_opts) if is_option else (),
        label.removesuffix("..."),
        choices,
        " ".join((found.help or "").split()),
        bool(found.required),
        many,
    )


def _summary(command: Any) -> str:
    text = " ".join((command.short_help or command.help or "").split())
    first, dot, _ = text.partition(". ")
    return first + "." if dot else text
