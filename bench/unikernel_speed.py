"""How fast Python runs in a guest, beside CPython on the same machine in the same minutes.

    python bench/unikernel_speed.py [--rounds 7] [--backend NAME]... [--json FILE]

Each case is the same source in both, and takes its own time, so that no start is in it. Rounds take everybody
in turn (A B A B); told are the best of each, because others work on the machine, and the ratio to CPython's.
Goal: fib(25) within 1.5 times CPython under kvm and spt (SPEC.md).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import record
from unikernel_start import working

from nexus.unikernel import backends
from nexus.unikernel.limits import Limits
from nexus.unikernel.sandbox import Sandbox

CASES = {
    "fib(25)": """
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)
def case():
    return fib(25)
""",
    "loop": """
def case():
    total = 0
    for i in range(300000):
        total += i * 3 % 7
    return total
""",
    "strings": """
def case():
    return len(",".join(str(i) for i in range(50000)).split(","))
""",
    "dict": """
def case():
    found = {}
    for i in range(50000):
        found[str(i)] = i
    return sum(found.values())
""",
    "sort": """
def case():
    return sorted((i * 7919) % 100003 for i in range(50000))[0]
""",
    "floats": """
def case():
    x = 0.0
    for i in range(200000):
        x += (i * 0.5) ** 0.5
    return int(x)
""",
}
TIMED = """
{source}
case()
began = {clock}()
value = case()
print(({clock}() - began) / 1e6, value)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--backend", choices=backends.ORDER, action="append")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    names = working(args.backend or list(backends.ORDER))
    limits = Limits(wall=600, cpu=600)
    best: dict[str, dict[str, float]] = {case: {} for case in CASES}
    for number in range(args.rounds):
        for case, source in CASES.items():
            values = {}
            for name in ("cpython", *names):
                if name == "unicorn" and number:
                    continue  # fifty times slower: once is enough
                took, values[name] = cpython(source) if name == "cpython" else guest(name, limits, source)
                best[case][name] = min(took, best[case].get(name, took))
            if len(set(values.values())) != 1:
                raise RuntimeError(f"{case}: the answers differ: {values}")
    print(f"{'ms':10}{'cpython':>10}" + "".join(f"{name:>10}{'ratio':>8}" for name in names))
    for case, row in best.items():
        ratios = "".join(f"{row[name]:10.1f}{row[name] / row['cpython']:8.2f}" for name in names)
        print(f"{case:10}{row['cpython']:10.1f}{ratios}")
    versions = {"cpython": sys.version.split()[0]}
    record.write({"unit": "ms", "rounds": args.rounds, "best": best, "interpreters": versions}, args.json)


def guest(name: str, limits: Limits, source: str) -> tuple[float, str]:
    code = "import _host\n" + TIMED.format(source=source, clock="_host.monotonic_ns")
    result = Sandbox(name, limits).run(code)  # type: ignore[arg-type]
    if not result.ok:
        raise RuntimeError(f"{name}: {result}")
    took, value = result.stdout.decode().split()
    return float(took), value


def cpython(source: str) -> tuple[float, str]:
    code = "import time\n" + TIMED.format(source=source, clock="time.perf_counter_ns")
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    took, value = done.stdout.split()
    return float(took), value


if __name__ == "__main__":
    main()
