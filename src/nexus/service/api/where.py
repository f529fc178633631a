"""What a request may say about where to look: a project, a place, a time.

Turns the words of a request into `Filter`; knows nothing of any route. Invariant: a path that is not
absolute is refused, for the service's own working folder means nothing to a client.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from nexus.core.errors import InvalidInputError
from nexus.cortex.filters import Filter
from nexus.cortex.memory import moment


class WhereBody(BaseModel):
    """Restrictions of a search. Times are ISO days or times, UTC unless they name a zone.

    `project` is the absolute folder of a project: what belongs to others is left out. `all` lets
    memories pass that were superseded or have ended.
    """

    model_config = ConfigDict(extra="forbid")
    project: str = Field(default="", max_length=4096)
    domain: str = Field(default="", max_length=40)
    path: str = Field(default="", max_length=4096)
    after: str = Field(default="", max_length=40)
    before: str = Field(default="", max_length=40)
    all: bool = False

    def filter(self) -> Filter:
        """The same for Cortex. Raises `InvalidInputError` naming the value that cannot be used."""
        return Filter(
            project=folder(self.project),
            domain=self.domain,
            path=str(absolute(self.path)) if self.path else "",
            after=moment(self.after) if self.after else None,
            before=moment(self.before) if self.before else None,
            include_expired=self.all,
        )


def absolute(path: str) -> Path:
    """A path with its links resolved, as documents are stored. Raises `InvalidInputError`."""
    if not path.startswith("/") or "\0" in path:
        raise InvalidInputError(f"{path!r} is not an absolute path", hint="start with /")
    return Path(path).resolve()


def folder(path: str) -> str:
    """The absolute folder of a project, links as they are; "" for none. Raises `InvalidInputError`."""
    if path:
        absolute(path)
    return path.rstrip("/") or path
