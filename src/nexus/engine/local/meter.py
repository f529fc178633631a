"""What one run of a foreign template has taken so far, and how much it may take.

Knows values, not templates. Invariant: no text, list or object that passes `check` weighs more
than was allowed, so that printing, copying or comparing it ends soon.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from jinja2 import TemplateError

# What a template may make out of nothing, and how often it may repeat what it is given.
ROOM = 1 << 20
GROWTH = 8
MOST_BITS = 4096


class StoppedError(TemplateError):
    """The template took too long or grew too large."""


class Meter:
    """Weights are characters and items, those inside others too. All methods raise `StoppedError`."""

    def __init__(self, seconds: float) -> None:
        self._largest = ROOM
        self._written = self._emitted = 0
        self._known: dict[int, int] = {}
        self._deadline = time.monotonic() + seconds

    def know(self, values: Mapping[str, Any]) -> None:
        """What the template is given, which has to stay alive: it is known by its identity."""
        self._largest = ROOM + GROWTH * self._learn(values)

    def _learn(self, value: Any) -> int:
        if isinstance(value, str | bytes):
            return 1 + len(value)
        if isinstance(value, Mapping):
            weight = 1 + sum(map(self._learn, value.keys())) + sum(map(self._learn, value.values()))
        elif isinstance(value, list | tuple):
            weight = 1 + sum(map(self._learn, value))
        else:
            return 1
        self._known[id(value)] = weight
        return weight

    def step(self) -> None:
        """One more turn of a loop, one more call."""
        if time.monotonic() > self._deadline:
            raise StoppedError("it runs for too long")

    def write(self, text: str) -> str:
        """`text` is part of the result."""
        self.step()
        self._written += len(text)
        self.limit(self._written)
        return text

    def emit(self, value: Any) -> Any:
        """`value`, which is printed somewhere: in the result, or in a text that is only being made."""
        self.check(value)
        if isinstance(value, str):
            self._emitted += len(value)
            self.limit(self._emitted)
        return value

    def limit(self, weight: int) -> None:
        """Refuse what would grow beyond the bound. Raises `StoppedError`."""
        if weight > self._largest:
            raise StoppedError(f"something in it grows beyond {self._largest} characters")

    def check(self, value: Any) -> Any:
        """`value`. What occurs twice in it weighs twice: that is how it would be printed."""
        if isinstance(value, str | bytes):
            self.limit(len(value))
        elif isinstance(value, int):
            if value.bit_length() > MOST_BITS:
                raise StoppedError("a number in it grows too large")
        elif isinstance(value, list | tuple | Mapping | set):
            self.limit(self._weight([value]))
        return value

    def _weight(self, left: list[Any]) -> int:
        weight = 0
        while left:
            value = left.pop()
            weight += 1
            if isinstance(value, str | bytes):
                weight += len(value)
            elif known := self._known.get(id(value)):
                weight += known
            elif isinstance(value, Mapping):
                left.extend(value.keys())
                left.extend(value.values())
            elif isinstance(value, list | tuple | set):
                left.extend(value)
            if weight + len(left) > self._largest:
                break
            if weight % 4096 == 0:
                self.step()
        return weight + len(left)

    def repeat(self, value: Any, times: Any) -> None:
        """`value` is going to be copied `times` times."""
        if isinstance(value, str | bytes | list | tuple) and isinstance(times, int) and times > 0:
            self.limit(self._weight([value]) * times)

    def join(self, parts: Iterable[Any], between: str = "") -> str:
        """The parts as one text."""
        texts = [part if isinstance(part, str) else str(self.check(part)) for part in parts]
        self.limit(sum(map(len, texts)) + len(between) * len(texts))
        return between.join(texts)
