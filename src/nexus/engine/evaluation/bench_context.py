"""What a token costs, and what RAM it takes, when the context is 8k exact, 64k, 256k, 1M tokens.

A model reads 8,192 tokens of text; longer contexts are made out of copies of those blocks, each channel of
each block scaled a little, because reading a million tokens takes hours. What is timed is real: the graph
with its own queries, selection, reads from the disk. Exact and long contexts take turns. It runs in a process
of its own, whose memory is what is reported: weights, page pool, index and all.

    python -m nexus.engine.evaluation.bench_context MODEL FOLDER RAM_BYTES TOKENS... [--book FILE]
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nexus.core.errors import EngineError
from nexus.engine.evaluation.figures import Report, free_bytes, load, rss_bytes, text, three
from nexus.engine.threads import usable_cores

EXACT = 8192
SIZES = (65_536, 262_144, 1_048_576)
RAM_BYTES = 512 << 20
_STEP = 256
_TURNS, _WARM, _TIMED = 3, 8, 24  # tokens written; together with the question they stay in the tail


def measure(
    model: Path,
    report: Report,
    *,
    sizes: Sequence[int] = SIZES,
    ram: int = RAM_BYTES,
    book: Path | None = None,
) -> dict[str, Any]:
    """Times [min, median, max] in ms a token, memory and disk by size. Sizes that the disk has no room for
    are named with the reason."""
    with tempfile.TemporaryDirectory(prefix="nexus-bench-") as folder:
        command = [sys.executable, "-m", __name__, str(model), folder, str(ram), *map(str, sizes)]
        command += ["--book", str(book)] if book is not None else []
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stderr is not None
        try:
            for line in child.stderr:
                report(f"  {line.rstrip()}")
            answer = child.stdout.read()
        finally:
            child.kill()
            child.wait()
    if not answer:
        raise EngineError("the context bench ended without an answer", hint="its last lines say why")
    found: dict[str, Any] = json.loads(answer)
    return found


class _Bench:
    def __init__(self, path: str, folder: str, ram: int, most: int) -> None:
        from nexus import _engine

        self._engine = _engine
        begun = time.perf_counter()
        self.model = _engine.Model(path, usable_cores())
        self.load_seconds = time.perf_counter() - begun
        self._place = (str(Path(folder) / "blocks"), bytes(32), ram)
        self._blocks = most // _engine.PAGE_TOKENS + 64
        self.store = self._open()
        self.sampler = _engine.Sampler(temperature=0.0)
        self.exact = _engine.Context(self.model, self.store, 1 << 22)
        self.long = _engine.Context(self.model, self.store, 1)
        self.known: list[tuple[int, int, int]] = []

    def _open(self) -> Any:
        path, identity, ram = self._place
        return self._engine.Store(path, self.model, identity, ram, self._blocks)

    def read(self, tokens: Sequence[int]) -> None:
        for begin in range(0, len(tokens), _STEP):
            self.model.step([(self.exact, list(tokens[begin : begin + _STEP]), 0)])
        self.known = self.exact.new_blocks()
        self.store.sync()
        self.long.adopt([slot for _, slot, _ in self.known], [mark for _, _, mark in self.known])

    def extend(self, tokens: int) -> None:
        sources = EXACT // self._engine.PAGE_TOKENS
        while self.long.tokens < tokens:
            blocks = min(256, (tokens - self.long.tokens) // self._engine.PAGE_TOKENS)
            self._engine.extend_context(
                self.model, self.store, self.long, blocks, sources, seed=self.long.tokens
            )
            self.known += self.long.new_blocks()
        self.store.sync()
        # As the worker does it: what the index takes, the pages give.
        held = self.exact.ram_bytes + self.long.ram_bytes
        self.store.set_ram(max(self.store.least_ram, self._place[2] - held))

    def write(self, context: Any, first: int) -> list[float]:
        """Seconds of each timed token; the context is then cut back to where it was."""
        begin, seconds, token = context.tokens, [], first
        for number in range(_WARM + _TIMED):
            begun = time.perf_counter()
            logits = self.model.step([(context, [token], 1)])
            token = self.sampler.sample(logits[0])
            if number >= _WARM:
                seconds.append(time.perf_counter() - begun)
        context.truncate(begin)
        return seconds

    def reopen(self) -> float:
        """Seconds from an open model to the first token, in a store that has nothing in RAM."""
        del self.exact, self.long, self.store
        begun = time.perf_counter()
        self.store = self._open()
        self.store.reserve([slot for _, slot, _ in self.known])
        self.long = self._engine.Context(self.model, self.store, 1)
        self.long.adopt([slot for _, slot, _ in self.known], [mark for _, _, mark in self.known])
        self.model.step([(self.long, [1], 1)])
        seconds = time.perf_counter() - begun
        self.long.truncate(self.long.tokens - 1)
        return seconds


def _run(path: str, folder: str, ram: int, sizes: Sequence[int], book: Path | None) -> dict[str, Any]:
    bench = _Bench(path, folder, ram, max([*sizes, EXACT]))
    tokens = [int(token) for token in bench.model.tokenizer.encode(text(book)[: EXACT * 8])][:EXACT]
    if len(tokens) < EXACT:
        # A file for speed only has a tokenizer for nothing: any tokens do.
        tokens = [(index * 7919) % (bench.model.config["vocabulary"] - 1) for index in range(EXACT)]
    begun = time.perf_counter()
    bench.read(tokens)
    _say(f"{EXACT} tokens read in {time.perf_counter() - begun:.0f} s")
    found: dict[str, Any] = {
        "model": Path(path).name,
        "weights_mb": bench.model.bytes >> 20,
        "page_ram_mb": ram >> 20,
        "block_bytes": bench.model.block_bytes,
        "model_load_seconds": round(bench.load_seconds, 2),
        "sizes": [],
    }
    for size in sizes:
        needed = size // 128 * bench.model.block_bytes
        if needed * 1.05 > free_bytes(Path(folder)) + bench.store.stats()["blocks"] * bench.model.block_bytes:
            found["sizes"].append({"tokens": size, "left_out": f"{needed >> 30} GiB of disk are not free"})
            _say(f"{size} tokens: {found['sizes'][-1]['left_out']}")
            continue
        found["sizes"].append(_size(bench, size, tokens[-1]))
        _say(json.dumps(found["sizes"][-1]))
    found["reopen_seconds"] = round(bench.reopen(), 3)
    found["reopened_tokens"] = bench.long.tokens
    _say(f"{bench.long.tokens} tokens reopened in {found['reopen_seconds']} s to the first token")
    return found


def _size(bench: _Bench, size: int, token: int) -> dict[str, Any]:
    begun = time.perf_counter()
    bench.extend(size)
    filled = time.perf_counter() - begun
    exact: list[float] = []
    long: list[float] = []
    asked = missed = 0
    for _ in range(_TURNS):
        exact += bench.write(bench.exact, token)
        before = bench.store.stats()
        long += bench.write(bench.long, token)
        after = bench.store.stats()
        missed += after["misses"] - before["misses"]
        asked += after["hits"] + after["misses"] - before["hits"] - before["misses"]
    return {
        "tokens": size,
        "exact_8k_ms": three([1000 * value for value in exact]),
        "ms": three([1000 * value for value in long]),
        "ratio": round(statistics.median(long) / statistics.median(exact), 3),
        "pages_missed_percent": round(100 * missed / max(1, asked), 2),
        "rss_mb": rss_bytes() >> 20,
        "index_mb": round(bench.long.index_bytes / (1 << 20), 1),
        "disk_mb": bench.store.stats()["blocks"] * bench.model.block_bytes >> 20,
        "fill_seconds": round(filled, 1),
        "load": load(),
    }


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """The command line: MODEL FOLDER RAM SIZE..., `--book FILE`."""
    arguments = sys.argv[1:]
    book = None
    if "--book" in arguments:
        at = arguments.index("--book")
        book = Path(arguments[at + 1])
        del arguments[at : at + 2]
    path, folder, ram, *sizes = arguments
    print(json.dumps(_run(path, folder, int(ram), [int(size) for size in sizes], book)))


if __name__ == "__main__":
    main()
