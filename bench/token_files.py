"""Makes the token files for a training of text files, with the shipped vocabulary.

Usage: python bench/token_files.py OUT SOURCE... [--share 0.01] [--shard 16777216]

Each SOURCE is a folder; its text files are documents, in the order of their names. About `--share` of them,
always the same, go into the files for validation.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from fit_tokenizer import TEXTS

from nexus.training.token_files import SHARD, prepare
from nexus.transformer.tokenizer import Tokenizer


def documents(sources: list[Path]) -> Iterator[tuple[str, bytes]]:
    for source in sources:
        for path in sorted(source.rglob("*")):
            if path.suffix in TEXTS and path.is_file():
                yield path.relative_to(source).as_posix(), path.read_bytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("sources", type=Path, nargs="+")
    parser.add_argument("--share", type=float, default=0.01)
    parser.add_argument("--shard", type=int, default=SHARD)
    asked = parser.parse_args()
    sizes = prepare(
        documents(asked.sources), asked.out, Tokenizer.shipped(), share=asked.share, shard=asked.shard
    )
    for name, size in sizes.items():
        print(f"{name} {size:,} tokens")
    print(f"{sum(sizes.values()):,} tokens in {asked.out}")


if __name__ == "__main__":
    main()
