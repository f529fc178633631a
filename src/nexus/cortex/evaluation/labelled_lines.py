"""Lines that developers and agents really said, labelled by hand; data/README.md tells how.

Knows the labels; what is proposed is the extractor's business. The held-out half was drawn by file
before any rule was changed.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any, Literal, NamedTuple

from nexus.cortex.extractor import propose

Half = Literal["development", "held_out"]


class Outcome(NamedTuple):
    """Of the lines of a half: rightly proposed, wrongly proposed, good ones, all."""

    right: int
    wrong: int
    good: int
    lines: int

    @property
    def precision(self) -> float:
        """The share of proposals that are good; 1 when nothing is proposed."""
        proposed = self.right + self.wrong
        return self.right / proposed if proposed else 1.0

    @property
    def found(self) -> float:
        """The share of good lines that is proposed."""
        return self.right / self.good


def lines(half: Half) -> list[dict[str, Any]]:
    """The lines of one half: file, role, pasted, good, line."""
    path = resources.files(__package__) / "data" / f"extractor_lines.{half}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def outcome(half: Half) -> Outcome:
    """What the extractor proposes of them."""
    rows = lines(half)
    heard = [row for row in rows if propose(row["line"], row["role"], pasted=row["pasted"])]
    right = sum(row["good"] for row in heard)
    return Outcome(right, len(heard) - right, sum(row["good"] for row in rows), len(rows))
