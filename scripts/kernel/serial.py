"""What a guest says on its serial line: results, figures, and the complaints of its kernel.

A guest prints `NEXUS-KERNEL name: ok|FAIL text` and `figure name value unit`. Everything else is the kernel's
log or a program's chatter, searched for what a kernel says when it has caught itself in a fault.
Knows no QEMU. Invariant: a run is good only if it was said to be, in full: an end that is not there is a failure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

RESULT = re.compile(r"NEXUS-KERNEL (?P<name>[\w./+-]+): (?P<word>ok|FAIL)\b ?(?P<text>.*)")
FIGURE = re.compile(r"\bfigure (?P<name>[\w./-]+) (?P<value>-?\d+(?:\.\d+)?) (?P<unit>\S+)")
SPLATS = re.compile(
    r"\bBUG: |\bWARNING: |\bKernel panic|\bOops: |\bgeneral protection fault|\bKASAN: |\bKCSAN: |\bUBSAN: "
    r"|\bkernel BUG at|\bUnable to handle kernel|\bunable to handle page fault|INFO: task .* blocked for more"
    r"|\bsuspicious RCU usage|rcu.*detected stalls|\bpossible (?:circular|recursive|irq) lock"
    r"|\binconsistent lock state|\binvalid wait context|\bheld lock freed|\block held when returning"
    r"|\blist_(?:add|del) corruption|\brefcount_t: |\bsoft lockup|\bhard LOCKUP|\bBad page state|\bBad page map"
    r"|\bunreferenced object 0x|\bscheduling while atomic|\bcut here\b|Objects remaining in|\bMemory leak"
)
END = "end"  # the name of the last result
EXPECTED_TAINT = 1 << 12 | 1 << 13  # a module from outside, without a signature
TAINT = "kernel_taint"


@dataclass
class Report:
    """What one run said."""

    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)  # "name: text"
    figures: dict[str, tuple[float, str]] = field(default_factory=dict)
    splats: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # of results that are ok: "name: text"

    def problems(self, expected: Iterable[str]) -> list[str]:
        """Why the run is no good; empty when it is. `expected`: names that must have been ok."""
        found = [f"kernel: {line}" for line in self.splats]
        found += [f"FAIL {line}" for line in self.failed]
        told = {*self.passed, *(line.split(":")[0] for line in self.failed)}
        found += [f"{name}: said nothing" for name in [*expected, END] if name not in told]
        taint, _ = self.figures.get(TAINT, (0.0, ""))
        if int(taint) & ~EXPECTED_TAINT:
            found.append(f"kernel: tainted, {int(taint):#x}")
        return found


def read(lines: Iterable[str]) -> Report:
    """Sort what a guest said. Lines may end with a carriage return and hold a result behind other text."""
    report = Report()
    for raw in lines:
        line = raw.strip()
        result = RESULT.search(line)
        if result:
            name, text = result["name"], result["text"]
            if result["word"] == "ok":
                report.passed.append(name)
                if text:
                    report.notes.append(f"{name}: {text}")
            else:
                report.failed.append(f"{name}: {text}")
            continue
        figure = FIGURE.search(line)
        if figure:
            report.figures[figure["name"]] = (float(figure["value"]), figure["unit"])
        elif SPLATS.search(line):
            report.splats.append(line)
    return report
