"""Counters stay few, whatever clients send."""

from __future__ import annotations

from nexus.service.metrics import MOST_FIELDS, Metrics


def test_fields_are_counted_by_name_and_never_more_than_promised():
    metrics = Metrics()
    for number in range(1000):
        metrics.unknown_fields(["user", f"field_{number}"])
    unknown = metrics.snapshot().unknown
    assert unknown["user"] == 1000
    assert len(unknown) == MOST_FIELDS
    assert sum(unknown.values()) == 2000
    assert unknown["other"] == 1000 - (MOST_FIELDS - 2)


def test_tokens_and_outcomes():
    metrics = Metrics()
    metrics.tokens(10, 4, 3)
    metrics.tokens(1, 0, 2)
    metrics.answered(ok=True)
    metrics.answered(ok=False)
    metrics.rejected()
    seen = metrics.snapshot()
    assert seen.tokens == {"prompt": 11, "cached": 4, "completion": 5}
    assert (seen.answered, seen.failed, seen.rejected) == (1, 1, 1)
