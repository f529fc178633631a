"""What merging equal pages (KSM) saves, what ksmd takes for it, and whether the governor would let it run.

    sudo python bench/ksm_profit.py [--agents 8] [--mib 32] [--seconds 60] [--heap 100] [--json FILE]

One after the other, with the settings that `nexus tune` has chosen by its trial: N processes that mark the
same text; the same text, each at another place of its page; pages that are unlike; and four Node processes
with heaps of their own, all of their memory marked as `nexus run --merge` does. Each is measured twice for
so many seconds: while it is merged, and after that, when ksmd only looks. Saved is what the PSS of these
processes fell by, less 64 bytes for each page that the kernel looks after. For the governor's window of ten
minutes the processor time is that of the second measurement, prolonged: a calculation. It contains what ksmd
takes for memory that others have marked (virtual machines), so it is said how much that is.

Turns KSM on by `nexus tune` and puts it back; needs root, and a machine where nobody else uses KSM.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from shutil import which
from typing import Any

import record

from nexus.agentmem.footprint import footprint
from nexus.agentmem.ksm import Ksm, per_second
from nexus.agentmem.ksm_governor import pays
from nexus.agentmem.machine import Machine
from nexus.agentmem.tune import Tune
from nexus.core.settings import AgentsSettings

MIB = 2**20
ITEM = 64  # bytes that the kernel keeps for each page that it looks after
HEAP = """
const wanted = Number(process.argv[1]) * 1048576, heap = [];
let seed = process.pid;
while (process.memoryUsage().heapUsed < wanted)
  for (let i = 0; i < 10000; i++) {
    seed = (seed * 48271) % 2147483647;
    heap.push({ number: seed, name: 'item ' + seed, role: 'tool', list: [seed, i, seed ^ i] });
  }
process.stdin.on('data', () => process.stdout.write(String(heap.length)));
console.log('ready');
"""
MARKS = """
import mmap, os, sys
from nexus.agentmem import merge
kind, size, number = sys.argv[1], int(sys.argv[2]) << 20, int(sys.argv[3])
if kind == "unlike":
    data = os.urandom(size)
else:
    data = b"".join(b"%015d\\n" % line for line in range(size // 16))
    if kind == "shifted":
        data = (b"#" * (16 * number + 5) + data)[:size]
region = merge.copy(data)
print(flush=True)
sys.stdin.read()
"""
# As `nexus run --merge`, without the registration.
MERGE_ALL = """
import ctypes, os, sys
assert ctypes.CDLL(None).prctl(67, 1, 0, 0, 0) == 0
os.execvp(sys.argv[1], sys.argv[1:])
"""


def started(stack: ExitStack, commands: Sequence[Sequence[str]]) -> set[int]:
    """All of them, ready; they end with the stack. Returns their process ids."""
    running = []
    for words in commands:
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        stack.callback(process.wait)
        stack.callback(process.kill)
        running.append(process)
    for process in running:
        assert process.stdout
        if not process.stdout.readline():
            raise SystemExit(f"{process.args!r} has ended")
    return {process.pid for process in running}


def cared_for(pid: int) -> int:
    """Pages of a process that the kernel keeps something for."""
    lines = Path(f"/proc/{pid}/ksm_stat").read_text().splitlines()
    return int(dict(line.split()[:2] for line in lines)["ksm_rmap_items"])


def measured(ksm: Ksm, name: str, commands: Sequence[Sequence[str]], seconds: float) -> dict[str, Any]:
    """One kind of agent, twice."""
    machine = ksm.machine
    machine.write("/sys/kernel/mm/ksm/run", "2")  # nothing is left of what was before
    settings = AgentsSettings()
    with ExitStack() as stack:
        own = started(stack, commands)
        before = footprint(own).pss
        now = ksm.marked()
        marked = sum(one.bytes for one in now if one.pid in own)
        others = sum(one.bytes for one in now) - marked
        machine.write("/sys/kernel/mm/ksm/run", "1")
        seen = [ksm.figures()]
        for _ in range(2):
            time.sleep(seconds)
            seen.append(ksm.figures())
        now = ksm.marked()
        others = max(others, sum(one.bytes for one in now if one.pid not in own))
        profit = before - footprint(own).pss - ITEM * sum(cared_for(pid) for pid in own)
        machine.write("/sys/kernel/mm/ksm/run", "0")
    cpu = [(later.cpu or 0.0) - (before.cpu or 0.0) for before, later in pairwise(seen)]
    window = settings.merge_window_minutes * 60
    prolonged = cpu[1] / seconds * window
    return {
        "what": name,
        "processes": len(commands),
        "marked_mb": round(marked / MIB, 1),
        "others_marked_mb": round(others / MIB, 1),
        "saved_mb": round(profit / MIB, 1),
        "saved_percent": round(100 * profit / marked, 1),
        "ksmd_percent_while_merging": round(100 * cpu[0] / seconds, 2),
        "ksmd_percent_after": round(100 * cpu[1] / seconds, 2),
        "ksmd_seconds_in_ten_minutes": round(prolonged, 2),
        "mb_per_cpu_second": round(per_second(profit, prolonged), 2) if prolonged else None,
        "stays_on": pays(profit, prolonged, window, settings.merge_least_mb),
    }


def main() -> None:
    """Measure, and say it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--agents", type=int, default=8)
    parser.add_argument("--mib", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--heap", type=int, default=100)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    machine = Machine()
    ksm, tune = Ksm(machine), Tune(machine, trial=2.0)
    if os.geteuid() != 0 or machine.read("/sys/kernel/mm/ksm/run") != "0":
        raise SystemExit("needs root, and KSM that nobody uses (/sys/kernel/mm/ksm/run: 0)")
    kinds = [
        (name, [[sys.executable, "-c", MARKS, kind, str(given.mib), str(n)] for n in range(given.agents)])
        for name, kind in (
            ("the same text", "same"),
            ("the same text at other places of its page", "shifted"),
            ("unlike pages", "unlike"),
        )
    ]
    if node := which("node"):
        command = [sys.executable, "-c", MERGE_ALL, node, "-e", HEAP, str(given.heap)]
        kinds.append(("Node agents, all of their memory", [command] * 4))
    else:
        print("no Node agents: node is not installed")
    rows = []
    try:
        tune.apply(["ksm"])
        print("\n".join(tune.told["ksm"]))
        for name, commands in kinds:
            rows.append(measured(ksm, name, commands, given.seconds))
            print(rows[-1], flush=True)
    finally:
        tune.revert()
    record.write(
        {
            "seconds": given.seconds,
            "threshold_mb_per_cpu_second": AgentsSettings().merge_least_mb,
            "trial": tune.told["ksm"],
            "kinds": rows,
        },
        given.json,
    )


if __name__ == "__main__":
    main()
