"""Writes the table of docs/reference/benchmarks.md from bench/results/peers.json; a test compares.

Usage: PYTHONPATH=bench python -m peers.page [--check]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peers.rows import Row

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "benchmarks.md"
RESULTS = ROOT / "bench" / "results" / "peers.json"
BEGIN, END = "<!-- peers: scripts/bench.sh peers -->", "<!-- end of peers -->"
HEAD = "| what is measured | ours | peer | theirs | | command | on |\n|---|---|---|---|---|---|---|"
_WORDS = 5  # of a command in a cell
Json = Mapping[str, Any]


def verdict(row: Row) -> str:
    """Won, lost or even, and by how much."""
    times = f"{row.ratio:.2f}" if row.ratio < 10 else f"{row.ratio:,.0f}"
    ratio = f"{times} times" if row.ratio != float("inf") else ""
    said = f"**{row.verdict}**" if row.verdict == "lost" else row.verdict
    return f"{said}, {ratio}" if ratio else said


def machines(comparisons: Json) -> dict[str, str]:
    """A letter for each machine, in the order of the table."""
    found: dict[str, str] = {}
    for one in comparisons.values():
        if "machine" in one:
            found.setdefault(_machine(one["machine"]), chr(ord("A") + len(found)))
    return found


def table(comparisons: Json) -> str:
    """All rows, then what is behind them."""
    letters = machines(comparisons)
    lines, notes, missing = [HEAD], [], []
    for name, one in comparisons.items():
        if "missing" in one:
            missing.append(f"- {name}: {one['missing']}")
            continue
        for raw in one["rows"]:
            row = Row.of_json(raw)
            what = f"{row.what} ({row.note})" if row.note else row.what
            cells = (what, row.ours, row.peer, row.theirs, verdict(row), f"`{_short(one['command'])}`")
            lines.append("| " + " | ".join((*cells, letters[_machine(one["machine"])])) + " |")
        versions = ", ".join(f"{package} {version}" for package, version in one["versions"].items())
        note = f": {one['note']}" if one["note"] else ""
        whole = f"; `{one['command']}`" if _short(one["command"]) != one["command"] else ""
        notes.append(
            f"- **{name}**{note}. {versions}; {one['when'][:10]}, commit {one['commit']}, load "
            f"{one['machine']['load'][0]:.0f}{whole}."
        )
    rows = [Row.of_json(raw) for one in comparisons.values() for raw in one.get("rows", ())]
    count = {word: sum(row.verdict == word for row in rows) for word in ("won", "even", "lost")}
    parts = [
        f"{len(rows)} rows: " + ", ".join(f"{number} {word}" for word, number in count.items()) + ".",
        "\n".join(lines),
        "\n".join(f"{letter}: {machine}." for machine, letter in letters.items()),
        "\n".join(notes),
    ]
    if missing:
        parts.append("Not measured:\n\n" + "\n".join(missing))
    return "\n\n".join(parts)


def page() -> str:
    """The page as it should be."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    comparisons = json.loads(RESULTS.read_text(encoding="utf-8"))["comparisons"]
    return f"{before}{BEGIN}\n\n{table(comparisons)}\n\n{END}{rest.partition(END)[2]}"


def main() -> int:
    """Write it, or say whether it is fresh."""
    if "--check" in sys.argv:
        if PAGE.read_text(encoding="utf-8") == page():
            return 0
        print(
            f"{PAGE.name} tells other figures than {RESULTS.name}: run python -m peers.page", file=sys.stderr
        )
        return 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


def _short(command: str) -> str:
    """As it fits into a cell; the whole stands below."""
    words = command.split(" ")
    return command if len(words) <= _WORDS else " ".join(words[:_WORDS]) + " ..."


def _machine(machine: Json) -> str:
    memory = f", {machine['memory_gb']} GB" if "memory_gb" in machine else ""
    return f"{machine.get('processor', 'a processor')}, {machine['cores']} cores{memory}, {machine['system']}"


if __name__ == "__main__":
    sys.exit(main())
