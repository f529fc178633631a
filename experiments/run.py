"""Run an experiment: python -m experiments.run V18 [V28 ...]

Its folder holds config.toml: question, program (a module of experiments/ with `run(config)`), what it
varies, and the criteria of its verdict. The figures go to results.json with seeds, commit and machine; then
the pages are written again (experiments/index.py).
"""

from __future__ import annotations

import importlib
import math
import os
import statistics
import sys
import tomllib
from pathlib import Path
from typing import Any

from experiments import index
from nexus.core.errors import InvalidInputError, NexusError
from nexus.cortex.evaluation.record import write

HERE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """The folder of `V18`. Raises `InvalidInputError`."""
    found = [path for path in HERE.glob(f"{name}_*") if (path / "config.toml").exists()]
    if len(found) != 1:
        known = ", ".join(sorted(path.parent.name for path in HERE.glob("*/config.toml")))
        raise InvalidInputError(f"no experiment {name}", hint=f"there are {known}")
    return found[0]


def spread(runs: list[float]) -> dict[str, Any]:
    """Mean, standard deviation, least and most of the runs, which stay beside them."""
    return {
        "mean": statistics.fmean(runs),
        "sd": statistics.stdev(runs) if len(runs) > 1 else 0.0,
        "min": min(runs),
        "max": max(runs),
        "runs": runs,
    }


def judged(criterion: dict[str, Any], rows: dict[str, dict[str, Any]]) -> str:
    """`validated`, `refuted` or `inconclusive`: one criterion on the rows."""
    figure = rows[criterion["row"]][criterion["figure"]]
    if "at_least" in criterion:
        return "validated" if figure["mean"] >= criterion["at_least"] else "refuted"
    if "at_most" in criterion:
        return "validated" if figure["mean"] <= criterion["at_most"] else "refuted"
    # More than another row's, run by run: by more than twice the standard error of the differences.
    other = rows[criterion["beats"]][criterion["figure"]]
    differences = [one - two for one, two in zip(figure["runs"], other["runs"], strict=True)]
    mean = statistics.fmean(differences) - criterion.get("by", 0.0)
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    if abs(mean) <= 2 * error:
        return "inconclusive"
    return "validated" if mean > 0 else "refuted"


def verdict(criteria: list[dict[str, Any]], rows: dict[str, dict[str, Any]]) -> str:
    """Refuted if one criterion is, validated if all are."""
    each = {judged(criterion, rows) for criterion in criteria}
    return "refuted" if "refuted" in each else "inconclusive" if "inconclusive" in each else "validated"


def perform(name: str) -> dict[str, Any]:
    """Run it and write what came out."""
    place = folder(name)
    config = tomllib.loads((place / "config.toml").read_text(encoding="utf-8"))
    began = sum(os.times()[:4])
    rows: dict[str, dict[str, Any]] = importlib.import_module(f"experiments.{config['program']}").run(config)
    results = {
        "rows": rows,
        "verdict": verdict(config["criteria"], rows),
        "criteria": [criterion | {"verdict": judged(criterion, rows)} for criterion in config["criteria"]],
        "cpu_seconds": round(sum(os.times()[:4]) - began, 1),
    }
    write(results, place / "results.json")
    return results


def main(names: list[str]) -> int:
    try:
        for name in names:
            print(f"{name}: {perform(name)['verdict']}", flush=True)
            index.write()
    except NexusError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
