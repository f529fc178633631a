"""What each room offers: the same to type checkers and at run time, documented, and free until it is used."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "nexus"
ROOMS = ("agentmem", "cortex", "engine", "flowing", "memexfs", "training", "transformer", "unikernel")


def for_type_checkers(room: str) -> set[str]:
    """The names that a room's `__init__` imports as themselves under `TYPE_CHECKING`."""
    tree = ast.parse((SOURCE / room / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    return {
        alias.asname or "" for line in block.body if isinstance(line, ast.ImportFrom) for alias in line.names
    }


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_offers_what_type_checkers_are_told(room: str) -> None:
    names = import_module(f"nexus.{room}").__all__
    assert names
    assert set(names) == for_type_checkers(room)


@pytest.mark.parametrize("room", ROOMS)
def test_what_is_offered_is_there_and_says_what_it_is(room: str) -> None:
    if room in ("training", "transformer"):
        pytest.importorskip("torch", reason="torch is not installed; scripts/torch.sh installs it")
    offered = import_module(f"nexus.{room}")
    for name in offered.__all__:
        found = getattr(offered, name)
        assert name in dir(offered)
        if inspect.isclass(found) or inspect.isfunction(found):
            assert inspect.getdoc(found), f"nexus.{room}.{name} has no docstring"


def test_a_name_that_is_not_offered_is_refused() -> None:
    with pytest.raises(ImportError, match="Nothing"):
        exec("from nexus.cortex import Nothing", {})


@pytest.mark.parametrize("room", ROOMS)
def test_importing_a_room_loads_none_of_its_modules(room: str) -> None:
    code = f"import nexus.{room}, sys; print(*(m for m in sys.modules if m.startswith('nexus.{room}.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
