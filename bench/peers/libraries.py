"""A comparison with a library: its environment, every task that is there, and the rows of the table."""

from __future__ import annotations

from pathlib import Path
from statistics import mean
from typing import Any

from peers import retrieval, tasks
from peers.catalog import LIBRARIES, Library
from peers.environment import weight
from peers.retrieval import Figures, Passages, Say, better_by
from peers.rows import Row, cost

COSTS_OF = "locomo"  # the costs of the other tasks are in the results


class Beside:
    """Cortex on each task, measured when first wanted and once for all libraries of a run."""

    def __init__(self, data: Path, models: Path, say: Say) -> None:
        self.tasks, self._data, self._models, self._say = tasks.find(data), data, models, say
        self._ours: dict[str, tuple[Figures, Passages]] = {}
        self._weight: tuple[int, float] | None = None

    def compare(self, name: str, folder: Path) -> dict[str, Any]:
        """One library on all tasks. Raises `MissingError`, `PeerError`."""
        library = LIBRARIES[name]
        python = library.environment.make(folder)
        if self._weight is None:
            self._weight = retrieval.our_weight()
        rows: list[Row] = []
        figures: dict[str, Any] = {}
        for task in self.tasks.values():
            if library.tasks and task.name not in library.tasks:
                continue
            if task.name not in self._ours:
                self._ours[task.name] = retrieval.ours(task, self._data, self._models, self._say)
            ours, passages = self._ours[task.name]
            forms = retrieval.theirs(library, python, task, passages, self._models, self._say)
            form = retrieval.best(forms, task.decided_by)
            rows.append(_found(library, task, ours, forms[form]))
            if task.name == COSTS_OF or len(self.tasks) == 1:
                rows += _costs(library, ours, forms[form], len(passages))
            sides = {"ours": ours, **{f"theirs, {name}": found for name, found in forms.items()}}
            figures[task.name] = {name: _means(found) for name, found in sides.items()}
        rows.append(_installed(library, self._weight, weight(python)))
        versions = dict(package.split("==") for package in library.environment.packages if "==" in package)
        return {"rows": rows, "versions": versions, "note": library.how, "figures": figures}


def _found(library: Library, task: tasks.Task, ours: Figures, theirs: Figures) -> Row:
    scale = 100 if task.name == "locomo" else 1
    deciding = [figures["scores"][task.decided_by] for figures in (ours, theirs)]
    return Row(
        tasks.TITLES[task.name],
        _shown(ours, task, scale),
        library.named,
        _shown(theirs, task, scale),
        (mean(deciding[0]), mean(deciding[1])),
        "more",
        better_by(*deciding),
    )


def _costs(library: Library, ours: Figures, theirs: Figures, count: int) -> list[Row]:
    titles = {
        "write cpu s": (f"Writing these {count:,} passages, CPU", "s"),
        "question cpu ms": ("A question to them, CPU, median", "ms"),
        "memory mb": ("Memory of the process, most", "MB"),
    }
    return [cost(title, unit, ours[key], library.named, theirs[key]) for key, (title, unit) in titles.items()]


def _means(figures: Figures) -> Figures:
    scores = {name: round(mean(values), 4) for name, values in figures["scores"].items()}
    return {**figures, "scores": scores}


def _shown(figures: Figures, task: tasks.Task, scale: int) -> str:
    means = [scale * mean(figures["scores"][measure]) for measure in task.measures]
    if scale == 100:
        return ", ".join(f"{value:.1f}" for value in means) + " %"
    return ", ".join(f"{value:.3f}".removeprefix("0") for value in means)


def _installed(library: Library, ours: tuple[int, float], theirs: tuple[int, float]) -> Row:
    return Row(
        "Installed: packages, on disk",
        f"{ours[0]}, {ours[1]:.0f} MB",
        library.named,
        f"{theirs[0]}, {theirs[1]:.0f} MB",
        (ours[1], theirs[1]),
        "less",
        None,
        "ours is all of NexusOS, engine, service and sandboxes too; theirs with what our embedder needs",
    )
