"""What a room offers: names found in its modules when they are first asked for.

A room's `__init__` says it twice: for type checkers by imports under `TYPE_CHECKING`, and by `offered`;
tests/architecture/test_contracts.py compares the two. So importing a room costs nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def offered(
    room: str, names: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """The `__getattr__`, `__dir__` and `__all__` of a room. `names`: by module what it has, by blanks."""
    where = {name: module for module, found in names.items() for name in found.split()}

    def get(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        found = getattr(import_module(f"{room}.{where[name]}"), name)
        setattr(sys.modules[room], name, found)
        return found

    return get, lambda: sorted({*where, *vars(sys.modules[room])}), sorted(where)
