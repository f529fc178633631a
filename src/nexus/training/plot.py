"""The curve of a training as a picture: loss.png of its log.jsonl.

Knows the log's lines; knows no training. Invariants: the picture is the old one or the new one; a line that
was cut by a kill is passed over, and a log without lines gives no picture.
"""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any, Final

from nexus.core import atomic
from nexus.core.errors import MissingPartError

LOSS: Final = "loss.png"
_SMOOTH: Final = 0.02  # of the steps: what the thick line is the mean of
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
    try:
        import matplotlib as mpl

        mpl.use("Agg")  # no window, wherever it runs
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingPartError(
            f"{error.name} is not installed, so there is no {picture.name}", hint="pip install matplotlib"
        ) from error
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
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
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110)
    atomic.write_bytes(picture, data.getvalue(), mode=0o644)
    return True


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _smoothed(values: list[float], width: int) -> list[float]:
    """The mean of up to `width` values that end at each."""
    out, total = [], 0.0
    for index, value in enumerate(values):
        total += value - (values[index - width] if index >= width else 0.0)
        out.append(total / min(index + 1, width))
    return out
