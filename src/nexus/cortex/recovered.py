"""Recovered and Verified: what opening a store repaired, and how its parts agree."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Recovered:
    """What opening found and repaired."""

    points_added: int
    points_removed: int
    memories_indexed: int
    problems: tuple[str, ...]
    half_written: int = 0  # files that a killed process was writing, removed

    def with_points(self, added: int, removed: int) -> Recovered:
        """And so many more points."""
        return replace(
            self,
            points_added=self.points_added + added,
            points_removed=self.points_removed + removed,
        )


@dataclass(frozen=True, slots=True)
class Verified:
    """How files, ledger and index agree. `problems` are sentences; empty when all is well."""

    points: int
    missing: int
    unembedded: int
    stale: int
    problems: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is to be repaired."""
        return not (self.missing or self.unembedded or self.stale or self.problems)
