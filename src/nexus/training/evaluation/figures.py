"""Mean and standard deviation over runs.

Knows nothing of what was measured. Invariant: of one run the deviation is not 0 but unknown.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """`runs` without those that are NaN: where nothing could be measured."""

    runs: tuple[float, ...]

    @classmethod
    def of(cls, runs: Iterable[float]) -> Figure:
        """NaN runs are left out."""
        return cls(tuple(float(run) for run in runs if not math.isnan(run)))

    @property
    def mean(self) -> float:
        """NaN without runs."""
        return statistics.fmean(self.runs) if self.runs else math.nan

    @property
    def sd(self) -> float:
        """NaN with fewer than two."""
        return statistics.stdev(self.runs) if len(self.runs) > 1 else math.nan

    def shown(self, form: str = "{:.2f}", scale: float = 1.0) -> str:
        """`mean ± sd`; `-` where there is none."""
        if not self.runs:
            return "-"
        text = form.format(self.mean * scale)
        return text if math.isnan(self.sd) else f"{text} ± {form.format(self.sd * scale)}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON: null where it is unknown."""
        return {
            "mean": None if math.isnan(self.mean) else self.mean,
            "sd": None if math.isnan(self.sd) else self.sd,
            "runs": list(self.runs),
        }
