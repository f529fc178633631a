"""What judges read: the sections that any way of searching found, and those of the list, in no order.

    NEXUS_DATA=folder python bench/tree_pool.py --questions FILE [FILE ...] --results FILE [FILE ...]
                                                [--seed N] > sections.md

A list of right sections that one person writes before any search is incomplete. So the field pools: for each
question, all that any system had among its first is judged by people who know neither the systems nor the
list. This prints each question of tree_questions.json and the like with the sections that the passages of the
results (bench/trees.py --json) lie in and those that the list names, questions and sections shuffled by the
seed. A section is named by its place: FILE#HEADING. What is of no page of the question's manual is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from pathlib import Path
from typing import Any

from trees import sections

from nexus.cortex.includes import candidates, expanded


def holder(page: str, first: int, last: int) -> str:
    """The heading under which most of the lines of a passage stand."""
    parts = [(len(set(range(a, b + 1)) & set(range(first, last + 1))), h) for h, a, b in sections(page)]
    return max(parts)[1]


def found(row: dict[str, Any]) -> set[tuple[str, int, int]]:
    """File, first and last line of every passage that any way of searching found."""
    ways = [row["found"], *(way["found"] for way in row.get("model", {}).values())]
    places = {place.partition(" ")[0] for way in ways for place in way}
    return {
        (file, *map(int, lines.split("-"))) for file, _, lines in (place.rpartition(":") for place in places)
    }


def shown(tree: Path, root: Path, file: str, heading: str) -> str:
    """A section as a reader of the manual sees it, with the listings that it names."""
    path = root / file
    page = path.read_text()
    first, last = next((a, b) for h, a, b in sections(page) if h == heading)
    text = "\n".join(page.splitlines()[max(first, 1) - 1 : last])

    def find(name: str) -> str | None:
        """The text of a file that the page names."""
        places = map(Path, candidates(name, str(path), str(tree)))
        return next((place.read_text() for place in places if place.is_file()), None)

    return expanded(text, find).text


def main() -> None:
    """Pool, shuffle, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=Path, nargs="+", required=True)
    parser.add_argument("--results", type=Path, nargs="+", required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    data, draw = Path(os.environ["NEXUS_DATA"]), random.Random(options.seed)
    rows = [
        row
        for file in options.results
        for tree in json.loads(file.read_text())["results"]["questions"].values()
        for row in tree
    ]
    asked = []
    for file in options.questions:
        for tree in json.loads(file.read_text())["trees"]:
            whole = data / tree["folder"]
            root = whole / tree["under"]
            for question in tree["questions"]:
                pool = {(name, h) for name, headings in question["sections"].items() for h in headings}
                for row in rows:
                    if row["question"] == question["question"]:
                        pool |= {
                            (name, holder((root / name).read_text(), *lines))
                            for name, *lines in found(row)
                            if (root / name).is_file()
                        }
                asked.append((tree["name"], question["question"], (whole, root), sorted(pool)))
    draw.shuffle(asked)
    for number, (manual, text, roots, places) in enumerate(asked, 1):
        print(f"\n# Question {number} (manual: {manual}): {text}\n")
        draw.shuffle(places)
        for name, heading in places:
            print(f"\n## {name}#{heading}\n\n~~~~~~\n{shown(*roots, name, heading)}\n~~~~~~")


if __name__ == "__main__":
    main()
