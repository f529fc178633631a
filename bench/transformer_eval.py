"""The transformer's figures: needles, recall on books, bits per byte; as `nexus eval` takes them.

Usage: python bench/transformer_eval.py [--json FILE] [--model FILE] [--control NAME=CHECKPOINT]...
           [--length N] [--seeds N] [--count N] [--kind KIND] [--haystack NAME]... [--books FOLDER]
           [--only needle|recall|bpb]... [--device cpu|cuda]

NEXUS_DATA holds books/eval (docs/guides/benchmarks.md), which no model of ours was trained on; --books names
another folder. The full lengths take hours on a CPU; --length shortens the streams.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import record

from nexus.core.errors import InvalidInputError, NexusError
from nexus.training import heap, texts, trained
from nexus.training.evaluation import books as shelf
from nexus.training.evaluation import bpb, needle, recall
from nexus.training.facts import KINDS
from nexus.transformer.tokenizer import Tokenizer

SECTIONS = ("needle", "recall", "bpb")
BITS_TOKENS = 1_000_000


def measured(asked: argparse.Namespace) -> dict[str, Any]:
    models = trained.candidates(asked.model, asked.control, asked.device)
    tokenizer = Tokenizer.shipped()
    books = asked.books or shelf.there()
    if books is None:
        raise InvalidInputError("no books", hint="NEXUS_DATA=FOLDER with books/eval, or --books FOLDER")
    config = models["nexus"].config
    results: dict[str, Any] = {"config": config.to_json()}
    if "needle" in asked.only:
        results["needle"] = [
            row.as_dict()
            for row in needle.run(
                models,
                tokenizer,
                asked.haystack or needle.HAYSTACKS,
                length=asked.length,
                count=asked.count,
                kind=asked.kind,
                seeds=asked.seeds,
                text=shelf.text(books, tokenizer, 4 * asked.length),
                came=lambda row: print(
                    f"needle {row.candidate:>16} {row.haystack:>8}: {row.exact.shown('{:.1f}')} "
                    f"of {row.asked}, held {row.held.shown('{:.1f}')}",
                    flush=True,
                ),
            )
        ]
    if "recall" in asked.only:
        streams = recall.streams(
            texts.documents([books], tokenizer), asked.length, asked.seeds, tokenizer.end
        )
        kept = recall.keep(streams, tokenizer, config.window, chunk=config.chunk)
        for form in kept:
            print(f"R_keep {form.form:>16}: {form.share.shown('{:.2f} %', 100)}", flush=True)
        rows = recall.run(models, streams, tokenizer, config.window)
        for row in rows:
            print(
                f"recall {row.candidate:>16}: R_read {row.read.shown('{:.2f} %', 100)}, "
                f"R_pred {row.pred.shown('{:.2f} %', 100)}, saved {row.saved.shown('{:.4f}')} nats a token",
                flush=True,
            )
        results["recall"] = {
            "keep": [form.as_dict() for form in kept],
            "models": [row.as_dict() for row in rows],
        }
    if "bpb" in asked.only:
        bits = bpb.run(models, tokenizer, texts.documents([books], tokenizer), most_tokens=BITS_TOKENS)
        for each in bits:
            print(f"bpb {each.candidate:>19}: {each.on:.4f} with memory, {each.off:.4f} without", flush=True)
        results["bpb"] = [each.as_dict() for each in bits]
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--control", action="append", default=[])
    parser.add_argument("--length", type=int, default=512_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--kind", choices=KINDS, default="uuid")
    parser.add_argument("--haystack", action="append", choices=needle.HAYSTACKS)
    parser.add_argument("--books", type=Path)
    parser.add_argument("--only", action="append", choices=SECTIONS)
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    asked.only = asked.only or list(SECTIONS)
    heap.keep_freed()
    try:
        record.write(measured(asked), asked.json)
    except NexusError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
