"""How far the model is with reading a prompt, as a bar on stderr.

Asks the engine twice a second in a thread of its own. Invariant: nothing is drawn once `stop` returned.
"""

from __future__ import annotations

from contextlib import suppress
from threading import Event, Thread
from types import TracebackType
from typing import TYPE_CHECKING

from nexus.core.errors import NexusError

if TYPE_CHECKING:
    from nexus.engine.child_engine import ChildEngine

_EVERY_SECONDS = 0.5


class Reading:
    """The bar, from entering until `stop` or leaving."""

    def __init__(self, engine: ChildEngine) -> None:
        self._engine = engine
        self._done = Event()
        self._thread = Thread(target=self._watch, name="reading", daemon=True)

    def __enter__(self) -> Reading:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """The first word has come."""
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("reading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
            task = None
            while not self._done.wait(_EVERY_SECONDS):
                with suppress(NexusError):  # only the bar stands still
                    for done, total in self._engine.reading():
                        if task is None:
                            task = bars.add_task("reading", total=total)
                        bars.update(task, completed=done, total=total)
