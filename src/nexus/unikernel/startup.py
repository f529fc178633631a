"""How long the least program takes from start to exit, by each backend.

For a first look on this machine; the figures of SPEC.md are those of bench/unikernel_*.py. Invariant: every
row is of runs made now; a backend that does not work here has its reason instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from nexus.core.errors import NexusError
from nexus.unikernel import backends, fallback
from nexus.unikernel.result import Result

_CODE = 'print("hi")'


@dataclass(frozen=True, slots=True)
class Row:
    """One backend. Seconds; 0 where there is a `problem`."""

    backend: str
    runs: int = 0
    p50: float = 0.0
    least: float = 0.0
    most: float = 0.0
    problem: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measured(runs: int) -> Iterator[Row]:
    """A row for each backend, as soon as it is measured, and one for the fallback."""
    for name in backends.ORDER:
        yield _row(name, runs, _by(name))
    yield _row("bubblewrap", runs, lambda: fallback.run_cpython(_CODE))


def _by(name: Any) -> Callable[[], Result]:
    def once() -> Result:
        from nexus.unikernel.sandbox import Sandbox

        return Sandbox(name).run(_CODE)

    return once


def _row(name: str, runs: int, once: Callable[[], Result]) -> Row:
    try:
        # The first is not counted: it calibrates and fills caches.
        results = [once() for _ in range(runs + 1)][1:]
    except (NexusError, ImportError) as error:
        return Row(name, problem=str(error))
    failed = next((each for each in results if not each.ok or each.stdout != b"hi\n"), None)
    if failed is not None:
        return Row(name, problem=f"it ended ({failed.ending}, status {failed.status}): {failed.detail}")
    seconds = [each.seconds for each in results]
    return Row(name, runs, median(seconds), min(seconds), max(seconds))
