"""Section `speed`: embedding, and search in a large store."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from nexus.core.errors import NexusError
from nexus.core.paths import Home
from nexus.cortex.evaluation.filling import PROJECTS, fill, invented, sentences
from nexus.cortex.evaluation.measures import percentile
from nexus.cortex.evaluation.options import Options
from nexus.cortex.evaluation.product import default_embedders, opened
from nexus.cortex.evaluation.report import OnProgress, Row, Section

_FULL, _QUICK = 100_000, 10_000
_QUESTIONS = 200
_EMBEDDED = 30_000  # tokens: seconds, and enough for full batches of every length


def measure(options: Options, on_progress: OnProgress) -> Section:
    """Run it. Raises `NexusError` when the searching process fails."""
    section = Section("speed", "Speed: processor time of one core, the machine as busy as it is")
    texts = sentences(options.data)
    if not texts:
        section.missing.append("texts to embed and to search: Markdown, plain, XML or JSON files")
        return section
    section.data.append(f"{len(texts):,} sentences of the texts in the given folder")
    section.add(_embedding(options, texts, on_progress))
    count = _QUICK if options.quick else _FULL
    with tempfile.TemporaryDirectory(prefix="nexus-bench-") as folder:
        home = Home(Path(folder) / "home")
        made = _filled(options, home, texts, count, on_progress)
        on_progress("searching", 0, 0)
        section.add(_searching(_searched(options, home, texts), f"{count:,} chunks"))
        section.add([Row(f"{count:,} chunks: on disk, all stores", _size(home), "MB")])
        section.add(_packing(options, home, count, on_progress))
        on_progress("searching what is packed", 0, 0)
        section.add(_searching(_searched(options, home, texts), f"{count:,} chunks, packed"))
        section.add([Row(f"{count:,} chunks, packed: on disk, all stores", _size(home), "MB")])
    section.notes += [
        "passages are made of real sentences; their vectors are random ones in clusters, because embedding"
        " them would take an hour and a search costs the same",
        f"{made['document']:,} passages of documents and {made['transcript']:,} turns in {PROJECTS} projects;"
        " every search looks at all kinds, and embeds its question",
        "a service packs what is new when nobody asks",
    ]
    return section


def _embedding(options: Options, texts: Sequence[str], on_progress: OnProgress) -> Iterable[Row]:
    embedders = default_embedders(options.models)
    draw = random.Random(0)
    for what, together, embedder in (
        ("turns, with word vectors", 2, embedders.talk),
        ("passages of documents", 6, embedders.documents),
    ):
        made, tokens = [], 0
        while tokens < _EMBEDDED:
            made.append(" ".join(draw.choices(texts, k=together)))
            tokens += embedder.count(made[-1])
        embedder.question("load the model first")
        on_progress(f"embedding {what}", 0, 0)
        spent = time.process_time()
        if together == 2:
            embedder.passages_with_tokens(made)
        else:
            embedder.passages(made)
        rate = tokens / (time.process_time() - spent)
        note = f"{embedder.model_id}, {tokens / len(made):.0f} tokens each, one thread"
        yield Row(f"embedding {what}", rate, "tokens/s", goal=6000.0, note=note)


def _filled(
    options: Options, home: Home, texts: Sequence[str], count: int, on_progress: OnProgress
) -> dict[Any, int]:
    product = opened(home, invented(options.models))
    with product.cortex:
        return fill(product, texts, count, lambda done, total: on_progress("filling a store", done, total))


def _searched(options: Options, home: Home, texts: Sequence[str]) -> dict[str, Any]:
    """What the process that searches says. Questions are parts of sentences, four to nine words long."""
    draw = random.Random(1)
    asked = []
    for text in draw.choices(texts, k=_QUESTIONS):
        words = text.split()
        first = draw.randrange(max(1, len(words) - 9))
        asked.append(" ".join(words[first : first + draw.randrange(4, 10)]))
    done = subprocess.run(
        [sys.executable, "-m", "nexus.cortex.evaluation.searching", str(home.root), str(options.models)],
        input="\n".join(asked),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    if done.returncode:
        raise NexusError(f"the searching process ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _packing(options: Options, home: Home, count: int, on_progress: OnProgress) -> Iterable[Row]:
    on_progress("packing", 0, 0)
    with opened(home, invented(options.models)).cortex as cortex:
        started = time.perf_counter()
        if not cortex.pack():
            raise NexusError(f"the index of {count:,} chunks was not packed")
        yield Row(f"{count:,} chunks: packing", time.perf_counter() - started, "s")


def _size(home: Home) -> float:
    """Megabytes on the disk."""
    return sum(file.stat().st_blocks * 512 for file in home.root.rglob("*") if file.is_file()) / 2**20


def _searching(found: dict[str, Any], name: str) -> Iterable[Row]:
    times = found["cpu_ms"]
    asked = f"{len(times['all'])} questions"
    embedding = percentile(times["embedding"], 50)
    yield Row(f"{name}: embedding a question, CPU, median", embedding, "ms", note=asked)
    for what, key in (("search", "all"), (f"search in one of {PROJECTS} projects", "project")):
        p50, p99 = percentile(times[key], 50), percentile(times[key], 99)
        yield Row(f"{name}: {what}, CPU, median", p50, "ms", goal=15.0, most=True, note=asked)
        yield Row(f"{name}: {what}, CPU, 99th percentile", p99, "ms", goal=40.0, most=True)
    yield Row(f"{name}: opening", found["open_ms"], "ms", note=f"{found['open_cpu_ms']:.0f} ms of CPU")
    yield Row(f"{name}: memory of the process before opening", found["rss_before_mb"], "MB")
    yield Row(f"{name}: memory when open", found["rss_open_mb"], "MB")
    yield Row(f"{name}: memory after searching", found["rss_searched_mb"], "MB", note="embedder loaded")
