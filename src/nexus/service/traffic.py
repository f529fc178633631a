"""Which programs talk to the service, through which interface, and what their answers took.

Knows no request's content. Invariants: at most `MOST_PROGRAMS` programs are told apart, whatever names
they give themselves; what is folded together loses its name, never its counts. Kept since the start only.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

Interface = Literal["mcp", "hooks", "anthropic", "openai", "ollama"]
TITLES: Mapping[Interface, str] = {
    "mcp": "MCP",
    "hooks": "Hooks",
    "anthropic": "Anthropic",
    "openai": "OpenAI",
    "ollama": "Ollama",
}
MOST_PROGRAMS = 64
# In the scope of a request: who it is from.
CALLER = "nexus.caller"
OTHERS, NAMELESS = "others", "no name"


@dataclass(frozen=True, slots=True)
class Caller:
    """A program, and the interface it uses."""

    interface: Interface
    program: str


@dataclass(slots=True)
class Seen:
    """What one caller has done. Tokens of prompts, of those the cached ones, and of answers."""

    caller: Caller
    requests: int = 0
    prompt: int = 0
    cached: int = 0
    completion: int = 0
    last: float = 0.0

    def add(self, other: Seen) -> None:
        """Take over what another has counted."""
        self.requests += other.requests
        self.prompt += other.prompt
        self.cached += other.cached
        self.completion += other.completion
        self.last = max(self.last, other.last)


class Traffic:
    """Counters by caller. May be used from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[Caller, Seen] = {}

    def met(self, caller: Caller) -> None:
        """A request of this caller has come."""
        with self._lock:
            self._add(Seen(caller, requests=1, last=self._clock()))

    def took(self, caller: Caller, prompt: int, cached: int, completion: int) -> None:
        """An answer to this caller took so many tokens."""
        with self._lock:
            self._add(Seen(caller, 0, prompt, cached, completion, self._clock()))

    def rows(self) -> list[tuple[Seen, float]]:
        """All callers with the seconds since each was last seen, the latest first."""
        with self._lock:
            now = self._clock()
            known = sorted(self._seen.values(), key=lambda seen: seen.last, reverse=True)
            return [(replace(seen), max(0.0, now - seen.last)) for seen in known]

    def requests(self) -> dict[str, int]:
        """How many requests came through each interface."""
        sums = dict.fromkeys(map(str, TITLES), 0)
        with self._lock:
            for seen in self._seen.values():
                sums[seen.caller.interface] += seen.requests
        return sums

    def _add(self, news: Seen) -> None:
        known = self._seen.get(news.caller)
        if known:
            known.add(news)
            return
        named = [seen for seen in self._seen.values() if seen.caller.program != OTHERS]
        if news.caller.program != OTHERS and len(named) >= MOST_PROGRAMS:
            # Who has been silent for longest gives up its name.
            oldest = min(named, key=lambda seen: seen.last)
            del self._seen[oldest.caller]
            others = Caller(oldest.caller.interface, OTHERS)
            self._seen.setdefault(others, Seen(others)).add(oldest)
        self._seen[news.caller] = news
