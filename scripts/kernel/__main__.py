"""`python3 -m scripts.kernel`: test the kernel module, or feed its ioctls random calls, in QEMU.

    python3 -m scripts.kernel                     both kernels of Debian, all tests: `make test-kernel`
    python3 -m scripts.kernel --series 6.12       one of them
    python3 -m scripts.kernel --part harsh        of each, only the machine with little memory
    python3 -m scripts.kernel --fuzz 600 --seed 7 the fuzzer alone, ten minutes
    python3 -m scripts.kernel --tree build/kernel/debug-kasan    a kernel built by scripts/kernel/debug.sh

Ends with 0 when all is well, or when something is missing, which it says; with --strict the latter is 1.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from scripts.kernel import machine, packages
from scripts.kernel.build import BuildError
from scripts.kernel.packages import META, Kernel, MissingError
from scripts.kernel.serial import TAINT
from scripts.kernel.suite import ROOT, Outcome, Suite, build_all


def main() -> int:
    """Run what was asked for; the exit status."""
    parser = argparse.ArgumentParser(prog="test-kernel", description="test the kernel module in QEMU")
    parser.add_argument("--series", action="append", choices=META, help="a kernel of Debian; both without")
    parser.add_argument(
        "--flavour", choices=["cloud", ""], default="cloud", help="of Debian's kernels; '': all drivers"
    )
    parser.add_argument("--tree", type=Path, help="boot the kernel built in this tree instead")
    parser.add_argument("--source", type=Path, default=ROOT, help="the tree that holds native/agentmem/kmod")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "build" / "kernel", help="where things are made"
    )
    parser.add_argument("--part", choices=["plain", "harsh"], help="one of the two machines")
    parser.add_argument("--fuzz", type=int, metavar="SECONDS", help="the fuzzer alone")
    parser.add_argument("--seed", type=int, default=1, help="of the fuzzer and of the stress test")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="machines at a time (2)")
    parser.add_argument("--strict", action="store_true", help="what is missing is a failure")
    parser.add_argument("--verbose", action="store_true", help="show the serial line")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _stop)
    started = time.monotonic()
    bad = 0
    try:
        watch = (lambda line: print(f"  | {line}", flush=True)) if options.verbose else None
        source = options.source.resolve()
        suites = [Suite(kernel, options.folder, source, watch) for kernel in _kernels(options)]
        build_all(suites)
        print(f"test-kernel: built after {time.monotonic() - started:.0f} s", flush=True)
        work = [(suite.kernel, name, run) for suite in suites for name, run in _machines(suite, options)]
        # Most of a boot is one processor's work: two machines at a time on two processors.
        pool = ThreadPoolExecutor(max_workers=options.jobs)
        try:
            outcomes = [(kernel, name, pool.submit(run)) for kernel, name, run in work]
            for kernel, name, outcome in outcomes:
                bad += _show(kernel, name, outcome.result())
        finally:
            pool.shutdown(cancel_futures=True)
    except MissingError as error:
        print(f"test-kernel: skipped: {error}", flush=True)
        return 1 if options.strict or bad else 0
    except BuildError as error:
        print(f"test-kernel: {error}", file=sys.stderr)
        return 1
    print(f"test-kernel: {'FAILED' if bad else 'ok'} after {time.monotonic() - started:.0f} s")
    return 1 if bad else 0


def _stop(*_: object) -> None:
    machine.end_all()
    sys.exit(143)


def _machines(suite: Suite, options: argparse.Namespace) -> Iterator[tuple[str, Callable[[], Outcome]]]:
    if options.fuzz:
        yield "fuzz", partial(suite.fuzz, options.fuzz, options.seed)
        return
    if options.part != "harsh":
        yield "plain", suite.plain
    if options.part != "plain":
        yield "harsh", partial(suite.harsh, seed=options.seed)


def _kernels(options: argparse.Namespace) -> Iterator[Kernel]:
    if options.tree:
        yield packages.own_kernel(options.tree)
        return
    for series in options.series or META:
        yield packages.debian_kernel(series, options.folder, options.flavour)


def _show(kernel: Kernel, name: str, outcome: Outcome) -> int:
    """Print what a machine gave; 1 when it was not good."""
    boot, report = outcome.boot, outcome.report
    up = "never up" if boot.up_s is None else f"up after {boot.up_s:.1f} s"
    print(
        f"== Linux {kernel.release}, {name}: {up}, {boot.wall_s:.1f} s in all, {boot.cpu_s:.1f} s CPU; "
        f"{len(report.passed)} results ok, {len(outcome.problems)} problems"
    )
    for figure, (value, unit) in report.figures.items():
        if figure != TAINT:
            print(f"   {figure:32} {value:14,.2f} {unit}")
    for note in report.notes:
        if note.startswith(("faults-absent", "fuzz-enough", "stress-enough", "pressure-", "unload-hammered")):
            print(f"   {note}")
    for problem in outcome.problems:
        print(f"   PROBLEM {problem}")
    if outcome.problems:
        print("   the end of its serial line:")
        for line in boot.lines[-40:]:
            print(f"   | {line}")
    sys.stdout.flush()
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
