"""Whether a row of figures grows: Theil and Sen's slope with Sen's interval of 95 %."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

_Z = 1.959964  # of 95 %


class Slope(NamedTuple):
    """Change for each unit of x, and the interval that it lies in with 95 %."""

    value: float
    low: float
    high: float


def slope(points: Sequence[tuple[float, float]]) -> Slope | None:
    """The median of the slopes between all pairs: one odd point does not move it. None below four points.

    The points are taken to be independent of each other: give medians of an hour, not each sample.
    """
    found = sorted((b - a) / (y - x) for (x, a), (y, b) in combinations(points, 2) if y != x)
    n = len(points)
    if n < 4 or not found:
        return None
    spread = _Z * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = max(0, math.floor((len(found) - spread) / 2))
    high = min(len(found) - 1, math.ceil((len(found) + spread) / 2))
    return Slope(statistics.median(found), found[low], found[high])
