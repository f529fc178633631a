"""Writes the figures of the weights' card from the results of bench/transformer_eval.py; a test compares.

Draws the guide's picture of recall over distance, too.

Usage: python bench/transformer_card.py [--check]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from nexus.training import plot
from nexus.training.evaluation.figures import Figure

ROOT = Path(__file__).resolve().parents[1]
CARD = ROOT / "src" / "nexus" / "transformer" / "data" / "weights" / "README.md"
PICTURE = ROOT / "docs" / "images" / "transformer-recall.png"
RESULTS = ROOT / "bench" / "results"
BEGIN, END = "<!-- figures: bench/transformer_card.py -->", "<!-- end of figures -->"


def shown(figure: dict[str, Any], form: str, scale: float = 1.0) -> str:
    """Mean ± standard deviation; of one run the mean."""
    return Figure.of(figure["runs"]).shown(form, scale)


def needles(found: dict[str, Any]) -> list[str]:
    """Facts of one kind at one length."""
    rows = found["results"]["needle"]
    first = rows[0]
    lines = [
        f"**{first['asked']} facts of the kind `{first['kind']}` in {first['length']:,} tokens**, "
        f"{_streams(len(first['exact']['runs']))} of each haystack{_whose(found['command'])}.",
        "",
        "| model | haystack | answered word for word | entry still there | tokens a second |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['candidate']} | {row['haystack']} | {shown(row['exact'], '{:.1f}')} | "
        f"{shown(row['held'], '{:.1f}')} | {row['tokens_per_second']:,.0f} |"
        for row in rows
    ]
    return lines


def _whose(command: list[str]) -> str:
    """The model that is called nexus, where it is not the one that ships."""
    return f"; nexus is `{command[command.index('--model') + 1]}`" if "--model" in command else ""


def _streams(count: int) -> str:
    return "one stream" if count == 1 else f"mean ± standard deviation of {count} streams"


def recall(found: dict[str, Any]) -> list[str]:
    """What stays of books, what is read, what it is good for."""
    part = found["results"]["recall"]
    lines = ["**Rare words that come back in books**", "", "| memory | R_keep |", "|---|---|"]
    lines += [
        f"| {row['form']}, {row['entries']:,} entries | {shown(row['share'], '{:.2f} %', 100)} |"
        for row in part["keep"]
    ]
    lines += ["", "| model | R_read | R_pred | spoilt | nats saved a token | at those words |"]
    lines += ["|---|---|---|---|---|---|"]
    lines += [
        f"| {row['candidate']} | {shown(row['read'], '{:.2f} %', 100)} | "
        f"{shown(row['pred'], '{:.2f} %', 100)} | {shown(row['spoilt'], '{:.2f} %', 100)} | "
        f"{shown(row['saved'], '{:.4f}')} | {shown(row['saved_at_events'], '{:.3f}')} |"
        for row in part["models"]
    ]
    return lines


def bits(found: dict[str, Any]) -> list[str]:
    """Bits per byte."""
    lines = ["**Bits per byte of unseen books**", "", "| model | with memory | without |", "|---|---|---|"]
    lines += [
        f"| {row['candidate']} | {row['bits_per_byte']:.4f} | {row['bits_per_byte_without']:.4f} |"
        for row in found["results"]["bpb"]
    ]
    return lines


def figures() -> str:
    """All tables, each with the command that takes them again."""
    out = []
    forms = {"needle": needles, "recall": recall, "bpb": bits}
    for path in sorted(RESULTS.glob("transformer-eval-*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        for name, form in forms.items():
            if name in found["results"]:
                out += [*form(found), ""]
        words = [word for word in found["command"] if not word.endswith(".json") and word != "--json"]
        out += [f"`python bench/{' '.join(words)}`, commit {found['commit']}", ""]
    return "\n".join(out)


def card() -> str:
    """The card as it should be."""
    before, _, rest = CARD.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n\n{figures()}\n{END}{rest.partition(END)[2]}"


def lines() -> dict[str, list[tuple[int, bool]]]:
    """Of the model and its own controls: how long ago each fact was said, and whether it came back."""
    found: dict[str, list[tuple[int, bool]]] = {}
    for path in sorted(RESULTS.glob("transformer-eval-[12]-*.json")):
        for row in json.loads(path.read_text(encoding="utf-8"))["results"].get("needle", ()):
            pairs = [
                (distance, right)
                for of_stream, answered in zip(row["distance"], row["right"], strict=True)
                for distance, right in zip(of_stream, answered, strict=True)
            ]
            found.setdefault(f"{row['candidate']}, {row['haystack']}", pairs)
    return found


def main() -> int:
    if "--check" in sys.argv:
        if CARD.read_text(encoding="utf-8") == card():
            return 0
        print(f"{CARD.name} tells other figures than {RESULTS}: run {Path(__file__).name}", file=sys.stderr)
        return 1
    CARD.write_text(card(), encoding="utf-8")
    plot.distances(lines(), PICTURE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
