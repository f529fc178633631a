"""How far a long command is: a bar on a terminal, a line now and then where stderr is none.

Knows nothing of what is done. Invariant: nothing goes to stdout, and nothing is drawn after `end`.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Final

from nexus.cli import output

_EVERY_SECONDS: Final = 10.0


class Progress:
    """One task at a time; `tell` names it. A context manager."""

    def __init__(self) -> None:
        self._bars: Any = None
        self._task: Any = None
        self._doing = ""
        self._began = self._said = 0.0

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bars

            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[more]}"))
            self._bars = Bars(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def tell(self, doing: str, done: int, of: int, more: str = "") -> None:
        """`done` of `of` of what is done; `more` stands behind it."""
        now = time.monotonic()
        if doing != self._doing:
            self._doing, self._began, self._said = doing, now, now
            if self._bars is not None:
                if self._task is not None:
                    self._bars.remove_task(self._task)
                self._task = self._bars.add_task(doing, total=of, more=more)
        if self._bars is not None:
            self._bars.update(self._task, completed=done, total=of, more=more)
        elif now - self._said >= _EVERY_SECONDS:
            self._said = now
            left = (now - self._began) * (of - done) / done if done else 0.0
            parts = [f"{doing}: {done:,} of {of:,}", more, f"{_time(left)} left" if done else ""]
            output.talk(", ".join(part for part in parts if part))

    def note(self, text: str) -> None:
        """A line above the bar."""
        if self._bars is not None:
            self._bars.console.print(text, markup=False, highlight=False)
        else:
            output.talk(text)

    def end(self) -> None:
        """Draw nothing any more."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = self._task = None
        self._doing = ""


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
