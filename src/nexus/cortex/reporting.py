"""What became of each file that was to be taken in, and how far it has come."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

Status = Literal["added", "updated", "unchanged", "removed", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class FileReport:
    """What happened to one file."""

    path: str
    status: Status
    chunks: int = 0
    reason: str = ""
    hint: str = ""
    session: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an `add` has come: files while reading, chunks while embedding."""

    phase: Literal["reading", "embedding"]
    done: int
    total: int
    chunks: int
    path: str


@dataclass(slots=True)
class AddReport:
    """The sum of an `add`."""

    files: list[FileReport] = field(default_factory=list)
    embedded: int = 0
    cancelled: bool = False

    @property
    def counts(self) -> dict[str, int]:
        """How many files had each outcome."""
        return dict(Counter(f.status for f in self.files))
