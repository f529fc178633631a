"""One system-wide switch of a machine: how it stands, and what turning it would bring.

Knows no switch in particular. Invariant: one that cannot be turned says why and has no commands.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Switch:
    """One switch as it is now, and what turning it would bring."""

    name: str
    now: str
    good: bool  # it is as agents need it
    brings: str
    commands: tuple[str, ...] = ()  # what `apply` does, as a shell would
    cannot: str = ""  # why it cannot be turned here
    notes: tuple[str, ...] = ()  # what was measured, and what became of it


def not_in_this_kernel(name: str, brings: str) -> Switch:
    """A switch that the kernel was built without."""
    return Switch(name, "not in this kernel", False, brings, cannot="the kernel was built without it")
