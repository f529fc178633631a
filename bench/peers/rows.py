"""One line of the table: a figure of ours beside the same of a peer's, and who is better."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

EVEN = 1.2  # of two costs: nearer than this is even, because other work is on the machine


@dataclass(frozen=True, slots=True)
class Row:
    """`ours` and `theirs` in words; `values` the two that are compared, ours first.

    `sure` is where 95 % of the redrawn means of the difference lie, ours less theirs, for what is found.
    """

    what: str
    ours: str
    peer: str
    theirs: str
    values: tuple[float, float]
    better: Literal["more", "less"]
    sure: tuple[float, float] | None = None
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """As it is written down."""
        return asdict(self)

    @classmethod
    def of_json(cls, raw: dict[str, Any]) -> Row:
        """Read again. Raises `KeyError`, `TypeError`."""
        return cls(
            **{**raw, "values": tuple(raw["values"]), "sure": tuple(raw["sure"]) if raw["sure"] else None}
        )

    @property
    def ratio(self) -> float:
        """How many times as good as theirs ours is."""
        ours, theirs = self.values
        if self.better == "less":
            ours, theirs = theirs, ours
        return ours / theirs if theirs else float("inf") if ours else 1.0

    @property
    def verdict(self) -> Literal["won", "lost", "even"]:
        """By the interval where there is one, else by the ratio."""
        if self.sure is not None:
            low, high = self.sure
            return "won" if low > 0 else "lost" if high < 0 else "even"
        return "won" if self.ratio >= EVEN else "lost" if self.ratio <= 1 / EVEN else "even"


def number(value: float) -> str:
    """Three digits that count."""
    if value == 0:
        return "0"
    digits = max(0, 2 - len(str(int(abs(value)))) + 1) if abs(value) >= 1 else 3
    return f"{value:,.{digits}f}".removeprefix("0") if abs(value) < 1 else f"{value:,.{digits}f}"


def cost(what: str, unit: str, ours: float, peer: str, theirs: float, note: str = "") -> Row:
    """Less is better."""
    return Row(
        what, f"{number(ours)} {unit}", peer, f"{number(theirs)} {unit}", (ours, theirs), "less", None, note
    )


def gain(what: str, unit: str, ours: float, peer: str, theirs: float, note: str = "") -> Row:
    """More is better."""
    shown = (f"{number(value)} {unit}".strip() for value in (ours, theirs))
    return Row(what, next(shown), peer, next(shown), (ours, theirs), "more", None, note)
