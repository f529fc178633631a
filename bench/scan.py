"""How long does one search by meaning take at a hundred thousand passages, and does it miss any?

    NEXUS_DATA=folder python bench/scan.py [--texts FOLDER] [--models FOLDER] [--count N] [--json FILE]

Real vectors: the paragraphs of the Markdown files in --texts (default NEXUS_DATA/docs), embedded by the
default model; passages are copies of them with a little noise, questions are paragraphs that are not
among them. Side by side in one run, question by question: the exact index (int8 scan and a second look
at the best, as the product does it), the scan alone with every kernel, NumPy in float32, and Qdrant in
this process. Prints CPU milliseconds (all threads), the share of the true ten best that was found, and
the same for a project that holds one passage in twenty.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is loaded: one core, as the others

import numpy as np
import record

from nexus.cortex import scan
from nexus.cortex.embedder import OnnxEmbedder
from nexus.cortex.exact import ExactIndex
from nexus.cortex.indexer import Entry, Matrix, Scope, Sparse, VectorIndex
from nexus.cortex.ledger import FOREVER
from nexus.cortex.qdrant import QdrantIndex

EMBEDDER = "granite-embedding-30m-english"
PROJECTS = 20
TOP = 10
NOISE = 0.02  # of a number of a vector whose numbers are about 0.05
EMPTY = Sparse(np.zeros(0, np.uint32), np.zeros(0, np.float32))
Search = Callable[[Matrix], list[int]]


def paragraphs(folder: Path, most: int) -> list[str]:
    """Distinct paragraphs of 80 to 800 characters, in an order that is the same in every run."""
    found: dict[str, None] = {}
    for path in sorted(folder.rglob("*.md")):
        for part in path.read_text(encoding="utf-8", errors="replace").split("\n\n"):
            if 80 <= len(part.strip()) <= 800:
                found[part.strip()] = None
    texts = list(found)
    random.Random(0).shuffle(texts)
    return texts[:most]


def unit(vectors: Matrix) -> Matrix:
    """Rows of length 1."""
    lengths: Matrix = np.linalg.norm(vectors, axis=1, keepdims=True).astype(np.float32)
    return vectors / lengths


def fill(index: VectorIndex, passages: Matrix) -> None:
    """Every passage a document, one in twenty of each project."""
    for start in range(0, len(passages), 512):
        index.upsert(
            [
                Entry(
                    f"{row:08x}-0000-4000-8000-000000000000", "document", f"/p{row % PROJECTS}", "",
                    (f"/p{row % PROJECTS}/f{row // 100}", "/"), 1, 0, FOREVER, EMPTY, EMPTY, passages[row],
                )
                for row in range(start, min(start + 512, len(passages)))
            ]
        )  # fmt: skip


def by_index(index: VectorIndex, scope: Scope) -> Search:
    """Rows that an index finds."""
    return lambda asked: [int(hit.point[:8], 16) for hit in index.nearest(asked, TOP, scope)]


def by_scan(codes: scan.Codes, allowed: np.ndarray[Any, np.dtype[np.bool_]], kernel: str) -> Search:
    """Rows that one kernel finds by codes alone, without the second look."""
    return lambda asked: [int(row) for row in codes.best(asked, TOP, allowed, kernel)[0]]


def by_floats(passages: Matrix, allowed: np.ndarray[Any, np.dtype[np.bool_]]) -> Search:
    """Rows that NumPy finds, exactly."""

    def search(asked: Matrix) -> list[int]:
        scores = passages @ asked
        scores[~allowed] = -2
        best = np.argpartition(-scores, TOP)[:TOP]
        return [int(row) for row in best]

    return search


def measured(searches: dict[str, Search], questions: Matrix, true: Search) -> dict[str, dict[str, float]]:
    """CPU milliseconds and recall of each, taken in turns."""
    spent: dict[str, list[float]] = {name: [] for name in searches}
    right = dict.fromkeys(searches, 0)
    for asked in questions:
        best = set(true(asked))
        for name, search in searches.items():
            before = time.process_time()
            found = search(asked)
            spent[name].append(1000 * (time.process_time() - before))
            right[name] += len(best & set(found))
    return {
        name: {
            "p50_ms": round(float(np.percentile(times, 50)), 3),
            "p99_ms": round(float(np.percentile(times, 99)), 3),
            f"recall@{TOP}": right[name] / (TOP * len(questions)),
        }
        for name, times in spent.items()
    }


def main() -> None:
    """Embed, fill, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=Path, help="a folder with Markdown files")
    parser.add_argument("--models", type=Path, default=Path("build/models"))
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--json", type=Path, help="write the results here, too")
    options = parser.parse_args()
    texts = paragraphs(options.texts or Path(os.environ["NEXUS_DATA"]) / "docs", 4300)
    real = OnnxEmbedder(EMBEDDER, options.models / EMBEDDER).passages(texts)
    questions, base = real[:300], real[300:]
    rng = np.random.default_rng(0)
    passages = base[rng.integers(0, len(base), options.count)]
    passages = unit(passages + NOISE * rng.standard_normal(passages.shape, np.float32))
    # As the embedding cache keeps them.
    passages = passages.astype(np.float16).astype(np.float32)
    size = passages.shape[1]
    print(f"{len(base)} paragraphs, {options.count} passages of {size} numbers, {len(questions)} questions")

    codes = scan.Codes(size)
    codes.resize(len(passages))
    codes.put(np.arange(len(passages)), passages)
    everything = np.ones(len(passages), np.bool_)
    project = np.arange(len(passages)) % PROJECTS == 3
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        exact, qdrant = ExactIndex(size), QdrantIndex(Path(temporary) / "shard", EMBEDDER, size)
        fill(exact, passages)
        fill(qdrant, passages)
        for title, scope, allowed in (
            ("all passages", Scope("document"), everything),
            ("a project of one in twenty", Scope("document", project="/p3"), project),
        ):
            true = by_floats(passages, allowed)
            searches = {"exact index": by_index(exact, scope), "qdrant": by_index(qdrant, scope)}
            searches["numpy float32"] = true
            searches |= {f"scan, {name}": by_scan(codes, allowed, name) for name in scan.kernels()}
            results[title] = table = measured(searches, questions, true)
            print(f"\n{title:<28} p50 ms   p99 ms   recall@{TOP}")
            for name, row in table.items():
                print(f"{name:<26} {row['p50_ms']:>8.2f} {row['p99_ms']:>8.2f}   {row[f'recall@{TOP}']:.4f}")
        qdrant.close()
    record.write(results, options.json)


if __name__ == "__main__":
    main()
