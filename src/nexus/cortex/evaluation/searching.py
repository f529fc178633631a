"""A fresh process that opens a store and searches it, so that its time and memory are nobody else's.

    python -m nexus.cortex.evaluation.searching HOME MODELS

Reads questions from stdin, one on a line, and prints one JSON object: milliseconds to open, resident
megabytes before, after opening and after searching, and the milliseconds of CPU of every search with
all threads counted, over everything and within one project of twenty.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from nexus.core.paths import Home
from nexus.cortex.evaluation.product import default_embedders, opened
from nexus.cortex.filters import Filter

_WARM = 5


def main() -> None:
    """Open, search, print."""
    home, models = Path(sys.argv[1]), Path(sys.argv[2])
    questions = [line.strip() for line in sys.stdin if line.strip()]
    embedders = default_embedders(models)
    before = resident()
    started, spent = time.perf_counter(), time.process_time()
    product = opened(Home(home), embedders)
    found: dict[str, Any] = {
        "open_ms": 1000 * (time.perf_counter() - started),
        "open_cpu_ms": 1000 * (time.process_time() - spent),
        "points": product.cortex.indexed(),
        "rss_before_mb": before,
        "rss_open_mb": resident(),
    }
    with product.cortex as cortex:
        scopes = {"all": Filter(), "project": Filter(project="/bench/p7")}
        for question in questions[:_WARM]:
            cortex.recall(question)
        times: dict[str, list[float]] = {name: [] for name in [*scopes, "embedding"]}
        for question in questions:
            spent = time.process_time()
            for embedder in {id(e): e for e in (embedders.documents, embedders.talk)}.values():
                embedder.question(question)
            times["embedding"].append(1000 * (time.process_time() - spent))
            for name, where in scopes.items():
                spent = time.process_time()
                cortex.recall(question, where=where)
                times[name].append(1000 * (time.process_time() - spent))
        found["rss_searched_mb"] = resident()
    print(json.dumps({**found, "cpu_ms": times}))


def resident() -> float:
    """Megabytes of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
