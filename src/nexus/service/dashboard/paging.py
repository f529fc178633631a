"""Long lists a page at a time: which rows a page holds. Knows neither the rows nor how they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Query

PageNumber = Annotated[int, Query(ge=0, le=10_000_000)]


@dataclass(frozen=True, slots=True)
class PageOf:
    """Which rows of `total` a page shows, counted from 0."""

    number: int
    size: int
    total: int

    @property
    def first(self) -> int:
        """The first row that is shown."""
        return self.number * self.size

    @property
    def last(self) -> int:
        """The row behind the last one that is shown."""
        return min(self.first + self.size, self.total)

    @property
    def more(self) -> bool:
        """Whether rows follow."""
        return self.last < self.total


def last_page(total: int, size: int) -> int:
    """The number of the last page: some rows may be gone since a page was asked for."""
    return max(0, (total - 1) // size)
