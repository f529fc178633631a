"""A memory in the user's own editor, and what of it was changed.

The text is the memory's file as it would be written; it is read back by the same strict reader as any
memory file. Invariant: nothing is sent before all of it can be read, and what cannot be used stays in a
file that is named.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from nexus.cli import output
from nexus.core.errors import InvalidInputError, MissingPartError

_EDITABLE = (
    "learning",
    "context",
    "type",
    "domain",
    "confidence",
    "verified",
    "project",
    "valid_from",
    "valid_to",
)


def changes(fields: dict[str, Any]) -> dict[str, Any]:
    """Let the user edit a memory, given as the service tells it. Returns the fields that differ.

    Raises `MissingPartError` when there is no editor, `InvalidInputError` for a text that is no memory.
    """
    from nexus.cortex.memory_file import Memory, render

    values: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in fields.items()}
    # Keywords follow from what it says, so they are not there to be left behind by a change.
    before = Memory(**{**values, "keywords": ()})
    editor = _editor()
    folder = Path(tempfile.mkdtemp(prefix="nexus-"))
    path = folder / f"{before.id}.md"
    path.write_text(render(before), encoding="utf-8")
    while True:
        ended = subprocess.run([*editor, str(path)], check=False).returncode
        if ended:
            raise InvalidInputError(
                f"{editor[0]} ended with {ended}; nothing was changed", hint=f"see {path}"
            )
        try:
            found = _changed(before, path)
        except InvalidInputError as error:
            output.talk(f"nexus: {error.message}")
            if not _again():
                raise InvalidInputError("nothing was changed", hint=f"what you wrote is in {path}") from None
            continue
        shutil.rmtree(folder)
        return found


def _changed(before: Any, path: Path) -> dict[str, Any]:
    from nexus.cortex.memory_file import parse, remainder

    after, rest = parse(path), remainder(path)
    if rest.extra or rest.notes.strip():
        what = f"the field {next(iter(rest.extra))!r} is unknown" if rest.extra else "there are notes below"
        raise InvalidInputError(f"{what}; here only the memory's own fields are changed")
    differ = [name for name in before.as_dict() if getattr(before, name) != getattr(after, name)]
    fixed = [n for n in differ if n not in (*_EDITABLE, "retrieval_count", "contradicts")]
    if fixed:
        raise InvalidInputError(f"{fixed[0]} cannot be changed; it was {getattr(before, fixed[0])!r}")
    return {name: getattr(after, name) for name in _EDITABLE if name in differ}


def _editor() -> list[str]:
    for name in ("VISUAL", "EDITOR"):
        words = shlex.split(os.environ.get(name, ""))
        if words:
            if shutil.which(words[0]) is None:
                raise MissingPartError(f"{name}={words[0]!r} is not there", hint=f"set {name} to an editor")
            return words
    found = next((name for name in ("sensible-editor", "nano", "vi") if shutil.which(name)), None)
    if found is None:
        raise MissingPartError("there is no editor", hint="set EDITOR, or name the change: --learning ...")
    return [found]


def _again() -> bool:
    """Whether the user wants to mend it. Without a terminal there is nobody to ask."""
    if not sys.stdin.isatty():
        return False
    import typer

    return typer.confirm("Edit it again?", default=True, err=True)
