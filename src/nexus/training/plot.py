"""Pictures: the curve of a training (loss.png of its log.jsonl), and recall over distance.

Knows the log's lines and what became of needles; knows no training and no model. Invariants: the picture is
the old one or the new one; a line that was cut by a kill is passed over, and no points give no picture.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from nexus.core import atomic
from nexus.core.errors import MissingPartError

LOSS: Final = "loss.png"
_SMOOTH: Final = 0.02  # of the steps: what the thick line is the mean of
_BINS: Final = 10  # of the distances, each of as many facts
_CURVES: Final = {
    "on": ("with memory", "tab:blue"),
    "off": ("window alone", "tab:orange"),
    "answers_on": ("answers, with memory", "tab:green"),
    "answers_off": ("answers, window alone", "tab:red"),
}


def lines(log: Path) -> list[dict[str, Any]]:
    """Of each step the last line that was written, in order: a training that was killed repeats some."""
    found: dict[int, dict[str, Any]] = {}
    if not log.exists():
        return []
    for text in log.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
            found[int(line["step"])] = line
        except (ValueError, LookupError, TypeError):
            continue
    return [found[step] for step in sorted(found)]


def draw(log: Path, picture: Path) -> bool:
    """Make or replace `picture`; false where the log has no lines.

    Raises `MissingPartError` without matplotlib, `StorageError`.
    """
    steps = lines(log)
    if not steps:
        return False
    figure, axes = _canvas(picture)
    for name, (label, colour) in _CURVES.items():
        points = [(line["step"], line[name]) for line in steps if _number(line.get(name))]
        if not points or (name == "off" and all(line.get("off") == line.get("on") for line in steps)):
            continue
        at, values = zip(*points, strict=True)
        axes.plot(at, values, color=colour, alpha=0.25, linewidth=0.8)
        smooth = _smoothed(list(values), max(1, round(_SMOOTH * len(values))))
        axes.plot(at, smooth, color=colour, linewidth=1.6, label=label)
    axes.set_xlabel("step")
    axes.set_ylabel("nats a token")
    _keep(figure, axes, picture)
    return True


def distances(
    facts: Mapping[str, Iterable[tuple[int, bool]]], picture: Path, window: int | None = None
) -> bool:
    """Make or replace `picture`: a line for each name, of (tokens since it was said, answered word for word).

    A point is the share of a tenth of the facts, at their median distance. window: a dashed line there. False
    where there are no facts. Raises `MissingPartError` without matplotlib, `StorageError`.
    """
    lines_ = {name: _binned(sorted(found)) for name, found in facts.items()}
    if not any(lines_.values()):
        return False
    figure, axes = _canvas(picture)
    for name, points in lines_.items():
        if points:
            at, shares = zip(*points, strict=True)
            axes.plot(at, shares, marker="o", markersize=3.5, linewidth=1.4, label=name)
    if window:
        axes.axvline(window, color="grey", linestyle="--", linewidth=1, label="window")
    axes.set_xscale("log")
    axes.set_ylim(-3, 103)
    axes.set_xlabel("tokens since it was said")
    axes.set_ylabel("% word for word")
    _keep(figure, axes, picture)
    return True


def _binned(found: list[tuple[int, bool]]) -> list[tuple[float, float]]:
    """Median distance and share in %, of neighbours."""
    points = []
    for part in range(_BINS):
        some = found[part * len(found) // _BINS : (part + 1) * len(found) // _BINS]
        if some:
            points.append((float(some[len(some) // 2][0]), 100 * sum(right for _, right in some) / len(some)))
    return points


def _canvas(picture: Path) -> tuple[Any, Any]:
    """A figure and its axes. Raises `MissingPartError` without matplotlib."""
    try:
        import matplotlib as mpl

        mpl.use("Agg")  # no window, wherever it runs
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingPartError(
            f"{error.name} is not installed, so there is no {picture.name}", hint="pip install matplotlib"
        ) from error
    figure = Figure(figsize=(8, 5), layout="constrained")
    return figure, figure.add_subplot()


def _keep(figure: Any, axes: Any, picture: Path) -> None:
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110)
    atomic.write_bytes(picture, data.getvalue(), mode=0o644)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _smoothed(values: list[float], width: int) -> list[float]:
    """The mean of up to `width` values that end at each."""
    out, total = [], 0.0
    for index, value in enumerate(values):
        total += value - (values[index - width] if index >= width else 0.0)
        out.append(total / min(index + 1, width))
    return out
