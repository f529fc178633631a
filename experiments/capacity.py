"""What stays in a memory of so many sets and ways: the grid of V18 and V60.

A row of the configuration is sets, ways, order (1: tokens, 2: pairs) and gate ("rank80": tokens outside the
smallest set of types that make 80 % of the training text; "all"). Every salt of the hash is a run of each
stream.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments import stream
from experiments.books import Books, books
from experiments.run import spread
from nexus.transformer.rsm.shape import Shape


def gate(read: Books, name: str) -> stream.Bools:
    """bool [streams, tokens]."""
    return read.rare(read.streams) if name == "rank80" else np.ones(read.streams.shape, bool)


def run(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    read, rows = books(), {}
    for name, row in config["rows"].items():
        shape = Shape(sets=row["sets"], ways=row["ways"], key_width=1, value_width=1, payload=0)
        runs = [
            stream.run(read.streams, gate(read, row["gate"]), shape, order=row["order"], salt=salt)
            for salt in config["salts"]
        ]
        rows[name] = {
            "recall": spread([recall for each in runs for recall in each["recall"]]),
            "entries": shape.entries,
            "occupied": spread([float(full) for each in runs for full in each["occupied"]]),
            "writes a stream": runs[0]["writes"] // len(read.streams),
            "keys a stream": runs[0]["distinct"] // len(read.streams),
            "events": runs[0]["events"],
            "by_distance": runs[0]["by_distance"],
        }
        rows[name] |= {
            f"{low}+": runs[0]["by_distance"][f"{low}-{high}"]
            for low, high in zip(
                stream.DISTANCES, (*stream.DISTANCES[1:], read.streams.shape[1]), strict=True
            )
        }
        print(f"  {name}: {rows[name]['recall']['mean']:.4f}", flush=True)
    return rows
