"""What the processes of one mount hand to each other: descriptors, and what was agreed with the kernel.

A supervisor starts workers with it, and a worker whose supervisor died starts the next supervisor with it.
Knows neither. Invariant: whoever holds an `Inherited` of a living process can go on with the mount.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final

from nexus.core.errors import InvalidInputError
from nexus.memexfs.session import Negotiated

VARIABLE: Final = "MEMEXFS_INHERITED"


@dataclass(frozen=True, slots=True)
class Inherited:
    """`fuse` is the mount; `log` the tree's memfd and `table` the workers', both empty at first;
    `alive` the end of a pipe: a worker's is for reading and ends with its supervisor.

    `passthrough` is what was wanted, not what the kernel can. `again`: a worker served before. `command`
    starts a worker, `home` and `point` are whole paths.
    """

    fuse: int
    log: int
    table: int
    alive: int
    minor: int
    flags: int
    passthrough: bool
    again: bool
    home: str
    point: str
    command: tuple[str, ...]

    @property
    def negotiated(self) -> Negotiated:
        """What the process before this one agreed on with the kernel."""
        return Negotiated(self.minor, self.flags)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Those that the next process needs open."""
        return self.fuse, self.log, self.table, self.alive

    def environment(self, alive: int | None = None) -> dict[str, str]:
        """Our environment with this in it; with another end of a pipe where one is given."""
        given = self if alive is None else replace(self, alive=alive)
        return {**os.environ, VARIABLE: json.dumps(asdict(given))}


def inherited(environment: Mapping[str, str] = os.environ) -> Inherited:
    """What this process was started with. Raises `InvalidInputError` where it was not started for a mount."""
    text = environment.get(VARIABLE, "")
    try:
        fields = json.loads(text)
        return Inherited(**{**fields, "command": tuple(fields["command"])})
    except (ValueError, TypeError, KeyError):
        raise InvalidInputError(
            f"{VARIABLE}={text!r} describes no mount", hint="mount by `nexus mount FOLDER`"
        ) from None
