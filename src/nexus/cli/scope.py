"""The options that say where to look, the same in every command that has them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nexus.core.errors import InvalidInputError
from nexus.core.paths import find_project

ProjectOption = Annotated[
    str, typer.Option("--project", help="Only this project and what belongs to none; . is the one here.")
]
DomainOption = Annotated[
    str, typer.Option("--domain", help="Only this domain: AUTH, UI, API, DB, TEST, DEV or GENERAL.")
]
AllFlag = Annotated[bool, typer.Option("--all", help="Also memories that were superseded or have ended.")]


def project_folder(text: str) -> str:
    """The project that `text` lies in, or the folder itself; "" for "". Raises `InvalidInputError`."""
    if not text:
        return ""
    folder = Path(text).expanduser().resolve()
    if not folder.is_dir():
        raise InvalidInputError(
            f"{text!r} is not a folder", hint="name a project's folder, or . for the one here"
        )
    return str(find_project(folder) or folder)


def absolute(path: Path) -> str:
    """A path as the service takes it: its working folder is another one."""
    return str(path.expanduser().absolute())
