"""`doctor`: what is there, what is missing, and the command that mends it."""

from __future__ import annotations

import os
import shutil
import sys

import typer

from nexus.cli import output
from nexus.core.parts import Part

_WANTED_FREE_GB = 3


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(as_json: output.JsonFlag = False) -> None:
    """Check this installation; exits with 1 when something needed is missing."""
    parts = needed_parts()
    from nexus.core.parts import optional_parts

    optional = optional_parts()
    if as_json:
        output.as_json({"needed": [p.as_dict() for p in parts], "optional": [p.as_dict() for p in optional]})
    else:
        for title, group in (("needed", parts), ("optional", optional)):
            output.data(title)
            for part in group:
                mark = "ok     " if part.state == "available" else "missing"
                output.data(f"  {mark} {part.name:<28} {part.detail}")
                if part.mend and part.state == "missing":
                    output.data(f"          mend: {part.mend}")
    if any(p.state == "missing" for p in parts):
        raise typer.Exit(1)


def needed_parts() -> list[Part]:
    """What the service cannot do its main job without."""
    from nexus.core.config import load
    from nexus.core.errors import ConfigError, NexusError
    from nexus.core.paths import Home

    parts = [_python()]
    home = Home.from_env()
    parts.append(_folder(home))
    try:
        config = load()
    except ConfigError as error:
        parts.append(Part("configuration", "missing", error.message, error.hint))
        return parts
    detail = str(home.config_file) if home.config_file.exists() else "defaults, no config.toml"
    parts.append(Part("configuration", "available", detail))
    from nexus.core.models.store import ModelStore

    store = ModelStore(config.settings.models.folder or home.models)
    wanted = list(dict.fromkeys((config.settings.cortex.embedder, config.settings.cortex.talk_embedder)))
    if config.settings.engine.kind != "remote" and not config.settings.engine.model.endswith(".gguf"):
        wanted.append(config.settings.engine.model)
    for name in wanted:
        try:
            parts.append(Part(f"model {name}", "available", str(store.path(name))))
        except NexusError as error:
            parts.append(Part(f"model {name}", "missing", error.message, error.hint))
    parts.append(_service(home))
    return parts


def _python() -> Part:
    from nexus.core import platform

    version = ".".join(map(str, sys.version_info[:3]))
    cpu = f", CPU has {', '.join(platform.cpu_features())}" if platform.available() else ""
    return Part("python", "available", f"{version} ({sys.executable}){cpu}")


def _folder(home: object) -> Part:
    from nexus.core.errors import NexusError
    from nexus.core.paths import Home

    assert isinstance(home, Home)
    try:
        home.create()
    except NexusError as error:
        return Part("NEXUS_HOME", "missing", error.message, error.hint)
    if not os.access(home.root, os.W_OK):
        return Part("NEXUS_HOME", "missing", f"{home.root} is read-only", "export NEXUS_HOME=~/nexus")
    free = shutil.disk_usage(home.root).free / 2**30
    if free < _WANTED_FREE_GB:
        detail = f"{home.root} has {free:.1f} GB free, models need {_WANTED_FREE_GB}"
        return Part("NEXUS_HOME", "missing", detail, "free some space, or set NEXUS_HOME elsewhere")
    return Part("NEXUS_HOME", "available", f"{home.root}, {free:.0f} GB free")


def _service(home: object) -> Part:
    from nexus.core.instance import running
    from nexus.core.paths import Home

    assert isinstance(home, Home)
    service = running(home)
    if service is None:
        return Part("service", "missing", "it does not run", "nexus up --detach")
    return Part("service", "available", f"{service.url}, process {service.pid}")
