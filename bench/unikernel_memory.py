"""What sandboxes that wait cost in memory: one, and a thousand at once.

    python bench/unikernel_memory.py [--count 1000] [--rounds 3] [--backend kvm] [--backend spt]
        [--json FILE]

The guests are Python interpreters that wait in a pool; `Limits` are the defaults (64 MiB each, touched only
as far as they are used). Told for 1 and for --count of them are

    private    of one tender's process: pages that nobody else has; MB, mean (smaps_rollup)
    pss        of one: shared pages counted by their share; MB, mean
    all        pss of them all, and what this process has grown by; MB
    machine    how much less memory the machine has available with all of them than without: also what the
               kernel keeps for them (page tables, KVM); MB, median of the --rounds and of other work's noise

Goals: SPEC.md.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import record
from unikernel_start import working

from nexus.unikernel.pool import Pool
from nexus.unikernel.sandbox import Sandbox
from nexus.unikernel.tender import Backend

MB = 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backend", choices=("kvm", "spt", "qemu", "unicorn"), action="append")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    results: dict[str, dict[str, dict[str, Any]]] = {}
    print(f"{'MB':10}{'guests':>8}{'private':>10}{'pss':>8}{'all':>10}{'machine':>10}{'seconds':>9}")
    for name in working(args.backend or ["kvm", "spt"]):
        for count in (1, args.count):
            rounds = [measured(name, count) for _ in range(args.rounds)]
            found = {row: statistics.median(each[row] for each in rounds) for row in rounds[0]}
            results.setdefault(name, {})[str(count)] = found | {
                "machine_mb_rounds": [each["machine_mb"] for each in rounds]
            }
            print(
                f"{name:10}{count:8}{found['private_mb']:10.2f}{found['pss_mb']:8.2f}{found['all_mb']:10.1f}"
                f"{found['machine_mb']:10.1f}{found['started_in_s']:9.1f}"
            )
    record.write(results, args.json)


def measured(name: Backend, count: int) -> dict[str, float]:
    """`count` guests that wait, looked at and ended."""
    sandbox = Sandbox(name)
    if not sandbox.run("print('hi')").ok:  # what is needed once, as the image in the page cache
        raise RuntimeError(f"{name} does not run")
    own = psutil.Process()
    before, began, own_before = available(), time.monotonic(), own.memory_info().rss
    with Pool(sandbox, size=count) as pool:
        if not pool.warm(600):
            sys.exit(f"{name}: {count} guests were not started in ten minutes")
        started = time.monotonic() - began
        time.sleep(1)
        after = available()
        grown = own.memory_info().rss - own_before
        each = [memory(child.pid) for child in own.children()]
    if len(each) < count:
        raise RuntimeError(f"{name}: {len(each)} guests are there, not {count}")
    return {
        "private_mb": statistics.mean(private for private, _ in each) / MB,
        "pss_mb": statistics.mean(pss for _, pss in each) / MB,
        "all_mb": (sum(pss for _, pss in each) + grown) / MB,
        "machine_mb": (before - after) / MB,
        "started_in_s": started,
    }


def memory(pid: int) -> tuple[int, int]:
    """Private and proportional bytes of a process."""
    found = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        field, _, rest = line.partition(":")
        found[field] = 1024 * int(rest.split()[0])
    return found["Private_Clean"] + found["Private_Dirty"], found["Pss"]


def available() -> int:
    return int(psutil.virtual_memory().available)


if __name__ == "__main__":
    main()
