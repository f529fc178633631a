"""Trains the vocabulary of the transformer that lies in the package, and counts its ids in the training text.

Usage: python bench/fit_tokenizer.py DATA [--out FOLDER] [--whole] [--count]

DATA holds the unpacked sets books-train, docs-*, agents-*. The vocabulary is trained on a balanced sample: a
part of each book, all documentation and code, a part of the talk of agents, and this repository. Ids are
counted over the books, the documentation and its code, each document by a part and weighted by its length.
books-eval is never read.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nexus.transformer.tokenizer import SHIPPED, Tokenizer
from nexus.transformer.tokenizer_training import trained

ROOT = Path(__file__).resolve().parents[1]
IDS = 8192
TEXTS = {".txt", ".md", ".py", ".rs", ".toml", ".yaml", ".c", ".h", ".cpp", ".hpp", ".sh", ".js", ".html"}
BOOK_PART = 8_000  # characters, three times from each book
COUNTED = 12_000  # characters of each document, where not all are counted
TALK_PART = 60_000  # characters of each session of an agent


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def files(data: Path, pattern: str) -> list[Path]:
    return sorted(p for f in data.glob(pattern) for p in f.rglob("*") if p.is_file() and p.suffix in TEXTS)


def own_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    paths = [ROOT / name for name in listing.split("\0") if name and "vendor" not in name]
    return [path for path in paths if path.suffix in TEXTS and path.is_file()]


def sample(data: Path) -> Iterator[str]:
    for path in files(data, "books-train"):
        text = read(path)
        for part in (0.2, 0.5, 0.8):
            start = int(len(text) * part)
            yield text[start : start + BOOK_PART]
    for path in [*files(data, "docs-*"), *own_files()]:
        yield read(path)
    for path in files(data, "agents-*"):
        yield read(path)[:TALK_PART]


def counted(data: Path, tokenizer: Tokenizer, *, whole: bool) -> NDArray[np.int64]:
    """How often each id stands in the books and the documentation, whole or by the middle of each."""
    counts = np.zeros(IDS, dtype=np.float64)
    for path in [*files(data, "books-train"), *files(data, "docs-*")]:
        text = read(path)
        part = text if whole else text[max(0, (len(text) - COUNTED) // 2) :][:COUNTED]
        counts += np.bincount(tokenizer.encode(part), minlength=IDS) * (len(text) / max(1, len(part)))
        counts[tokenizer.end] += 1
    return counts.round().astype(np.int64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=SHIPPED)
    parser.add_argument(
        "--whole", action="store_true", help="count all of the text, not a part of each document"
    )
    parser.add_argument("--count", action="store_true", help="keep the vocabulary of the folder, only count")
    asked = parser.parse_args()
    start = time.process_time()
    if asked.count:
        tokenizer = Tokenizer.load(asked.out)
    else:
        # One id is `end`, which no text can spell.
        tokenizer = Tokenizer(trained(sample(asked.data), IDS - 1), np.zeros(IDS, dtype=np.int64))
        # Other work can begin with the vocabulary while its ids are counted.
        tokenizer.save(asked.out)
        print(f"trained {tokenizer.size} ids in {time.process_time() - start:.0f} s of CPU", flush=True)
    counts = counted(asked.data, tokenizer, whole=asked.whole)
    tokenizer.counted(counts).save(asked.out)
    common = int(Tokenizer.load(asked.out).mass80.sum())
    print(f"{counts.sum():,} ids in the text; {common} of them cover 80 %")


if __name__ == "__main__":
    main()
