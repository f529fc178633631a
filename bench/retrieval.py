"""Does hybrid retrieval beat its two parts? Documentation with marked answers (Claude docs, MIT).

    NEXUS_DATA=folder python bench/retrieval.py [--models FOLDER] [--json FILE]

NEXUS_DATA holds bench/claude-docs-rag. 232 sections are added as files through the whole path (cut,
embedded, indexed); 100 questions name the sections that answer them. Prints nDCG@10 and recall@5 for
words alone (BM25), meaning alone (vectors), the sum that the product uses, and the formula of seed 004
(0.6 cosine + 0.2 keyword overlap), with a bootstrap interval over the questions.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import record

from nexus.core.paths import Home
from nexus.core.settings import CortexSettings
from nexus.cortex.cortex import Cortex
from nexus.cortex.embedder import OnnxEmbedder
from nexus.cortex.retriever import Result

EMBEDDER = "granite-embedding-30m-english"
METHODS: dict[str, Callable[[Result], float]] = {
    "words (BM25)": lambda r: r.scores.words,
    "meaning (vectors)": lambda r: r.scores.cosine,
    "seed 004": lambda r: 0.6 * r.scores.cosine + 0.2 * r.scores.coverage,
    "hybrid": lambda r: r.scores.total,
}


def ndcg(names: list[str], wanted: set[str], depth: int = 10) -> float:
    """Normalised discounted cumulative gain with binary relevance."""
    gain = sum(1 / math.log2(i + 2) for i, name in enumerate(names[:depth]) if name in wanted)
    ideal = sum(1 / math.log2(i + 2) for i in range(min(depth, len(wanted))))
    return gain / ideal if ideal else 0.0


def ranked(results: list[Result], score: Callable[[Result], float]) -> list[str]:
    """Sections by their best chunk."""
    order = sorted(results, key=score, reverse=True)
    return list(dict.fromkeys(Path(r.chunk.path).stem for r in order))


def interval(values: list[float], draws: int = 2000) -> tuple[float, float]:
    """95 % bootstrap interval of the mean."""
    draw = random.Random(0)
    means = sorted(sum(draw.choices(values, k=len(values))) / len(values) for _ in range(draws))
    return means[int(draws * 0.025)], means[int(draws * 0.975)]


def main() -> None:
    """Index, ask, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=Path("build/models"))
    parser.add_argument("--json", type=Path, help="write the results here, too")
    options = parser.parse_args()
    folder = Path(os.environ["NEXUS_DATA"]) / "bench" / "claude-docs-rag"
    sections = json.loads((folder / "anthropic_docs.json").read_text())
    questions = json.loads((folder / "docs_evaluation_dataset.json").read_text())
    number = {s["chunk_link"]: f"s{n:03d}" for n, s in enumerate(sections)}
    with tempfile.TemporaryDirectory() as temporary:
        home, docs = Home(Path(temporary) / "home"), Path(temporary) / "docs"
        home.create()
        docs.mkdir()
        for section in sections:
            text = f"# {section['chunk_heading']}\n\n{section['text']}\n"
            (docs / f"{number[section['chunk_link']]}.md").write_text(text)
        embedder = OnnxEmbedder(EMBEDDER, options.models / EMBEDDER)
        with Cortex(home, CortexSettings(), embedder) as cortex:
            cortex.add([docs])
            scores: dict[str, list[float]] = {name: [] for name in METHODS}
            recalls: dict[str, list[float]] = {name: [] for name in METHODS}
            for question in questions:
                wanted = {number[link] for link in question["correct_chunks"] if link in number}
                if not wanted:
                    continue
                results = cortex.recall(question["question"], 200)
                for name, score in METHODS.items():
                    names = ranked(results, score)
                    scores[name].append(ndcg(names, wanted))
                    recalls[name].append(len(wanted & set(names[:5])) / len(wanted))
    table = {}
    print(f"{'':<20} nDCG@10  95 % interval   recall@5   ({len(scores['hybrid'])} questions)")
    for name, values in scores.items():
        low, high = interval(values)
        mean, recall = sum(values) / len(values), sum(recalls[name]) / len(values)
        table[name] = {"ndcg@10": mean, "low": low, "high": high, "recall@5": recall}
        print(f"{name:<20} {mean:.3f}    {low:.3f}-{high:.3f}    {recall:.3f}")
    record.write(table, options.json)


if __name__ == "__main__":
    main()
