"""`recent/`: `today/`, `week/` and `month/`, the files that were changed since midnight, in the last seven
days and in the last thirty.

Knows nothing of who changed them. Invariant: nothing below here changes or removes a file; `mv` to a real
folder moves the real file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from nexus.memexfs.results import LISTED, Results
from nexus.memexfs.virtual import Fixed, Scene

_DAY_NS = 86_400 * 10**9


def midnight_ns() -> int:
    """When today began here, in nanoseconds since 1970."""
    today = time.localtime()
    return int(time.mktime((*today[:3], 0, 0, 0, *today[6:8], -1))) * 10**9


class Recent(Results):
    """Files changed since a moment, the latest first."""

    def __init__(self, scene: Scene, path: bytes, since: Callable[[], int]) -> None:
        super().__init__(scene, path)
        self._since = since

    def ask(self) -> Sequence[bytes]:
        return [row.path for row in self.scene.store.recent(self._since(), LISTED + 1)]


def recent(scene: Scene, path: bytes) -> Fixed:
    """The folder `recent/`."""
    spans: dict[bytes, Callable[[], int]] = {
        b"today": midnight_ns,
        b"week": lambda: time.time_ns() - 7 * _DAY_NS,
        b"month": lambda: time.time_ns() - 30 * _DAY_NS,
    }
    return Fixed(
        scene, path, [(name, Recent(scene, path + b"/" + name, since)) for name, since in spans.items()]
    )
