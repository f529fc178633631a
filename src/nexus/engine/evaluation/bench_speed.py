"""Products beside reads of the same bytes, and whole models beside llama.cpp: tokens a second.

Engines and reads take turns in one run: what the machine gives moves from second to second.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from nexus.core.errors import EngineError
from nexus.engine.evaluation.figures import Report, load, ratio, three
from nexus.engine.evaluation.peer import Peer
from nexus.engine.threads import usable_cores

PACKINGS = ("", "t2", "q4", "q5", "q6", "q8", "f32")  # the first: all of them
_LEAST = 128 << 20  # bytes: less may stay in a cache
_BUSY = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
print(flush=True)
while True:
    pass
"""


def kernels(model: Path, report: Report, *, turns: int = 7) -> list[dict[str, Any]]:
    """Of the model's own matrices, by packing: [min, median, max]."""
    from nexus import _engine

    loaded = _engine.Model(str(model), 1)
    found = []
    for packing in PACKINGS:
        bench = _engine.WeightBench(loaded, packing)
        if packing and bench.bytes < _LEAST:
            continue
        for threads in sorted({1, usable_cores()}):
            loaded.threads = threads
            bench.multiply(1)
            reads, products = [], []
            for _ in range(turns):
                reads.append(bench.bytes / bench.read() / 1e9)
                products.append(bench.bytes / bench.multiply(1) / 1e9)
            shares = [product / read for product, read in zip(products, reads, strict=True)]
            batch = [bench.weights * 256 / bench.multiply(256) / 1e9 for _ in range(3)]
            found.append(
                {
                    "packing": packing or "all",
                    "threads": threads,
                    "megabytes": bench.bytes >> 20,
                    "read_gb_s": three(reads, 1),
                    "product_gb_s": three(products, 1),
                    "share": three(shares),
                    "gmac_s_256_tokens": three(batch, 1),
                    "load": load(),
                }
            )
            report(
                f"  {packing or 'all'} {threads} threads: {found[-1]['product_gb_s']} GB/s beside reads of"
                f" {found[-1]['read_gb_s']}, {found[-1]['gmac_s_256_tokens']} GMAC/s"
            )
    return found


def beside(
    model: Path, report: Report, *, rounds: int = 5, prompt: int = 512, written: int = 64, busy: bool = True
) -> list[dict[str, Any]]:
    """Ours and llama.cpp with 1 and all threads, and with all while a foreign process keeps one core busy."""
    found = []
    cores = usable_cores()
    cases = [(threads, False) for threads in sorted({1, cores})] + ([(cores, True)] if busy else [])
    for threads, foreign in cases:
        found.append(_case(model, threads, foreign, rounds, prompt, written))
        report(f"  {threads} threads{', a core taken' if foreign else ''}: {_line(found[-1])}")
    alone = next(case for case in found if case["threads"] == 1 and not case["foreign_process"])
    for case in found:
        if case["foreign_process"]:
            case["to_one_thread"] = {
                side: round(case[side]["generated_s"][1] / alone[side]["generated_s"][1], 3)
                for side in ("nexus", "llama.cpp")
                if side in case and side in alone
            }
    return found


def _case(model: Path, threads: int, foreign: bool, rounds: int, prompt: int, written: int) -> dict[str, Any]:
    long = [1000 + index * 7 % 20000 for index in range(prompt)]
    short = long[:128]
    speeds: dict[str, tuple[list[float], list[float]]] = {}
    out: dict[str, Any] = {"threads": threads, "foreign_process": foreign}
    peers = []
    try:
        for kind in ("nexus", "llama.cpp"):
            with _noted(out, kind):
                peers.append(Peer(kind, model, threads))
                peers[-1].generate(short, 4)
        with _taken_core() if foreign else nullcontext():
            for _ in range(rounds):
                for peer in peers:
                    read, wrote = speeds.setdefault(peer.kind, ([], []))
                    read.append(peer.prompt(long))
                    wrote.append(peer.generate(short, written))
        out["load"] = load()
    finally:
        for peer in peers:
            peer.close()
    for kind, (read, wrote) in speeds.items():
        out[kind] = {"prompt_s": three(read, 1), "generated_s": three(wrote, 1)}
    if len(speeds) == 2:
        out["prompt_ratio"] = ratio(speeds["nexus"][0], speeds["llama.cpp"][0])
        out["generated_ratio"] = ratio(speeds["nexus"][1], speeds["llama.cpp"][1])
    return out


@contextmanager
def _noted(out: dict[str, Any], kind: str) -> Iterator[None]:
    """llama.cpp may be missing or refuse the file; that is a result. Ours must run."""
    try:
        yield
    except EngineError as error:
        if kind == "nexus":
            raise
        out[f"{kind} failed"] = str(error)


@contextmanager
def _taken_core(core: int = 0) -> Iterator[None]:
    child = subprocess.Popen([sys.executable, "-c", _BUSY, str(core)], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        yield
    finally:
        child.kill()
        child.wait()


def _line(case: dict[str, Any]) -> str:
    parts = []
    for side in ("nexus", "llama.cpp"):
        if side in case:
            parts.append(
                f"{side} {case[side]['generated_s'][1]} tok/s written, {case[side]['prompt_s'][1]} read"
            )
        else:
            parts.append(str(case.get(f"{side} failed", f"{side} did not run")))
    return "; ".join(parts)
