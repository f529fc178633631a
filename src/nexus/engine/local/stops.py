"""Finds stop texts in text that arrives in pieces, and never shows a piece of one.

Knows nothing of tokens. Invariant: what was given out plus what is held back is what came in, up to
the first stop text.
"""

from __future__ import annotations

from collections.abc import Sequence


class StopTexts:
    """`push` gives what may be shown; `stopped` is set once a stop text has come whole."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self.stopped = False

    def push(self, text: str) -> str:
        """What may be shown now; nothing after a stop text."""
        if self.stopped:
            return ""
        self._held += text
        places = [(at, stop) for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if places:
            self.stopped = True
            shown, self._held = self._held[: min(places)[0]], ""
            return shown
        keep = self._unsure()
        shown = self._held[: len(self._held) - keep]
        self._held = self._held[len(shown) :]
        return shown

    def flush(self) -> str:
        """The end has come: what was held back was no stop text."""
        shown, self._held = self._held, ""
        return shown

    def _unsure(self) -> int:
        """How many characters at the end may be the beginning of a stop text."""
        longest = max((len(stop) for stop in self._stops), default=0) - 1
        for size in range(min(longest, len(self._held)), 0, -1):
            end = self._held[-size:]
            if any(stop.startswith(end) for stop in self._stops):
                return size
        return 0
