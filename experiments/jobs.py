"""Runs of an experiment side by side: NEXUS_JOBS of them at once, by default one a core.

Knows nothing of what runs. Invariant: what comes back does not depend on how many run at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

Job = tuple[str, int]  # a row and a salt


def done(config: dict[str, Any], work: Callable[..., Any], *given: Any) -> dict[Job, Any]:
    """`work(*given, row, salt)` of each row and salt of the configuration."""
    workers, found = int(os.environ.get("NEXUS_JOBS", os.cpu_count() or 1)), {}
    with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
        started = {
            pool.submit(work, *given, row, salt): (name, salt)
            for name, row in config["rows"].items()
            for salt in config["salts"]
        }
        for future in as_completed(started):
            found[started[future]] = future.result()
            print(f"  {started[future]}", flush=True)
    return found
