"""The transformer beside its controls: hours of work, so the figures are those its own bench wrote down."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from peers.benches import RESULTS, as_typed
from peers.rows import Row, gain

_NAMES = {
    "one-way": "the same weights, a memory with one place for each fact",
    "lru": "the same weights, the oldest replaced",
    "no-memory": "the same weights, no memory",
    "window": "window alone, trained alike",
    "fifo-knn": "nearest of the last 16,384 tokens, trained alike",
    "direct-mapped": "a slot for each address (seed 001), trained alike",
    "gated-delta": "gated delta rule, trained alike",
    "routed-slots": "routed slots, trained alike",
}


def comparisons() -> Iterator[tuple[str, dict[str, Any]]]:
    """By name: rows, and where, when and by which command they were taken."""
    for path in sorted(RESULTS.glob("transformer-eval-*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        rows = list(_rows(found["results"].get("needle", ())))
        if rows:
            yield (
                f"transformer: {path.stem.partition('eval-')[2]}",
                {
                    "rows": [row.as_json() for row in rows],
                    "command": as_typed(found["command"]),
                    "note": "taken once, not again by this command: hours on a CPU",
                    "versions": found["versions"],
                    **{key: found[key] for key in ("when", "commit", "machine")},
                },
            )


def _rows(needles: list[dict[str, Any]]) -> Iterator[Row]:
    ours = {row["haystack"]: row for row in needles if row["candidate"] == "nexus"}
    for row in needles:
        own = ours.get(row["haystack"])
        if row["candidate"] == "nexus" or own is None:
            continue
        what = f"{row['asked']} UUIDs said once in {row['length']:,} tokens of books, told word for word"
        yield gain(what, "%", own["exact"]["mean"], _NAMES[row["candidate"]], row["exact"]["mean"])
