"""What a run of the bench was asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nexus.cortex.evaluation.report import OnProgress, Section


@dataclass(frozen=True, slots=True)
class Options:
    """`data` is the folder with the judged sets (or one LoCoMo file), `models` the one with weights.

    `quick` searches 10,000 chunks instead of 100,000; `kills` is how often the writer is killed.
    """

    data: Path
    models: Path
    quick: bool = False
    kills: int = 20

    def folder(self, *names: str) -> Path | None:
        """The folder below `data` that directly holds files of all these names; None when none does."""
        if not self.data.is_dir():
            return None
        for path in sorted(self.data.rglob(names[0])):
            if all((path.parent / name).is_file() for name in names):
                return path.parent
        return None

    def named(self, path: Path) -> str:
        """A path as reports say it: as seen from the data folder, for that is somewhere else tomorrow."""
        return str(path.relative_to(self.data)) if self.data.is_dir() else path.name


Measure = Callable[[Options, OnProgress], Section]
