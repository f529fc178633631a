"""How well and how fast MemexFS finds files, against FTS5 alone over the same files.

    NEXUS_DATA=FOLDER python bench/memexfs_search.py --models build/models [--json FILE] [--only NAME]

Quality: 1,000 real files (FastAPI and Rust documentation, sections of the Claude documentation, abstracts of
Cranfield), 86 questions in other words than the file's (memexfs_questions.json), and six words in a row out
of 300 files. The file that the question is about must be among the first ten. FTS5 is the store's own
(`Store.matching`: names, titles and passages, stop words left out), so both see the same words.

Speed: 10,000 files of 1,500 characters out of books, indexed with vectors that cost nothing (a search takes
as long whatever they say); each question is embedded by the real model, searched, and timed as a whole, in
turn with FTS5 alone. Then how long a new file takes until it is found, the 2 s of quiet included.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import record

from nexus.core.paths import Home
from nexus.core.settings import CortexSettings
from nexus.cortex.cortex import Cortex
from nexus.cortex.embedder import OnnxEmbedder
from nexus.cortex.evaluation.collection import claude_docs, cranfield
from nexus.memexfs.memex import Memex

QUESTIONS = Path(__file__).with_name("memexfs_questions.json")
MODEL = "granite-embedding-30m-english"
FIRST = 10
QUIET_NS = 2 * 10**9


@dataclass
class Local:
    """No provider."""

    provider_url: str = ""
    provider_model: str = ""
    provider_key: str = ""


class Quick(OnnxEmbedder):
    """Reads questions as ever and gives passages vectors at random."""

    def passages(self, texts: Sequence[str], on_batch: Callable[[int], None] | None = None) -> Any:
        made = np.array(
            [
                np.random.default_rng(zlib.crc32(text.encode())).standard_normal(self.dimensions)
                for text in texts
            ]
        ).reshape(len(texts), self.dimensions)
        return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def quality_files(data: Path, tree: Path) -> list[bytes]:
    """Write the 1,000 files; returns their paths."""
    for name, folder in (("fastapi", "docs/fastapi/docs/en/docs"), ("rust-book", "docs/rust-book/src")):
        for path in sorted((data / folder).rglob("*.md")):
            if path.name != "release-notes.md":  # 700 KB that name every subject
                write(tree, f"{name}/{path.relative_to(data / folder)}", path.read_text())
    for section in claude_docs(data / "bench/claude-docs-rag").documents:
        slug = re.sub(r"[^a-z0-9]+", "-", section.title.lower()).strip("-")[:60]
        write(tree, f"claude/{section.id}-{slug}.md", f"# {section.title}\n\n{section.text}\n")
    held = sum(1 for path in tree.rglob("*") if path.is_file())
    for paper in cranfield(data / "bench/cranfield").documents[: 1000 - held]:
        write(tree, f"papers/{paper.id}.txt", f"{paper.title}\n\n{paper.text}\n")
    return paths(tree)


def speed_files(data: Path, tree: Path, count: int) -> list[bytes]:
    """Write `count` files of 1,500 characters out of books."""
    made = 0
    for book in sorted((data / "books/eval").glob("*.txt")):
        text = book.read_text()
        for number, start in enumerate(range(0, len(text) - 1500, 1500)):
            if made == count:
                return paths(tree)
            write(tree, f"{book.stem}/{number:04d}.txt", text[start : start + 1500])
            made += 1
    return paths(tree)


def write(tree: Path, name: str, text: str) -> None:
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def paths(tree: Path) -> list[bytes]:
    return sorted(os.fsencode(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file())


class Took(NamedTuple):
    """Seconds until all files are found by their words, and until by their meaning."""

    words: float
    all: float


def index(memex: Memex, files: Sequence[bytes]) -> Took:
    """Index them."""
    began, words = time.monotonic(), 0.0
    memex.store.enqueue(files, 0)
    while memex.pipeline.step():
        last = memex.store.file(files[-1])  # they are taken in their order
        if not words and last is not None and last.indexed_ns:
            words = time.monotonic() - began
        if sys.stderr.isatty():
            left = memex.store.waiting()
            print(f"\r{len(files) - left} of {len(files)} files", end="", file=sys.stderr, flush=True)
    return Took(words, time.monotonic() - began)


def exact_questions(tree: Path, files: Sequence[bytes]) -> list[tuple[bytes, str]]:
    """Six words in a row out of 300 files."""
    drawn = random.Random(1)
    asked = []
    for path in drawn.sample(list(files), 300):
        words = re.findall(r"\w+", (tree / os.fsdecode(path)).read_text())
        if len(words) >= 60:
            start = drawn.randrange(len(words) - 8)
            asked.append((path, " ".join(words[start : start + 6])))
    return asked


def measured(asked: Sequence[tuple[bytes, str]], search: Callable[[str], list[bytes]]) -> dict[str, float]:
    """Recall and mean reciprocal rank, among the first ten."""
    ranks = []
    for path, question in asked:
        found = search(question)[:FIRST]
        ranks.append(found.index(path) + 1 if path in found else 0)
    count = len(ranks)
    return {
        "recall@1": round(sum(rank == 1 for rank in ranks) / count, 3),
        "recall@10": round(sum(rank > 0 for rank in ranks) / count, 3),
        "mrr@10": round(sum(1 / rank for rank in ranks if rank) / count, 3),
        "questions": count,
    }


def quality(data: Path, memex: Memex, tree: Path) -> dict[str, Any]:
    files = quality_files(data, tree)
    took = index(memex, files)
    told = json.loads(QUESTIONS.read_text())["paraphrased"]
    sets = {
        "paraphrased": [(os.fsencode(item["file"]), item["question"]) for item in told],
        "exact": exact_questions(tree, files),
    }
    result: dict[str, Any] = {
        "files": len(files),
        "found by words in s": round(took.words, 1),
        "indexed in s": round(took.all, 1),
    }
    for name, asked in sets.items():
        result[name] = {
            "memexfs": measured(asked, lambda q: [f.path for f in memex.search(q, FIRST)]),
            "fts5": measured(asked, lambda q: [m.path for m in memex.store.matching(q, FIRST)]),
        }
    return result


def speed(data: Path, memex: Memex, tree: Path, count: int) -> dict[str, Any]:
    files = speed_files(data, tree, count)
    index(memex, files)
    questions = [item["question"] for item in json.loads(QUESTIONS.read_text())["paraphrased"]]
    times: dict[str, list[float]] = {"memexfs": [], "fts5": [], "embedding": []}
    calls: dict[str, Callable[[str], object]] = {
        "memexfs": memex.search,
        "fts5": lambda question: memex.store.matching(question, 50),
        "embedding": memex._texts.question,
    }
    for question in questions[:10]:
        memex.search(question)
    for question in questions:
        for name, call in calls.items():
            began = time.perf_counter()
            call(question)
            times[name].append((time.perf_counter() - began) * 1000)
    result: dict[str, Any] = {"files": len(files)}
    for name, taken in times.items():
        ordered = sorted(taken)
        result[f"{name} ms"] = {
            "min": round(ordered[0], 1),
            "p50": round(statistics.median(ordered), 1),
            "p99": round(ordered[int(0.99 * (len(ordered) - 1))], 1),
        }
    memex.start()
    waits = [findable(memex, tree, number) for number in range(5)]
    result["findable s"] = {"min": min(waits), "median": statistics.median(waits), "max": max(waits)}
    return result


def findable(memex: Memex, tree: Path, number: int) -> float:
    """Seconds from a write to the file being first for a question about it."""
    name = f"new/{number}.md"
    write(tree, name, f"# Note {number}\n\nThe walrus number {number} was painted green in Lisbon.\n")
    began = time.monotonic()
    memex.store.enqueue([name.encode()], time.time_ns() + QUIET_NS)
    while True:
        found = memex.search(f"walrus number {number} painted green in Lisbon")
        if found and found[0].path == name.encode() and "body" in found[0].parts:
            return round(time.monotonic() - began, 1)
        time.sleep(0.1)


def main() -> None:
    """Run, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=Path, default=Path("build/models"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=("quality", "speed"))
    parser.add_argument("--files", type=int, default=10_000, help="how many for the speed (default 10,000)")
    options = parser.parse_args()
    data = Path(os.environ["NEXUS_DATA"])
    results: dict[str, Any] = {}
    for name in ("quality", "speed"):
        if options.only not in (None, name):
            continue
        folder = Path(tempfile.mkdtemp(prefix="memexfs-bench-"))
        try:
            home = Home(folder)
            home.create()
            reader = Quick if name == "speed" else OnnxEmbedder
            embedder = reader(MODEL, options.models / MODEL)
            with Cortex(home, CortexSettings(), embedder) as cortex:
                memex = Memex(home, Local(), cortex)
                tree = folder / "memex" / "tree"
                try:
                    if name == "quality":
                        results[name] = quality(data, memex, tree)
                    else:
                        results[name] = speed(data, memex, tree, options.files)
                finally:
                    memex.stop()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        print(json.dumps(results[name], indent=2))
    record.write(results, options.json)


if __name__ == "__main__":
    main()
