"""Whether what a page shows is what came: line by line, but for what differs from run to run.

Each shown line has to come, in the order shown; a page may leave lines out. What varies is made equal on
both sides: colours and bars, ids, dates, times of day, ports of ours, where the home and the clone lie, and
numbers that count or measure something (a number with a unit or a noun behind it). All other numbers have to
come as they are shown. Of what a model writes only the form is compared: some words, sources of a kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Za-z0-9]|[=>])")
_VARIES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), with_)
    for pattern, with_ in (
        (r"MEM-\d{4}-\d\d-\d\d-\d{3}-[0-9a-f]{8}", "MEM-ID"),
        (r"NEW-[0-9a-f]{10}\b", "NEW-ID"),
        (r"#token=[\w-]+", "#token=TOKEN"),
        (r"\b[0-9a-f]{32,64}\b", "HASH"),
        (r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d[:-]\d\d(?:[:-]\d\d(?:\.\d+)?)?Z?)?", "DATE"),
        (r"\b\d\d:\d\d(?::\d\d)?\b", "TIME"),
        (r"\bprocess \d+", "process N"),
        (r"\blines? \d+(?:-\d+)?", "lines N"),
        # What is counted or measured.
        (r"(?<![\w.:-])-?\d[\d,]*(?:\.\d+)?(?:x|(?= ?%|(?: to \d+)? [A-Za-z]))", "N"),
        (r"\bN x\b", "N"),
        (r"\bN (?:B|kB|MB|GB|ms|us|s)\b", "N UNIT"),
    )
)
_SOURCE = re.compile(r"^\s*\[\d+\] (memory |\S)")


@dataclass(frozen=True)
class Places:
    """What stands for the reader's own: the home, the clone and the port of this walk."""

    home: str
    clone: str
    port: int


def seen(text: str) -> list[str]:
    """What a terminal would show of these bytes at the end: no colours, bars as they were last drawn."""
    lines = []
    for raw in _ESCAPE.sub("", text).replace("\r\n", "\n").split("\n"):
        last = [part for part in raw.split("\r") if part.strip()]
        lines.append(last[-1].rstrip() if last else "")
    return lines


def plain(line: str, places: Places) -> str:
    """The line with all that varies made equal."""
    line = line.replace(places.clone, "~/nexusos").replace(places.home, "~").replace("/home/you", "~")
    line = re.sub(rf"(127\.0\.0\.1|localhost):{places.port}\b", r"\1:8000", line)
    for pattern, with_ in _VARIES:
        line = pattern.sub(with_, line)
    return " ".join(line.split())


def missing(shown: list[str], came: str, places: Places) -> list[str]:
    """The shown lines that did not come, in order; empty when all did."""
    lines = [plain(line, places) for line in seen(came)]
    lost = []
    at = 0
    for line in shown:
        wanted = plain(line, places)
        if wanted in ("", "..."):
            continue
        try:
            at = lines.index(wanted, at) + 1
        except ValueError:
            lost.append(line)
    return lost


def malformed(shown: list[str], came: str, places: Places) -> str:
    """Why this is no answer of the form that is shown; empty when it is. Words are the model's affair."""
    lines = [plain(line, places) for line in seen(came)]
    if "Sources" not in lines:
        return "no line 'Sources'"
    if not any(line for line in lines[: lines.index("Sources")]):
        return "no answer above the sources"
    for line in shown:
        if _SOURCE.match(line):
            wanted = re.sub(r"^\[\d+\] ", "", plain(line, places))
            if not any(re.sub(r"^\[\d+\] ", "", other) == wanted for other in lines):
                return f"not among what was read: {line.strip()}"
    return ""
