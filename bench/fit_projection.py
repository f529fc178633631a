"""Fit the projection of token states (src/nexus/cortex/projection.py) of one model.

    NEXUS_DATA=folder python bench/fit_projection.py --model NAME [--models FOLDER] [--out FOLDER]

NEXUS_DATA holds docs/fastapi (MIT), docs/rust-book (MIT or Apache-2.0) and agents/specstory-claude-code
(MIT): prose, code and coding sessions, none of them a benchmark. Every text file is cut at blank lines;
evenly spread paragraphs are read by the model, and the principal components of the kept tokens' states
are written. The same data and model give the same file.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from nexus.cortex.embedder import OnnxEmbedder
from nexus.cortex.projection import dropped_tokens, fitted

SETS = ("docs/fastapi/docs", "docs/rust-book/src", "agents/specstory-claude-code")
PARAGRAPHS = 1500  # of each set


def paragraphs(folder: Path, count: int) -> list[str]:
    """`count` paragraphs of 40 to 1,500 characters, evenly spread over the folder's Markdown files."""
    found = []
    for path in sorted(folder.rglob("*.md")):
        parts = path.read_text(encoding="utf-8", errors="replace").split("\n\n")
        found += [part.strip() for part in parts if 40 <= len(part.strip()) <= 1500]
    unique = list(dict.fromkeys(found))
    return unique[:: max(1, len(unique) // count)][:count]


def main() -> None:
    """Read, fit, write, and say how much of the variance is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--models", type=Path, default=Path("build/models"))
    parser.add_argument("--out", type=Path, default=Path("src/nexus/cortex/data"))
    options = parser.parse_args()
    texts = [text for name in SETS for text in paragraphs(Path(os.environ["NEXUS_DATA"]) / name, PARAGRAPHS)]
    embedder = OnnxEmbedder(options.model, options.models / options.model)
    dropped = dropped_tokens(embedder.tokenizer)
    total, count = np.zeros(embedder.dimensions), 0
    squares = np.zeros((embedder.dimensions, embedder.dimensions))
    for first in range(0, len(texts), 100):
        states = embedder.states(texts[first : first + 100])
        for ids, vectors in states:
            rows = vectors[~dropped[ids]].astype(np.float64)
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            total, squares, count = total + rows.sum(0), squares + rows.T @ rows, count + len(rows)
    mean = total / count
    covariance = squares / count - np.outer(mean, mean)
    weights = fitted(mean, covariance)
    kept = np.trace(weights[1:].T.astype(np.float64) @ covariance @ weights[1:]) / np.trace(covariance)
    options.out.mkdir(exist_ok=True)
    np.save(options.out / f"{options.model}.tokens.npy", weights, allow_pickle=False)
    print(f"{options.model}: {len(texts)} paragraphs, {count} tokens, {kept:.1%} of the variance kept")


if __name__ == "__main__":
    main()
