"""Fits the weights of turns in nexus.cortex.fusion, and says what they are worth on talks not fitted.

    python bench/fit_weights.py --data LOCOMO.json [--models FOLDER] [--json FILE]

Every question goes through the product (`nexus.cortex.evaluation.evidence`). The weights maximise the
likelihood of the evidence among the candidates; held out means fitted on the other conversations.
Prints what section `locomo` of `nexus bench cortex` prints, the same for weights rounded as they are
published, how much evidence the candidates hold at all, and the table for fusion.py.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import record

from nexus.cortex import fusion
from nexus.cortex.evaluation.bench_locomo import rows, turns
from nexus.cortex.evaluation.evidence import ask, fitted, held_out, store
from nexus.cortex.evaluation.locomo import find, load
from nexus.cortex.evaluation.measures import interval, recall
from nexus.cortex.evaluation.product import default_embedders, temporary
from nexus.cortex.evaluation.report import Row

STEP = 0.05
"""The published weights are multiples of this."""


def say(doing: str, done: int, total: int) -> None:
    """A line now and then."""
    if total and done % max(1, total // 5) == 0:
        print(f"{doing}: {done} of {total}", flush=True)


def show(row: Row) -> None:
    """A row in percent, with its interval."""
    sure = "" if row.low is None or row.high is None else f"({row.low:.1f} - {row.high:.1f})"
    print(f"{row.what:<62} {'-' if row.value is None else f'{row.value:.1f}':>6} {sure}")


def main() -> None:
    """Ask, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a LoCoMo file, or a folder with some")
    parser.add_argument("--models", type=Path, default=Path("build/models"))
    parser.add_argument("--json", type=Path, help="write the results here, too")
    options = parser.parse_args()
    conversations = load(find(options.data))
    with temporary(default_embedders(options.models)) as (product, _):
        answers = ask(product, conversations, store(product, conversations, say), say)
    found = list(rows(answers))
    published = fitted(answers, step=STEP)
    if len(conversations) > 1:
        by_rounded = {id(a): order for a, order in zip(answers, held_out(answers, step=STEP), strict=True)}
        found += turns("fitted, rounded, held out", answers, lambda a: by_rounded[id(a)], {})
    held = interval([recall(a.candidates, a.question.evidence, len(a.candidates)) for a in answers])
    found.append(Row.of("evidence among the candidates", held, 100, unit="%"))
    for row in found:
        show(row)
    changed = {
        name: (fusion.WEIGHTS["transcript"].get(name, 0.0), round(weight, 2))
        for name, weight in published.items()
        if abs(weight - fusion.WEIGHTS["transcript"].get(name, 0.0)) > STEP / 2
    }
    print("table for fusion.py, fitted to all:", {name: round(w, 2) for name, w in published.items()})
    print("weights that fusion.py has otherwise (there, here):", changed or "none")
    record.write({"rows": [row.as_dict() for row in found], "weights": published}, options.json)


if __name__ == "__main__":
    main()
