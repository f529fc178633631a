"""`python3 -m scripts.kernel.stats FILE`: is this the text of agent memory's figures, as documented?

One reader for what the broker, the module's and the system calls' /proc/agent_stats print. The names and
their order are those of docs/formats/agentmem-stats.md, which is read: page and test cannot differ.
Knows no machine. Invariant: what is returned was read in full; a line of another form is a FormatError.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "formats" / "agentmem-stats.md"
HEADINGS = ["PID", "STATE", "IMPORTANCE", "UNITS", "LOGICAL", "SHARED", "PRIVATE", "REALM/AGENT"]
STATES = ("active", "idle", "paused", "killed")
MARK = "agent_stats| "  # what a guest puts before each line, so that it is found on the serial line


class FormatError(Exception):
    """A line that the format has not."""


@dataclass(frozen=True)
class Agent:
    """One agent's line."""

    pid: int
    state: str
    importance: int
    units: int
    logical: int
    shared: int
    private: int
    name: str  # realm and agent


@dataclass(frozen=True)
class Figures:
    """The whole text."""

    totals: dict[str, float]  # in the order of the lines
    agents: list[Agent]


def documented() -> list[str]:
    """The names of the manual's table, in its order."""
    section = PAGE.read_text().split("## As text")[1]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


def parse(text: str) -> Figures:
    """Read the text; FormatError where it is another."""
    head, _, rest = text.partition("\n\n")
    totals: dict[str, float] = {}
    for line in head.splitlines():
        words = line.split()
        if len(words) != 2 or not re.fullmatch(r"\d+\.\d\d" if words[0] == "Ratio" else r"\d+", words[1]):
            raise FormatError(line)
        totals[words[0]] = float(words[1])
    headings, *lines = rest.splitlines() or [""]
    if headings.split() != HEADINGS:
        raise FormatError(headings)
    return Figures(totals, [_agent(line) for line in lines])


def differences(text: str) -> list[str]:
    """What is not as the manual says; empty when all is."""
    try:
        figures = parse(text)
    except FormatError as error:
        return [f"not a line of it: {error}"]
    found = []
    if list(figures.totals) != documented():
        found.append(f"names {' '.join(figures.totals)}, but documented are {' '.join(documented())}")
        return found
    is_ = figures.totals
    if is_["HotBytes"] + is_["WarmBytes"] + is_["ColdBytes"] != is_["StoredBytes"]:
        found.append("the tiers do not add up to StoredBytes")
    ratio = is_["LogicalBytes"] / is_["StoredBytes"] if is_["StoredBytes"] else 1.0
    if abs(is_["Ratio"] - ratio) > 0.00501:
        found.append(f"Ratio is {is_['Ratio']}, not {ratio:.4f}")
    found += [f"shared and private of {a.name}" for a in figures.agents if a.shared + a.private != a.logical]
    return found


def marked(lines: Sequence[str]) -> str:
    """The text that a guest printed with the mark before each line."""
    return "".join(line.split(MARK, 1)[1] + "\n" for line in lines if MARK in line)


def _agent(line: str) -> Agent:
    words = line.split(maxsplit=7)
    if len(words) != 8 or words[1] not in STATES or not all(w.isdigit() for w in (words[0], *words[2:7])):
        raise FormatError(line)
    pid, importance, units, logical, shared, private = (int(w) for w in (words[0], *words[2:7]))
    return Agent(pid, words[1], importance, units, logical, shared, private, words[7])


def main() -> int:
    """Judge one file; the exit status."""
    text = Path(sys.argv[1]).read_text() if len(sys.argv) == 2 else sys.stdin.read()
    found = differences(text)
    for line in found:
        print(f"agent_stats: {line}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
