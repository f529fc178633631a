"""Whether something grows: the robust slope of a curve with steps, peaks and holes in it.

Knows nothing of what is measured. Invariant: bounded, whatever has been added: one point a minute, the
smallest of that minute, for two hours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

_MINUTE = 60.0
_MINUTES = 120
# Before this many points nothing is said: what a start takes says nothing about growth.
_FEWEST = 10
_FEWEST_FOR_A_LEAK = 30


class Growth:
    """A curve of megabytes over seconds."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, float]] = deque(maxlen=_MINUTES)
        self._per_hour = 0.0
        self._leaking_above = 0.0

    @property
    def per_hour(self) -> float:
        """Megabytes an hour, by Theil and Sen: the median of the slopes between all pairs of points.

        Up to a quarter of the points may be anything. 0.0 in the first ten minutes.
        """
        return self._per_hour

    def leaks(self, limit: float) -> bool:
        """Whether it has grown faster than `limit` an hour all the time, for half an hour at least.

        All the time: a model that was loaded is one step, and on one of its two sides the curve is flat.
        """
        return self._leaking_above > limit

    def add(self, seconds: float, megabytes: float) -> None:
        """A measurement; `seconds` is monotonic. Of a minute only the smallest is kept: peaks pass."""
        if self._points and seconds - self._points[-1][0] < _MINUTE:
            began, least = self._points[-1]
            self._points[-1] = (began, min(least, megabytes))
            return
        # The last point is complete now; the new one may still get smaller, so it is not counted yet.
        self._judge(list(self._points))
        self._points.append((seconds, megabytes))

    def _judge(self, points: Sequence[tuple[float, float]]) -> None:
        if len(points) < _FEWEST:
            return
        self._per_hour = slope(points) * 3600
        if len(points) >= _FEWEST_FOR_A_LEAK:
            half = len(points) // 2
            parts = slope(points[:half]) * 3600, slope(points[half:]) * 3600
            self._leaking_above = min(self._per_hour, *parts)


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The median of the slopes between all pairs of two points or more with different times."""
    at, values = np.array(points).T
    first, second = np.triu_indices(len(points), 1)
    return float(np.median((values[second] - values[first]) / (at[second] - at[first])))
