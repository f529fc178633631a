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
            return f"{value['mean']:.4g} ± {value['sd']:.2g}"
        return f"{value['mean']:,.0f}"
    if isinstance(value, float):
        return f"{value:.2%}" if value <= 1 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _page(name: str, config: dict[str, Any], record: dict[str, Any] | None) -> str:
    number = name.partition("_")[0]
    given = "".join(
        f"{variable}={'FOLDER' if variable in _FOLDERS else 'FILE'} "
        for variable in config.get("environment", ["NEXUS_DATA"])
    )
    text = [
        f"# {name.replace('_', ' ')}",
        "",
        f"**Question.** {config['question']}",
        "",
        config["about"].strip(),
        "",
        "**Command.**",
        "",
        "```console",
        f"$ {given}python -m experiments.run {number}",
        "```",
        "",
    ]
    if record is None:
        return "\n".join(
            [*text, "Its configuration: [config.toml](config.toml).", "", "**Result.** Not run yet.", ""]
        )
    text += [
        "The configuration is [config.toml](config.toml), every run's figure is in"
        " [results.json](results.json) with seeds, commit and machine.",
        "",
    ]
    results = record["results"]
    figures = config["figures"]
    text += ["**Result.** Mean ± standard deviation over the runs.", ""]
    text += ["| | " + " | ".join(figures) + " |", "|---" * (len(figures) + 1) + "|"]
    for row, values in results["rows"].items():
        said = (_figure(values.get(figure, ""), figure not in config.get("plain", [])) for figure in figures)
        text.append(f"| {row} | " + " | ".join(said) + " |")
    text += ["", f"**Verdict.** {results['verdict']}.", ""]
    for criterion in results["criteria"]:
        text.append(f"- {_said(criterion)}: {criterion['verdict']}")
    if config.get("learnt"):
        text += ["", f"**Learnt.** {config['learnt'].strip()}"]
    return "\n".join([*text, ""])


def _said(criterion: dict[str, Any]) -> str:
    subject = f"{criterion['figure']} of “{criterion['row']}”"
    if "at_least" in criterion:
        return f"{subject} at least {criterion['at_least']}"
    if "at_most" in criterion:
        return f"{subject} at most {criterion['at_most']}"
    by = f" by more than {criterion['by']}" if criterion.get("by") else ""
    return f"{subject} above that of “{criterion['beats']}”{by}, by more than two standard errors"


def main() -> int:
    if "--check" not in sys.argv[1:]:
        write()
        return 0
    stale = [
        path.relative_to(HERE).as_posix()
        for path, text in pages().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if stale:
        print(f"not up to date: {', '.join(stale)}; run: python -m experiments.index", file=sys.stderr)
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
