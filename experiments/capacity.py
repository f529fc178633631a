"""What stays in a memory of so many sets and ways: the grid of V18 and V60.

A row of the configuration is sets, ways, order (1: tokens, 2: pairs) and gate ("rank80": tokens outside the
smallest set of types that make 80 % of the training text; "all"). Every salt of the hash is a run of each
stream.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments import jobs, stream
from experiments.books import Books, books
from experiments.run import spread
from nexus.transformer.rsm.shape import Shape


def gate(read: Books, name: str) -> stream.Bools:
    """bool [streams, tokens]."""
    return read.rare(read.streams) if name == "rank80" else np.ones(read.streams.shape, bool)


def run(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """One run for each row and salt, over all streams."""
    read = books()
    found = jobs.done(config, _one, read)
    rows = {}
    for name, row in config["rows"].items():
        runs = [found[name, salt] for salt in config["salts"]]
        far = runs[0]["by_distance"]
        rows[name] = {
            "recall": spread([recall for each in runs for recall in each["recall"]]),
            "entries": row["sets"] * row["ways"],
            "occupied": spread([float(full) for each in runs for full in each["occupied"]]),
            "writes a stream": runs[0]["writes"] // len(read.streams),
            "keys a stream": runs[0]["distinct"] // len(read.streams),
            "events": runs[0]["events"],
            **{f"{span.partition('-')[0]}+": share for span, share in far.items()},
        }
    return rows


def _one(read: Books, row: dict[str, Any], salt: int) -> dict[str, Any]:
    shape = Shape(sets=row["sets"], ways=row["ways"], key_width=1, value_width=1, payload=0)
    return stream.run(read.streams, gate(read, row["gate"]), shape, order=row["order"], salt=salt)
