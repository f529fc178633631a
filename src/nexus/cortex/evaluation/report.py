"""What a bench says: rows in sections. Knows neither how a number came about nor how it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from nexus.cortex.evaluation.measures import Interval

OnProgress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is (0: not known)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One number.

    `value` is None where it could not be measured; `note` then says why. `low` and `high` are the 95 %
    interval of a mean over questions. `goal` is a lower bound, or an upper one when `most`. `control`
    marks what the product is compared with.
    """

    what: str
    value: float | None
    unit: str = ""
    low: float | None = None
    high: float | None = None
    goal: float | None = None
    most: bool = False
    control: bool = False
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the goal is met; None where there is no goal or no number."""
        if self.goal is None or self.value is None:
            return None
        return self.value <= self.goal if self.most else self.value >= self.goal

    @classmethod
    def of(cls, what: str, found: Interval, scale: float = 1.0, **more: Any) -> Row:
        """A mean over questions with its interval, times `scale`."""
        return cls(what, found.mean * scale, low=found.low * scale, high=found.high * scale, **more)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "reached": self.reached}


@dataclass(slots=True)
class Section:
    """The rows about one thing, the data they come from, and what a reader must know of them."""

    name: str
    title: str
    rows: list[Row] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def add(self, rows: Iterable[Row]) -> None:
        """More rows."""
        self.rows.extend(rows)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "title": self.title,
            "rows": [row.as_dict() for row in self.rows],
            "data": self.data,
            "notes": self.notes,
            "missing": self.missing,
        }
