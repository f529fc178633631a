"""Writes the page and the pictures of a soak from bench/results/soak.json; a test compares the page.

Usage: python bench/soak_report.py [--check]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "bench" / "results" / "soak.json"
PAGE = ROOT / "docs" / "reference" / "soak.md"
IMAGES = ROOT / "docs" / "images"
PICTURES = ("soak-memory", "soak-latency", "soak-resources", "soak-writes")
OUTSIDE = "outside"
# What each kind of write is, for the table.
WRITES = {
    "memory": "memories, by MCP and HTTP",
    "forgotten": "memories that were forgotten: none may be back",
    "document": "documents that were added",
    "followed": "documents changed in a followed folder, which nobody announces",
    "file": "files under the mount, written and synced",
    "tag": "tags of files",
    "unit": "units of AgentMem",
    "conversation": "conversations of AgentMem, word for word",
}
# Shown in the picture of latency: one for each interface.
SHOWN = ("memory_save", "hook", "recall", "/v1/chat/completions", "file written", "unit kept")


# What was found behind something that went wrong in a run, by its commit: nothing of it is left out above.
BEHIND = {
    "8eac6b7": (
        "The four wrong answers are the bench's: it gave back the four units that were gone since both "
        "processes of AgentMem had been killed at once, and took the refusal for a fault; now it knows "
        "them.",
        "In another run, of the same day, one conversation was counted as lost: begun seconds before both "
        "processes were killed, and not there afterwards, which the bench read as an empty one.",
        "The service grows with what it stores and while it warms up. Alone, in its own process: 3,000 "
        "questions one after another about 3,000 memories, 208.9 MB after 300, 209.8 MB after 1,500 and "
        "after 3,000.",
        "The disk is mostly what the model keeps of the prompts it has read, so that they are not read "
        "again: alone, 30 chats of 130 tokens take 48 MB, the file growing by 64. At most it may be "
        "`engine.disk_gib`, 8.",
    )
}


def page(found: dict[str, Any]) -> str:
    """The whole page."""
    result = found["results"]
    parts = [
        _head(found, result),
        _episodes(result),
        _memory(result),
        _latency(result),
        _resources(result),
        _writes(result),
        _endings(result),
        *(["\n\n".join(["## Behind it", *BEHIND[found["commit"]]])] if found["commit"] in BEHIND else []),
    ]
    return "\n\n".join(parts) + "\n"


def _head(found: dict[str, Any], result: dict[str, Any]) -> str:
    minutes = result["hours"] * result["minutes_an_hour"]
    machine = found["machine"]
    lost = sum(row["lost"] for row in result["writes"].values())
    checked = sum(row["checked"] for row in result["writes"].values())
    acknowledged = sum(row["acknowledged"] for row in result["writes"].values())
    wrong = len(result["wrong"])
    lines = [
        "# A day in minutes",
        "",
        f"<!-- written by bench/soak_report.py from bench/results/soak.json; commit {found['commit']} -->",
        "",
        f"The whole service, {result['hours']:g} hours of work of five agents in {minutes:g} minutes, with "
        "kills, a full disk and jumps of the clock in between. "
        f"**{acknowledged:,} writes were acknowledged, {checked:,} times one was looked for, {lost} were "
        f"lost**; {result['requests']:,} requests, {wrong} wrong answers.",
        "",
        "It is compressed: the traffic of these minutes, not the passing of a day. What needs hours of real "
        "time (a cache that is emptied each night, a slow drift below the noise of a few minutes) it cannot "
        f"show. {machine['cores']} cores ({machine['processor']}), shared with other work; the load was "
        f"{machine['load'][0]:.0f} when it ended, so times here are no measure of speed.",
        "",
        "```console",
        f"$ python bench/{' '.join(_plain(found['command']))}",
        "```",
        "",
        "The agents: one saves, searches and forgets by MCP and runs Python in the sandbox; one is heard by "
        "its hooks and speaks Anthropic's interface; one talks by OpenAI's, streams, asks; one changes "
        "documents of a followed folder and files under the mount; one keeps units and conversations in "
        "AgentMem. Every sixth hour nobody asks.",
    ]
    for name, why in result["left_out"].items():
        lines += ["", f"Left out: {name}; {why}."]
    return "\n".join(lines)


def _plain(command: Sequence[str]) -> list[str]:
    """Without the place of the results."""
    words = list(command)
    if "--json" in words:
        at = words.index("--json")
        words[at : at + 2] = []
    return words


def _episodes(result: dict[str, Any]) -> str:
    lines = ["## What happened", "", "| hour | what | |", "|---|---|---|"]
    for each in result["episodes"]:
        lines.append(f"| {each['from']:.1f} to {each['to']:.1f} | {each['name']} | {_detail(each)} |")
    return "\n".join(lines)


def _detail(each: dict[str, Any]) -> str:
    detail = each["detail"]
    if "kills" in detail:
        killed = ", ".join(f"{kind} {number}" for kind, number in detail["kills"].items())
        ready = detail["ready_after_seconds"]
        return (
            f"kill -9: {killed}; ready again after {ready['median']} s in the median, {ready['most']} at most"
        )
    if "jumps_hours" in detail:
        jumps = ", ".join(f"{hours:+g}" for hours in detail["jumps_hours"][:-1])
        return f"the time of day was moved to {jumps} hours from the true one, then back"
    if "refused" in detail:
        refused = ", ".join(f"{n} {code}" for code, n in detail["refused"].items())
        return f"no byte left for {detail['full_seconds']} s; refused: {refused or 'nothing'}"
    answers = ", ".join(f"{n:,} times {code}" for code, n in detail["answers"].items())
    return f"{detail['clients']} clients at once; answered {answers}"


def _memory(result: dict[str, Any]) -> str:
    lines = [
        "## Memory",
        "",
        "![PSS of each process over the day](../images/soak-memory.png)",
        "",
        "Growth of each life that lasted long enough, from the medians of its hours after the first two: "
        "Theil and Sen's slope of PSS in MB an hour of the simulated day, and its interval of 95 %.",
        "",
        "| process | hours | MB at first, at last | MB an hour | of memory in no file |",
        "|---|---|---|---|---|",
    ]
    for kind, row in sorted(result["processes"].items()):
        for life in row.get("lives", ()):
            lines.append(
                f"| {kind} | {life['from']:.1f} to {life['to']:.1f} | {life['first_mb']:.0f}, "
                f"{life['last_mb']:.0f} | {_slope(life['slope'])} | {_slope(life['slope_in_no_file'])} |"
            )
    short = {kind: row["most_mb"] for kind, row in result["processes"].items() if not row.get("lives")}
    if short:
        told = ", ".join(f"{kind} {mb:.0f} MB" for kind, mb in sorted(short.items()))
        lines += ["", f"Those that come and go with their work, at most: {told}."]
    return "\n".join(lines)


def _slope(values: Sequence[float]) -> str:
    value, low, high = values
    return f"{value:+.2f} ({low:+.2f} to {high:+.2f})"


def _latency(result: dict[str, Any]) -> str:
    lines = [
        "## Latency",
        "",
        "![median and p99 of each hour](../images/soak-latency.png)",
        "",
        "The whole day, episodes too, in ms: the median of the hours' medians, and the worst hour's p99.",
        "",
        "| request | answered | median | worst p99 |",
        "|---|---|---|---|",
    ]
    for kind, hours in sorted(result["latency"].items()):
        if hours:
            medians = sorted(row[2] for row in hours)
            answered = sum(row[1] for row in hours)
            worst = max(row[3] for row in hours)
            lines.append(f"| {kind} | {answered:,} | {medians[len(medians) // 2]:,.0f} | {worst:,.0f} |")
    return "\n".join(lines)


def _resources(result: dict[str, Any]) -> str:
    disk = [mb for _, mb in result["disk"]]
    return "\n".join(
        [
            "## Open files, threads, disk",
            "",
            "![open files, threads and disk over the day](../images/soak-resources.png)",
            "",
            f"The home took {disk[0]:.0f} MB of its disk at first and {disk[-1]:.0f} at last.",
        ]
    )


def _writes(result: dict[str, Any]) -> str:
    lines = [
        "## Writes",
        "",
        "![writes that were looked for after each episode](../images/soak-writes.png)",
        "",
        f"Compared {len(result['checks'])} times with a ledger that the service never sees, while the agents "
        "rested.",
        "",
        "| what | acknowledged | looked for | lost |",
        "|---|---|---|---|",
    ]
    for kind, row in result["writes"].items():
        acknowledged = f"{row['acknowledged']:,}" if kind != "forgotten" else "(of the memories)"
        lines.append(f"| {WRITES[kind]} | {acknowledged} | {row['checked']:,} | {row['lost']} |")
    unwritten = {kind: n for row in result["checks"] for kind, n in row.get("unwritten", {}).items()}
    if unwritten:
        told = " and ".join(f"{number} {kind}s" for kind, number in sorted(unwritten.items()))
        lines += [
            "",
            f"Not counted as lost: {told} of AgentMem were as they had been up to 15 seconds before both of "
            "its processes were killed in the same instant, which is what a power cut does. It says yes to "
            "a unit before it is on the disk; one of the two killed alone loses nothing ([S109 and S137]"
            "(../../SPEC.md)).",
        ]
    return "\n".join(lines)


def _endings(result: dict[str, Any]) -> str:
    lines = [
        "## How requests ended",
        "",
        "*Refused* is a clear error with a code; *away* is a connection that nobody answered.",
        "",
        "| during | ended |",
        "|---|---|",
    ]
    for name, counts in sorted(result["endings"].items()):
        told = ", ".join(f"{outcome} {number:,}" for outcome, number in counts.items())
        lines.append(f"| {'no episode' if name == OUTSIDE else name} | {told} |")
    if result["wrong"]:
        lines += ["", "Wrong:", ""] + [f"- {' '.join(problem.split())[:300]}" for problem in result["wrong"]]
    return "\n".join(lines)


def pictures(result: dict[str, Any]) -> None:
    """Draw all four."""
    import matplotlib as mpl

    mpl.use("Agg")
    memory, (axes,) = _figure(1)
    _mark(axes, result)
    for kind, row in sorted(result["processes"].items()):
        axes.plot(*_columns(row["points"], 1), label=kind, linewidth=1.2)
    axes.set_yscale("log")
    axes.set_ylabel("MB (PSS)")
    _keep(memory, axes, "soak-memory")

    latency, (middle, late) = _figure(2)
    for axis, column, name in ((middle, 2, "median"), (late, 3, "p99")):
        _mark(axis, result)
        for kind in SHOWN:
            if result["latency"].get(kind):
                axis.plot(*_columns(result["latency"][kind], column), label=kind, linewidth=1.2)
        axis.set_yscale("log")
        axis.set_ylabel(f"ms, {name}")
    _keep(latency, middle, "soak-latency")

    resources, (files, threads, disk) = _figure(3)
    for axis, column, name in ((files, 3, "open files"), (threads, 4, "threads")):
        _mark(axis, result)
        for kind in ("service", "model", "mount", "broker", "learner"):
            if kind in result["processes"]:
                axis.plot(*_columns(result["processes"][kind]["points"], column), label=kind, linewidth=1.2)
        axis.set_ylabel(name)
    _mark(disk, result)
    disk.plot(*_columns(result["disk"], 1), color="black", linewidth=1.2)
    disk.set_ylabel("disk, MB")
    _keep(resources, files, "soak-resources")

    writes, (axes,) = _figure(1)
    _mark(axes, result)
    for kind in WRITES:
        points = [(row["hour"], row["checked"].get(kind, 0)) for row in result["checks"]]
        lost = [(row["hour"], row["lost"].get(kind, 0)) for row in result["checks"]]
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3, linewidth=1.2, label=kind)
        if any(number for _, number in lost):
            axes.plot(
                *zip(*lost, strict=True), marker="x", color="red", linestyle="none", label=f"{kind}, lost"
            )
    axes.set_ylabel("looked for")
    _keep(writes, axes, "soak-writes")


def _figure(rows: int) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 2.2 + 2.2 * rows), layout="constrained")
    return figure, figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]


def _mark(axes: Any, result: dict[str, Any]) -> None:
    """The episodes, as grey bands with their names."""
    for each in result["episodes"]:
        axes.axvspan(each["from"], each["to"], color="grey", alpha=0.25, linewidth=0)
        at = {"x": each["from"], "y": 1.01, "s": each["name"], "fontsize": 6, "rotation": 12}
        axes.text(**at, transform=axes.get_xaxis_transform())


def _columns(points: Sequence[Sequence[float]], column: int) -> tuple[list[float], list[float]]:
    return [row[0] for row in points], [row[column] for row in points]


def _keep(figure: Any, axes: Any, name: str) -> None:
    for axis in figure.axes:
        axis.grid(alpha=0.3)
    figure.axes[-1].set_xlabel("hour of the day")
    axes.legend(fontsize=7, ncols=3, loc="upper left")
    figure.savefig(IMAGES / f"{name}.png", dpi=100, metadata={"Software": None})


def main() -> int:
    found = json.loads(RESULT.read_text(encoding="utf-8"))
    if "--check" in sys.argv:
        if PAGE.read_text(encoding="utf-8") == page(found):
            return 0
        told = f"{PAGE.name} tells other figures than {RESULT.name}: run {Path(__file__).name}"
        print(told, file=sys.stderr)
        return 1
    PAGE.write_text(page(found), encoding="utf-8")
    pictures(found["results"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
