"""Unit: a reference to shared bytes; the class itself is compiled (native/python/agentmem_unit.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nexus._agentmem import Unit
else:
    try:
        from nexus._agentmem import Unit
    except ImportError:

        class Unit:
            """Stands in for the class where the compiled part is missing: there are no units then."""


__all__ = ["Unit"]
