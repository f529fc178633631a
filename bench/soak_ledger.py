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
NOTHING = "nothing"


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
        self._when: dict[str, dict[str, list[tuple[float, str]]]] = {}
        self._recent: dict[str, dict[str, set[str]]] = {}
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
            self._recent.get(kind, {}).pop(key, None)
            self._when.setdefault(kind, {}).setdefault(key, []).append((time.monotonic(), value))
            self.acknowledged[kind] += 1

    def recent_may_be_gone(self, kind: str, seconds: float) -> None:
        """What was acknowledged within the last seconds may be gone now, or be as it was before."""
        since = time.monotonic() - seconds
        with self._lock:
            for key in self._kept.get(kind, {}):
                history = self._when[kind][key]
                if history[-1][0] >= since:
                    before = [value for at, value in history if at < since][-1:]
                    late = [value for at, value in history if at >= since]
                    absent = [] if before else [NOTHING]
                    self._recent.setdefault(kind, {})[key] = {*before, *late, *absent}

    def recent(self, kind: str) -> dict[str, set[str]]:
        """What may be found instead of what was acknowledged last, by key."""
        with self._lock:
            held = self._kept.get(kind, {})
            return {key: values for key, values in self._recent.get(kind, {}).items() if key in held}

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
        key: found.get(key, NOTHING)
        for key, values in expected.items()
        if ANYTHING not in values and found.get(key) not in values
    }
