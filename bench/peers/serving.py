"""The peer's side of the talk: calls come as JSON lines, answers go back with what they took.

Imports nothing but the standard library, because it runs in the environments of others.

    {"call": "write", "with": {"passages": [...]}}  ->  {"gave": ..., "wall": seconds, "cpu": seconds}

`cpu` is of this process with all its threads. What a library prints goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypedDict


class Passage(TypedDict):
    """`scope` is what a question looks at: one conversation, or "" for everything."""

    id: str
    scope: str
    text: str


class Peer(Protocol):
    """What an adapter makes of a library."""

    def write(self, passages: list[Passage]) -> None:
        """Store them so that they are found when this returns."""

    def ask(self, question: str, scope: str, depth: int) -> list[str]:
        """The ids of the passages of `scope` that answer best, best first, at most `depth`."""


def memory() -> dict[str, float]:
    """MB that this process holds now, and the most that it held."""
    fields = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line
    )
    return {
        "now": int(fields["VmRSS"].split()[0]) * 1024 / 1e6,
        "most": int(fields["VmHWM"].split()[0]) * 1024 / 1e6,
    }


def serve(make: Callable[[Path, Path], Any]) -> None:
    """Answer until stdin ends; `make` gets the folder of models and an empty one to work in."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    peer: Any = None
    for line in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            asked = json.loads(line)
            if peer is None:
                peer = make(Path(sys.argv[1]), Path(sys.argv[2]))
            does = memory if asked["call"] == "memory" else getattr(peer, asked["call"])
            gave = does(**asked.get("with", {}))
            told = {"gave": gave, "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        except Exception as error:
            traceback.print_exc()
            told = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(told) + "\n")
        answers.flush()
