"""Cortex beside a library: the same passages, questions and embedder; what is found, and what it costs."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import numpy as np
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from nexus.cortex.evaluation.measures import interval
from nexus.cortex.evaluation.product import default_names
from peers.catalog import Library
from peers.environment import weight
from peers.process import ROOT, Running, running
from peers.tasks import Task

_TIMED, _SHOWN = 100, 10  # questions that are timed, and their results
Figures = dict[str, Any]
Say = Callable[[str], None]


class Passages:
    """What both sides store, and what each passage shows of the task."""

    def __init__(self, taken: Sequence[Mapping[str, Any]]) -> None:
        self.shows: dict[str, list[str]] = {passage["id"]: passage["shows"] for passage in taken}
        self._taken = taken

    def __len__(self) -> int:
        return len(self._taken)

    def as_text(self, form: str) -> list[dict[str, str]]:
        """As a peer writes them."""
        return [{"id": p["id"], "scope": p["scope"], "text": p[form]} for p in self._taken]


def ours(task: Task, data: Path, models: Path, say: Say) -> tuple[Figures, Passages]:
    """Cortex on one task, and the passages that it cut."""
    say(f"Cortex: {task.name}")
    with running("cortex", Path(sys.executable), "peers.adapters.cortex", models) as cortex:
        wrote = cortex.call("take", task=task.name, data=str(data.resolve()))
        passages = Passages(cortex.call("passages").gave)
        if task.name == "locomo":
            asked = cortex.call("held_out").gave
            scores = [
                task.score(question, ranking)
                for question, ranking in zip(task.questions, asked["rankings"], strict=True)
            ]
            cpu, wall = asked["cpu"], asked["wall"]
        else:
            scores, cpu, wall = _asked(cortex, task, passages)
        memory = cortex.call("memory").gave
    return _figures(scores, wrote.cpu, wrote.wall, cpu, wall, memory), passages


def theirs(
    library: Library, python: Path, task: Task, passages: Passages, models: Path, say: Say
) -> dict[str, Figures]:
    """A library on one task, by the form of its passages. Raises `PeerError`."""
    documents, talk = default_names()
    embedder = talk if task.name == "locomo" else documents
    found = {}
    for form in library.forms if task.name == "locomo" else ("text",):
        say(f"{library.title}: {task.name}, {form}")
        with running(library.adapter, python, f"peers.adapters.{library.adapter}", models, embedder) as peer:
            wrote = peer.call("write", passages=passages.as_text(form))
            scores, cpu, wall = _asked(peer, task, passages)
            memory = peer.call("memory").gave
        found[form] = _figures(scores, wrote.cpu, wrote.wall, cpu, wall, memory)
    return found


def our_weight() -> tuple[int, float]:
    """Packages that `pip install` of our wheel brings and their MB, with ours."""
    count, size = weight(Path(sys.executable), *brought("nexusos"))
    source = sum(
        path.stat().st_size
        for path in (ROOT / "src").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    return count, size + source / 1e6


def brought(package: str) -> set[str]:
    """The installed packages that this one asks for, those asking for more, and so on; itself among them."""
    found: set[str] = set()
    asked = [(package, "")]
    seen = set(asked)
    while asked:
        name, extra = asked.pop()
        found.add(name)
        for line in requires(name) or ():
            wanted = Requirement(line)
            if wanted.marker and not wanted.marker.evaluate({"extra": extra}):
                continue
            for further in ("", *wanted.extras):
                step = canonicalize_name(wanted.name), further
                if step not in seen:
                    seen.add(step)
                    asked.append(step)
    return found


def better_by(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float]:
    """Where 95 % of the redrawn means of the difference lie, question by question."""
    found = interval(list(np.asarray(ours) - np.asarray(theirs)))
    return found.low, found.high


def best(forms: Mapping[str, Figures], measure: str) -> str:
    """The form with which a library finds most."""
    return max(forms, key=lambda form: float(np.mean(forms[form]["scores"][measure])))


def _asked(
    peer: Running, task: Task, passages: Passages
) -> tuple[list[dict[str, float]], list[float], list[float]]:
    """Scores of every question, and what ten results cost in CPU and in time."""
    scores, cpu, wall = [], [], []
    for number, question in enumerate(task.questions):
        if number < _TIMED:
            timed = peer.call("ask", question=question.text, scope=question.scope, depth=_SHOWN)
            cpu.append(timed.cpu)
            wall.append(timed.wall)
        deep = peer.call("ask", question=question.text, scope=question.scope, depth=task.depth).gave
        scores.append(task.score(question, [passages.shows[name] for name in deep]))
    return scores, cpu, wall


def _figures(
    scores: Sequence[Mapping[str, float]],
    write_cpu: float,
    write_wall: float,
    cpu: Sequence[float],
    wall: Sequence[float],
    memory: Mapping[str, float],
) -> Figures:
    return {
        "scores": {name: [round(score[name], 5) for score in scores] for name in scores[0]},
        "write cpu s": round(write_cpu, 2),
        "write s": round(write_wall, 2),
        "question cpu ms": round(1000 * statistics.median(cpu), 2),
        "question ms": round(1000 * statistics.median(wall), 2),
        "memory mb": round(memory["most"], 1),
    }
