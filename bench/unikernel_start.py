"""From nothing to the end of "hi", in each backend: one sandbox, one from a warm pool, as many as go.

    python bench/unikernel_start.py [--rounds 40] [--seconds 5] [--backend NAME]... [--json FILE]

Rounds take every backend in turn (A B A B), because others work on the machine. Told are

    python     `Sandbox.run("print('hi')")`: process made, guest booted, run, read and reaped; ms
    c          the same of a C program that prints one line, by `run_image`; ms
    warm       `Pool.run` of the same Python, with a guest that waits; ms
    per second starts of `Sandbox.run` in as many threads as there are cores, for --seconds
    cpu        processor time of this process and its children for each of these starts; ms

The image is the one in NEXUS_HOME (`nexus unikernel build`). Goals: SPEC.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import record

from nexus.unikernel import backends, builder
from nexus.unikernel.pool import Pool
from nexus.unikernel.result import Result
from nexus.unikernel.sandbox import Sandbox, run_image
from nexus.unikernel.tender import Backend

ROOT = Path(__file__).resolve().parents[1]
CODE = "print('hi')"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--backend", choices=backends.ORDER, action="append")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    names = working(args.backend or list(backends.ORDER))
    hello = builder.build_c(ROOT / "native" / "libos" / "apps" / "hello.c")
    sandboxes = {name: Sandbox(name) for name in names}
    cases: dict[str, dict[Backend, Callable[[], Result]]] = {
        "python": {name: lambda s=sandbox: s.run(CODE) for name, sandbox in sandboxes.items()},  # type: ignore[misc]
        "c": {name: lambda n=name: run_image(hello, backend=n) for name in names},  # type: ignore[misc]
    }
    took: dict[Backend, dict[str, list[float]]] = {
        name: {"python": [], "c": [], "warm": []} for name in names
    }
    for _ in range(args.rounds):
        for case, runs in cases.items():
            for name, run in runs.items():
                took[name][case].append(timed(run))
    for name in names:
        # As long between two runs as a guest takes to start: the pool is to be warm.
        pause = 2 * statistics.median(took[name]["python"]) / 1e3
        with Pool(sandboxes[name], size=4) as pool:
            pool.warm(60)
            for _ in range(args.rounds):
                time.sleep(pause)
                took[name]["warm"].append(timed(lambda p=pool: p.run(CODE)))  # type: ignore[misc]
    results = {}
    head = ("python p50", "min", "c p50", "min", "warm p50", "min", "per s", "cpu")
    print(f"{'':10}" + "".join(f"{name:>11}" for name in head))
    for name in names:
        rate, cpu = throughput(sandboxes[name], args.seconds)
        rows = {case: summary(values) for case, values in took[name].items()}
        results[name] = rows | {"starts_per_second": rate, "cpu_ms": cpu}
        p, c, w = (rows[case] for case in ("python", "c", "warm"))
        cells = (p["p50"], p["min"], c["p50"], c["min"], w["p50"], w["min"], rate, cpu)
        print(f"{name:10}" + "".join(f"{cell:11.2f}" for cell in cells))
    record.write({"unit": "ms", "sizes": sizes(hello.elf), "backends": results}, args.json)


def working(names: list[Backend]) -> list[Backend]:
    """Those that work here; the others are named with their reason."""
    looks = {name: backends.tender(name).preflight() for name in names}
    for name, look in looks.items():
        print(f"{name}: {look.detail}{'' if look.works else ' (left out) ' + look.mend}", file=sys.stderr)
    return [name for name, look in looks.items() if look.works]


def timed(run: Callable[[], Result]) -> float:
    began = time.perf_counter()
    result = run()
    took = 1e3 * (time.perf_counter() - began)
    if not result.ok:
        raise RuntimeError(f"the run failed: {result}")
    return took


def summary(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {"min": ordered[0], "p50": statistics.median(ordered), "p90": ordered[len(ordered) * 9 // 10]}


def throughput(sandbox: Sandbox, seconds: float) -> tuple[float, float]:
    """Starts per second on all cores, and the processor's milliseconds for each."""
    end, counts = time.monotonic() + seconds, []

    def work() -> None:
        done = 0
        while time.monotonic() < end:
            timed(lambda: sandbox.run(CODE))
            done += 1
        counts.append(done)

    before, began = sum(os.times()[:4]), time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(os.cpu_count() or 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took, cpu = time.monotonic() - began, sum(os.times()[:4]) - before
    return sum(counts) / took, 1e3 * cpu / max(1, sum(counts))


def sizes(hello: Path) -> dict[str, int]:
    """Bytes of what is booted."""
    image = builder.python_image()
    library = image.library.stat().st_size if image.library else 0
    return {
        "python_elf": image.elf.stat().st_size,
        "python_library": library,
        "c_hello_elf": hello.stat().st_size,
    }


if __name__ == "__main__":
    main()
