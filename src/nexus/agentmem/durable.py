"""Attaching to durable agents that exist, for who moves them and is none of them.

Invariant: looking at an agent leaves it as it was, its importance and its pause included.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nexus.agentmem.errors import InvalidUnitError, UnitNotFoundError
from nexus.agentmem.store import Store
from nexus.core.errors import ConfigError


def durable_agents(realm: str, socket: Path | None = None) -> dict[str, dict[str, Any]]:
    """The figures of every durable agent of this realm, by name."""
    with Store.connect(socket, realm=realm, agent=f"nexus-look-{os.getpid()}") as store:
        rows = store.agents()
    return {row["name"]: row for row in rows if row["realm"] == realm and row["durable"]}


def durable_names(realm: str) -> list[str]:
    """The names of this realm's durable agents, sorted. Raises `ConfigError` where there is none."""
    names = sorted(durable_agents(realm))
    if not names:
        raise ConfigError(f"no durable agent in the realm {realm!r}", hint="name another with --realm")
    return names


@contextmanager
def attached(realm: str, name: str, socket: Path | None = None) -> Iterator[Store]:
    """A store as this durable agent. Raises `UnitNotFoundError`, `InvalidUnitError`."""
    with Store.connect(socket, realm=realm, agent=f"nexus-look-{os.getpid()}") as store:
        rows = [row for row in store.agents() if row["realm"] == realm and row["name"] == name]
    if not rows:
        raise UnitNotFoundError(
            f"there is no agent {name!r} in the realm {realm!r}",
            hint="`nexus agents stored` lists them; --realm names another realm",
        )
    row = next((row for row in rows if row["durable"]), None)
    if row is None:
        raise InvalidUnitError(
            f"agent {name!r} is not durable: what it has ends with its process and cannot be moved",
            hint="connect it with durable=True",
        )
    with Store.connect(socket, realm=realm, agent=name, durable=True, importance=row["importance"]) as store:
        try:
            yield store
        finally:
            if row["state"] == "paused":
                store.agent.pause()


@contextmanager
def arriving(realm: str, name: str, importance: int, socket: Path | None = None) -> Iterator[Store]:
    """A store as this durable agent, made where there is none; then only what arrives makes it stay."""
    known = durable_agents(realm, socket).get(name)
    kept = known["importance"] if known is not None else importance
    with Store.connect(socket, realm=realm, agent=name, durable=True, importance=kept) as store:
        yield store
