"""What a service acknowledged, as a soak's own books have it, and how each request ended.

Never asks the service anything. Invariants: what was acknowledged stands here before anybody else can know
of it; a value that a failed write may have left counts as good as the one before it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Set
from typing import NamedTuple

ANYTHING = "*"
"""What a file may hold after a write in place that failed."""


class Ended(NamedTuple):
    """One request: when it began (monotonic), what it was, how long it took, and how it ended.

    `outcome` is "ok", "refused: CODE" (with a clear error), "away: WHY" (nobody answered) or "wrong: WHAT".
    """

    at: float
    kind: str
    seconds: float
    outcome: str


class Ledger:
    """Any thread may write."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, dict[str, str]] = {}
        self._begun: dict[str, dict[str, set[str]]] = {}
        self._gone: dict[str, set[str]] = {}
        self.acknowledged: Counter[str] = Counter()
        self.requests: list[Ended] = []

    def begin(self, kind: str, key: str, value: str) -> None:
        """From now on this value may be found, too."""
        with self._lock:
            self._begun.setdefault(kind, {}).setdefault(key, set()).add(value)

    def keep(self, kind: str, key: str, value: str) -> None:
        """Acknowledged: from now on this value and no other."""
        with self._lock:
            self._kept.setdefault(kind, {})[key] = value
            self._begun.get(kind, {}).pop(key, None)
            self.acknowledged[kind] += 1

    def leaving(self, kind: str, key: str) -> None:
        """From now on it may be gone."""
        with self._lock:
            self._kept.get(kind, {}).pop(key, None)
            self._begun.get(kind, {}).pop(key, None)

    def left(self, kind: str, key: str) -> None:
        """Acknowledged: from now on it must be gone."""
        with self._lock:
            self._gone.setdefault(kind, set()).add(key)
            self.acknowledged[kind] += 1

    def held(self, kind: str) -> dict[str, str]:
        """What was acknowledged last, by key."""
        with self._lock:
            return dict(self._kept.get(kind, {}))

    def expected(self, kind: str) -> dict[str, set[str]]:
        """For each key the values of which one must be found."""
        with self._lock:
            begun = self._begun.get(kind, {})
            return {key: {value, *begun.get(key, ())} for key, value in self._kept.get(kind, {}).items()}

    def gone(self, kind: str) -> set[str]:
        """Keys that must not be found."""
        with self._lock:
            return set(self._gone.get(kind, ()))

    def ended(self, began: float, kind: str, outcome: str) -> None:
        """A request that began at `began` has ended now."""
        with self._lock:
            self.requests.append(Ended(began, kind, time.monotonic() - began, outcome))

    def answered(self) -> Counter[str]:
        """Requests that ended well, by kind."""
        with self._lock:
            return Counter(one.kind for one in self.requests if one.outcome == "ok")


def lost(expected: Mapping[str, Set[str]], found: Mapping[str, str]) -> dict[str, str]:
    """Of what was acknowledged: what is not there, or is something else, by key."""
    return {
        key: found.get(key, "nothing")
        for key, values in expected.items()
        if ANYTHING not in values and found.get(key) not in values
    }
