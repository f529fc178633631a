"""The figures of a soak: what was sampled and noted, by the hour of its day, small enough to be committed.

Knows no service. Times are hours of the simulated day since its beginning.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from soak_ledger import Ended
from soak_sampler import Sample
from soak_slope import slope

WARM_HOURS = 2.0
"""Of each life: pools and caches fill; what grows after it counts."""
QUIET = "outside"
_POINTS_AN_HOUR = 4
LONG = ("service", "model", "learner", "broker", "mount", "mount supervisor")
"""Processes that live as long as nobody kills them; others come and go with their work."""


class Day:
    """Translates moments of the monotonic clock into hours."""

    def __init__(self, began: float, seconds_an_hour: float) -> None:
        self._began, self._seconds = began, seconds_an_hour

    def hour(self, at: float) -> float:
        return (at - self._began) / self._seconds


def processes(samples: Sequence[Sample], day: Day) -> dict[str, Any]:
    """By kind: points [hour, MB, MB in no file, open files, threads], and its lives with their slopes."""
    kinds: dict[str, dict[float, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for sample in samples:
        kinds[sample.kind][sample.at].append(sample)
    out: dict[str, Any] = {}
    for kind, moments in kinds.items():
        rows = [
            (
                day.hour(at),
                sum(s.pss for s in group),
                sum(s.anonymous for s in group),
                sum(s.files for s in group),
                sum(s.threads for s in group),
                max(group, key=lambda s: s.pss).life,
            )
            for at, group in sorted(moments.items())
        ]
        points = [
            [round(hour, 2), *(round(statistics.median(row[n] for row in some), 1) for n in (1, 2, 3, 4))]
            for hour, some in _bins(rows, _POINTS_AN_HOUR, lambda row: row[0])
        ]
        out[kind] = {"points": points, "most_mb": round(max(row[1] for row in rows), 1)}
        if kind in LONG:
            out[kind]["lives"] = list(_lives(rows))
    return out


def _lives(rows: Sequence[Any]) -> Iterable[dict[str, Any]]:
    """Each life that is long enough to have a slope."""
    by_life: dict[Any, list[Any]] = defaultdict(list)
    for row in rows:
        by_life[row[5]].append(row)
    for life in by_life.values():
        first = life[0][0]
        warm = [row for row in life if row[0] >= first + WARM_HOURS]
        hours = [
            (hour, statistics.median(row[1] for row in some), statistics.median(row[2] for row in some))
            for hour, some in _bins(warm, 1, lambda row: row[0])
            if len(some) > 2
        ]
        whole = slope([(hour, mb) for hour, mb, _ in hours])
        private = slope([(hour, mb) for hour, _, mb in hours])
        if whole and private:
            yield {
                "from": round(first, 2),
                "to": round(life[-1][0], 2),
                "first_mb": round(hours[0][1], 1),
                "last_mb": round(hours[-1][1], 1),
                "slope": [round(value, 3) for value in whole],
                "slope_in_no_file": [round(value, 3) for value in private],
            }


def latency(requests: Sequence[Ended], day: Day) -> dict[str, Any]:
    """By kind and hour: [hour, answered, median, p99, longest], in ms, of those that were answered."""
    out = {}
    for kind in sorted({one.kind for one in requests}):
        good = [one for one in requests if one.kind == kind and one.outcome == "ok"]
        out[kind] = [
            [int(hour), len(some), *(_ms(p, [one.seconds for one in some]) for p in (0.5, 0.99, 1))]
            for hour, some in _bins(good, 1, lambda one: day.hour(one.at))
        ]
    return out


def endings(
    requests: Sequence[Ended], episodes: Sequence[dict[str, Any]], day: Day
) -> dict[str, dict[str, int]]:
    """How requests ended, by the episode they met, or `QUIET`."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for one in requests:
        began, ended = day.hour(one.at), day.hour(one.at + one.seconds)
        met = next((e["name"] for e in episodes if began <= e["to"] and ended >= e["from"]), QUIET)
        word = one.outcome.partition(":")[0]
        found[met][one.outcome if word != "wrong" else "wrong"] += 1
    return {name: dict(counts.most_common()) for name, counts in found.items()}


def disk(points: Sequence[tuple[float, float]], day: Day) -> list[list[float]]:
    """[hour, MB]."""
    rows = [(day.hour(at), mb) for at, mb in points]
    return [
        [round(hour, 2), round(statistics.median(mb for _, mb in some), 1)]
        for hour, some in _bins(rows, _POINTS_AN_HOUR, lambda row: row[0])
    ]


def _ms(share: float, seconds: list[float]) -> float:
    ordered = sorted(seconds)
    return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)


def _bins(rows: Sequence[Any], an_hour: int, hour: Callable[[Any], float]) -> list[tuple[float, list[Any]]]:
    """Rows of the same part of an hour, under its beginning."""
    found: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        found[int(hour(row) * an_hour)].append(row)
    return [(number / an_hour, found[number]) for number in sorted(found)]
