"""What a search may look at: by project, domain, place, time and validity.

`Filter` is what a caller says, in the caller's terms; `Scope` (`nexus.cortex.indexer`) is the same in
the index's terms. Knows nothing of either side's storage.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import get_args

from nexus.core import clock
from nexus.core.errors import InvalidInputError
from nexus.cortex.indexer import Scope
from nexus.cortex.ledger import FOREVER, ObjectKind
from nexus.cortex.memory import Domain, Memory, moment


@dataclass(frozen=True, slots=True)
class Filter:
    """Restrictions of a search; the defaults let everything pass that is valid now.

    `project` is the absolute folder of a project: things of other projects are left out, things of
    none stay. `path` is a file or a folder. `after` and `before` bound when a thing was changed or
    said. `valid_at` asks for what was valid at another moment than now.
    """

    project: str = ""
    domain: str = ""
    path: str = ""
    after: datetime | None = None
    before: datetime | None = None
    valid_at: datetime | None = None
    include_expired: bool = False

    def __post_init__(self) -> None:
        if self.domain and self.domain not in get_args(Domain):
            raise InvalidInputError(
                f"unknown domain {self.domain!r}", hint=f"one of {', '.join(get_args(Domain))}"
            )
        if self.after and self.before and self.after >= self.before:
            raise InvalidInputError(
                f"nothing lies after {self.after.isoformat()} and before {self.before.isoformat()}",
                hint="swap the two times",
            )

    def scope(self, kind: ObjectKind) -> Scope:
        """The same for an index. Only memories can be superseded; all else is valid while it is there."""
        then = self.valid_at or clock.now()
        ends = kind == "memory" and not self.include_expired
        return Scope(
            kind=kind,
            project=self.project,
            domain=self.domain,
            path=self.path.rstrip("/") or self.path,
            after=int(self.after.timestamp()) if self.after else 0,
            before=int(self.before.timestamp()) if self.before else FOREVER,
            at=int(then.timestamp()) if ends else -1,
        )

    def passes(self, memory: Memory, path: Path) -> bool:
        """Whether a memory that lies at `path` is let pass."""
        folder = self.path.rstrip("/")
        if folder and str(path) != folder and folder not in map(str, path.parents):
            return False
        if self.project and memory.project not in ("", self.project):
            return False
        if self.domain and memory.domain != self.domain:
            return False
        if (self.after or self.before) and memory.updated:
            changed = moment(memory.updated)
            if (self.after and changed < self.after) or (self.before and changed >= self.before):
                return False
        return self.include_expired or memory.valid_at(self.valid_at or clock.now())
