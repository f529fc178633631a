"""What folders listed last, so that a name means what the listing that showed it said.

Knows neither files nor questions. Invariant: bounded by folders and by names, the least recently used go
first; what is asked for again is the same answer until it is older than the caller accepts or dropped.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple

FOLDERS = 256
NAMES = 100_000


class Listing(NamedTuple):
    """Names and the path under files/ of each; `notes` is whatever else the folder wants to keep with it.
    `lasting`: what changes elsewhere does not change it; it is an answer given then."""

    names: Mapping[bytes, bytes]
    notes: Any = None
    lasting: bool = False


class Listings:
    """Safe from any thread. Two that ask at once may both make the listing; the later one stays."""

    def __init__(self, folders: int = FOLDERS, names: int = NAMES) -> None:
        # When it was made; None once it was dropped: then it says only which names were given.
        self._kept: OrderedDict[Hashable, tuple[float | None, Listing]] = OrderedDict()
        self._folders, self._names, self._held = folders, names, 0
        self._dropped = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Listing], seconds: float | None) -> Listing:
        """The listing of `key`: a kept one that is at most `seconds` old (None: of any age), or a new one."""
        with self._lock:
            found = self._kept.get(key)
            if found and found[0] is not None and (seconds is None or time.monotonic() - found[0] <= seconds):
                self._kept.move_to_end(key)
                return found[1]
            began = self._dropped
        at = time.monotonic()
        made = make()
        with self._lock:
            # One that was begun before something changed may be wrong already: it is used, not kept.
            if began == self._dropped or made.lasting:
                self._remove(key)
                self._kept[key] = (at, made)
                self._held += len(made.names)
                while len(self._kept) > 1 and (len(self._kept) > self._folders or self._held > self._names):
                    self._remove(next(iter(self._kept)))
        return made

    def last(self, key: Hashable) -> Mapping[bytes, bytes]:
        """The names that were given last, as far as they are remembered; they may be true no more."""
        with self._lock:
            found = self._kept.get(key)
            return found[1].names if found else {}

    def drop(self, *keys: Hashable, lasting: bool = False) -> None:
        """These are to be made anew; without any: all that do not last, or all with `lasting`."""
        with self._lock:
            self._dropped += 1
            for key in keys or [key for key, (_, kept) in self._kept.items() if lasting or not kept.lasting]:
                if key in self._kept:
                    self._kept[key] = (None, self._kept[key][1])

    def _remove(self, key: Hashable) -> None:
        found = self._kept.pop(key, None)
        if found:
            self._held -= len(found[1].names)
