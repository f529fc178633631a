"""Section `extractor`: how much of what it proposes to remember is worth it."""

from __future__ import annotations

from nexus.cortex.evaluation.labelled_lines import Half, outcome
from nexus.cortex.evaluation.options import Options
from nexus.cortex.evaluation.report import OnProgress, Row, Section

_HALVES: dict[Half, str] = {"held_out": "held out", "development": "development half"}


def measure(options: Options, on_progress: OnProgress) -> Section:
    """Run it; the lines are part of the package."""
    section = Section("extractor", "Extractor: lines of real sessions, labelled by hand")
    section.data.append("the package's own labelled lines (nexus/cortex/evaluation/data/README.md)")
    for half, name in _HALVES.items():
        on_progress("hearing labelled lines", 0, 0)
        found = outcome(half)
        proposed = f"{found.right} of {found.right + found.wrong} proposals are good"
        section.rows += [
            Row(f"precision, {name}", 100 * found.precision, "%", goal=90.0, note=proposed),
            Row(f"good lines proposed, {name}", 100 * found.found, "%",
                note=f"{found.right} of {found.good}, among {found.lines} lines"),
        ]  # fmt: skip
    section.notes.append(
        "few lines of real work are worth remembering, and few of those are proposed: precision comes first."
        " The counts are small, so no interval is given"
    )
    return section
