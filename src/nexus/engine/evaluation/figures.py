"""Small arithmetic of the bench: three figures of a series, the load, room on the disk, text to read."""

from __future__ import annotations

import os
import shutil
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from nexus.core.errors import NotFoundError

Report = Callable[[str], None]


def three(values: Sequence[float], digits: int = 2) -> list[float]:
    """Smallest, median, largest."""
    return [round(value, digits) for value in (min(values), statistics.median(values), max(values))]


def ratio(a: Sequence[float], b: Sequence[float]) -> float:
    """Of the medians."""
    return round(statistics.median(a) / statistics.median(b), 3)


def load() -> float:
    """What the machine did in the last minute, in busy cores; ours included."""
    return round(os.getloadavg()[0], 1)


def free_bytes(folder: Path) -> int:
    """Of the disk that a folder lies on."""
    return shutil.disk_usage(folder).free


def rss_bytes() -> int:
    """Of this process, with what it maps."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    raise NotFoundError("/proc/self/status has no VmRSS")


def text(book: Path | None) -> str:
    """What is read to the models: `book`, or the language reference that comes with Python."""
    if book is not None:
        return book.read_text(encoding="utf-8", errors="replace")
    try:
        from pydoc_data import topics
    except ImportError as error:
        raise NotFoundError(
            "this Python comes without its language reference, which the bench reads",
            hint="name a text of 200,000 words or more instead",
        ) from error
    return "\n\n".join(topics.topics[name] for name in sorted(topics.topics))
