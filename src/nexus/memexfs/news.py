"""What the tree's process and the service tell each other beside questions: files that are found differently
now, one way; files whose tags were changed through the tree, the other.

Knows the link and the listings. Invariant: telling never waits; what the service is not there to hear it
learns when it reads the file again.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator
from typing import Protocol

from nexus.memexfs.listings import Listings

_log = logging.getLogger(__name__)
_WAITING = 10_000  # files whose tags were changed, that the service is still to hear of


class Link(Protocol):
    """See `nexus.memexfs.link.LinkFinder`."""

    def news(self, stop: threading.Event) -> Iterator[list[bytes] | None]:
        """Files that are found differently, as they are told; None for "all may be"."""

    def retagged(self, path: bytes) -> None: ...


class News:
    """Two threads, from `start` to `stop`."""

    def __init__(self, link: Link, listings: Listings) -> None:
        self._link, self._listings = link, listings
        self._tagged: queue.Queue[bytes | None] = queue.Queue(_WAITING)
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin to listen, and to tell."""
        for name, work in (("memexfs-news", self._hear), ("memexfs-tags", self._tell)):
            threading.Thread(target=work, name=name, daemon=True).start()

    def stop(self) -> None:
        """They end by themselves, at the latest with the process: one may be waiting for the service."""
        self._stop.set()
        self.retagged(None)

    def retagged(self, path: bytes | None) -> None:
        """The tags of this file were changed."""
        try:
            self._tagged.put_nowait(path)
        except queue.Full:
            _log.warning("the service is not told of the tags of %r", path)

    def _hear(self) -> None:
        for _ in self._link.news(self._stop):
            # Whatever was listed may be listed differently: few things are cheaper than to look again.
            self._listings.drop(lasting=True)

    def _tell(self) -> None:
        while not self._stop.is_set():
            path = self._tagged.get()
            if path is not None:
                self._link.retagged(path)
