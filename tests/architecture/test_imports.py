"""Who may import whom. The rules are the tables; edit a line there, not the walk below."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "nexus"

# A room, and the other rooms it may import. Anything else is sideways or upwards.
ROOMS: dict[str, set[str]] = {
    "core": set(),
    "cortex": {"core"},
    "engine": {"core"},
    "agentmem": {"core"},
    "transformer": {"core"},
    "flowing": {"core"},
    "unikernel": {"core"},
    "memexfs": {"core", "cortex"},
    "training": {"core", "flowing", "transformer"},
    "service": {
        "core",
        *("cortex", "engine", "agentmem", "transformer", "flowing", "unikernel"),
        *("memexfs", "training"),
    },
    "cli": {
        "core",
        *("cortex", "engine", "agentmem", "transformer", "flowing", "unikernel"),
        *("memexfs", "training", "service"),
    },
    "__main__": {"cli"},
    "__init__": set(),
}

# A foreign package (or a module of ours), and the only places that may import it.
ONLY: dict[str, tuple[str, ...]] = {
    "torch": ("transformer/", "training/"),
    "safetensors": ("transformer/", "training/"),
    "fastapi": ("service/",),
    "starlette": ("service/",),
    "mcp": ("service/api/mcp.py",),
    "mfusepy": ("memexfs/mfuse.py",),
    "fuse": ("memexfs/mfuse.py",),
    "pyfuse3": ("memexfs/mfuse.py",),
    "wsgidav": ("memexfs/webdav.py", "memexfs/dav_resources.py", "memexfs/dav_stream.py"),
    "cheroot": ("memexfs/webdav.py",),
    "typer": ("cli/",),
    "click": ("cli/",),
    "rich": ("cli/",),
    "xllamacpp": ("engine/",),
    "onnx": ("cortex/",),
    "qdrant_edge": ("cortex/", "memexfs/shard.py"),
    "qdrant_client": ("cortex/",),
    "pypdfium2": ("memexfs/pdf.py",),
    "markitdown": ("memexfs/archives.py",),
    "openpyxl": ("memexfs/archives.py",),
    "cryptography": ("agentmem/remote/seal.py",),
    "valkey": ("agentmem/remote/valkey.py",),
    "nexus._native": ("core/platform.py",),
    "nexus._agentmem": ("agentmem/",),
    "nexus._flowing": ("flowing/",),
}

# All that core may import beside the standard library and itself.
CORE = {"nexus", "pydantic", "pydantic_core", "pydantic_settings", "platformdirs"}

# Loading a pickle runs the code inside it, so nothing may.
NEVER = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def imports(path: Path, package: Path) -> Iterator[tuple[int, str]]:
    """Every (line, dotted name) that the module imports, at any depth, relative names resolved."""
    here = ("nexus", *path.relative_to(package).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(here[: len(here) - node.level]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and _is_import_call(node.func):
            name = node.args[0]
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield node.lineno, name.value


def _is_import_call(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in ("import_module", "__import__")


def violations(package: Path) -> list[str]:
    """What the modules below `package` import against the rules, one line each."""
    found = []
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package).as_posix()
        room = inside.split("/")[0].removesuffix(".py")
        for line, name in imports(path, package):
            reason = _reason(room, inside, name)
            if reason:
                found.append(f"src/nexus/{inside}:{line} imports {name}: {reason}")
    return found


def _reason(room: str, inside: str, name: str) -> str:
    parts = name.split(".")
    if room not in ROOMS:
        return f"{room!r} is not a room of ROOMS"
    if parts[0] in NEVER:
        return "loading it can run foreign code"
    for only, places in ONLY.items():
        within = name == only or name.startswith(only + ".")
        if within and not any(inside == p or inside.startswith(p) for p in places):
            return f"only {', '.join(places)} may import {only}"
    if room == "core" and parts[0] not in CORE and parts[0] not in sys.stdlib_module_names:
        return "core imports the standard library, pydantic and platformdirs only"
    if parts[0] == "nexus" and len(parts) > 1:
        other = parts[1]
        if other in ROOMS and other != room and other not in ROOMS[room]:
            return f"{room} may import {', '.join(sorted(ROOMS[room])) or 'no room'}"
    return ""


def test_every_import_follows_the_direction_of_the_house() -> None:
    assert list(SOURCE.rglob("*.py"))
    assert violations(SOURCE) == []


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("core/ids.py", "import numpy"),
        ("core/ids.py", "from nexus.cortex import chunker"),
        ("core/ids.py", "from ..cortex.chunker import Chunk"),
        ("core/ids.py", "from nexus import cli"),
        ("cortex/chunker.py", "def f():\n    from nexus.engine.base import Engine"),
        ("cortex/chunker.py", "import nexus.service.daemon"),
        ("cortex/chunker.py", "from nexus import _native"),
        ("training/dream.py", "from nexus import _flowing"),
        ("transformer/backbone.py", "from nexus.training import muon"),
        ("transformer/tokenizer.py", "import nexus.flowing"),
        ("service/answer.py", "import torch"),
        ("cli/main.py", "from safetensors.torch import load_file"),
        ("cortex/indexer.py", "import pickle"),
        ("cortex/indexer.py", "if True:\n    from pickle import loads"),
        ("engine/base.py", "import torch.nn as nn"),
        ("engine/base.py", "importlib.import_module('torch')"),
        ("engine/base.py", "__import__('fastapi')"),
        ("memexfs/tree.py", "from nexus.training import teacher"),
        ("service/server.py", "from nexus.cli import main"),
        ("service/server.py", "import mcp"),
        ("service/api/control.py", "from mcp.server import Server"),
        ("service/daemon.py", "from rich.console import Console"),
        ("somewhere/new.py", "import os"),
    ],
)
def test_a_breach_is_caught(tmp_path: Path, place: str, line: str) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(f"import importlib\n{line}\n")
    found = violations(tmp_path)
    assert found
    assert all(place in entry for entry in found)


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("core/config.py", "import pydantic_settings, json, nexus.core.errors"),
        ("core/platform.py", "from nexus import _native"),
        ("core/log.py", "from . import clock"),
        ("cortex/memory.py", "from nexus.core import ids\nimport yaml, numpy"),
        ("memexfs/query.py", "from nexus.cortex.retriever import Retriever"),
        ("training/dream.py", "import torch\nfrom nexus.flowing import learner"),
        ("training/training_state.py", "import safetensors\nfrom nexus.transformer.config import Config"),
        ("transformer/backbone.py", "import torch\nfrom nexus.core.errors import NexusError"),
        ("service/api/mcp.py", "import mcp\nimport fastapi"),
        ("cli/main.py", "import typer\nfrom nexus.service import server"),
    ],
)
def test_what_is_allowed_passes(tmp_path: Path, place: str, line: str) -> None:
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(line + "\n")
    assert violations(tmp_path) == []


def drawn() -> set[tuple[str, str]]:
    """The arrows of the drawing in docs/map.md."""
    text = (SOURCE.parents[1] / "docs" / "map.md").read_text(encoding="utf-8")
    return set(re.findall(r"^    (\w+) --> (\w+)$", text, re.MULTILINE))


def test_the_map_draws_who_may_import_whom() -> None:
    rooms = {room: others for room, others in ROOMS.items() if not room.startswith("__")}
    # An arrow that others make up for is left out.
    between = {(room, far) for room in rooms for near in rooms[room] for far in rooms[near]}
    assert drawn() == {(room, other) for room in rooms for other in rooms[room]} - between
