"""The pages of the experiments, made from config.toml and results.json: python -m experiments.index [--check]

Knows nothing of how experiments run. Invariant: no page says anything that its results do not say; what has
not run has no verdict.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
_FOLDERS = ("NEXUS_DATA", "NEXUS_TOKENS")


def pages(here: Path = HERE) -> dict[Path, str]:
    """Every page and its text."""
    made = {}
    lines = [
        "# Experiments",
        "",
        "Written by `python -m experiments.index`. Each page says how it ran; what failed stays. Dated notes:"
        " [LOG.md](LOG.md).",
        "",
        "| | question | verdict | result |",
        "|---|---|---|---|",
    ]
    for path in sorted(here.glob("*/config.toml")):
        config = tomllib.loads(path.read_text(encoding="utf-8"))
        kept = path.with_name("results.json")
        record = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else None
        name = path.parent.name
        said = record["results"]["verdict"] if record else "not run"
        first = _line(config, record["results"]["rows"]) if record else ""
        lines.append(f"| [{name}]({name}/README.md) | {config['question']} | {said} | {first} |")
        made[path.with_name("README.md")] = _page(name, config, record)
    made[here / "INDEX.md"] = "\n".join(lines) + "\n"
    return made


def write(here: Path = HERE) -> None:
    """Write them all."""
    for path, text in pages(here).items():
        path.write_text(text, encoding="utf-8")


def _line(config: dict[str, Any], rows: dict[str, dict[str, Any]]) -> str:
    """The figures of the rows that the configuration puts first."""
    figure = config["figures"][0]
    share = figure not in config.get("plain", [])
    return "; ".join(f"{row} {_figure(rows[row][figure], share)}" for row in config["headline"])


def _figure(value: Any, share: bool) -> str:
    """A number as people read it; what may be a share and lies between 0 and 1 in per cent."""
    if isinstance(value, dict) and "mean" in value:
        if share and 0 <= value["mean"] <= 1.0 and value["max"] <= 1.0:
            return f"{value['mean']:.2%} ± {value['sd'] * 100:.2f}"
        if abs(value["mean"]) < 100:
