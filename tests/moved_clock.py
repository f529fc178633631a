"""A time of day that can be moved under a program while it runs (tests/system/data/clock.c).

The monotonic clock goes on, as it does on a real machine. Knows no service.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

SOURCE = Path(__file__).parent / "system" / "data" / "clock.c"
MISSING = "no C compiler to make a clock with: apt-get install gcc"


class Clock:
    """The time of day that some processes see: the real one, moved. `env` is what such a process is given."""

    def __init__(self, file: Path, library: Path) -> None:
        self._file = file
        self.env = {"LD_PRELOAD": str(library), "MOVED_CLOCK": str(file)}
        self.move(timedelta())

    def move(self, by: timedelta) -> None:
        """From now on it is so much later, or earlier, than it is."""
        with open(self._file, "r+b" if self._file.exists() else "wb", buffering=0) as file:
            file.write(int(by.total_seconds()).to_bytes(8, "little", signed=True))
        self.moved = by

    def now(self) -> datetime:
        """What they see."""
        return datetime.now(UTC) + self.moved


@contextmanager
def made_clock() -> Iterator[Clock | None]:
    """A clock until the context ends; None where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="clock-") as folder:
        library = Path(folder) / "clock.so"
        subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
        yield Clock(Path(folder) / "time", library)
