"""FlowSettings: how large a Flow is and how fast it learns. Written into every saved model.

Knows nothing of what the numbers do; `reference.py` does. Invariant: settings that exist are within their
bounds, so that a saved file cannot ask for more memory than a table of `2**MOST_BITS` lines.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from nexus.core.errors import InvalidInputError

MOST_BITS = 24


@dataclass(frozen=True, slots=True)
class FlowSettings:
    """Sizes are powers of two. Memory: 16 bytes a bucket, 192 bytes a row of the energy cell, 1.5 bytes a
    byte of remembered text; twice each but for the buckets, because the user's text has its own."""

    base_bits: int = 21  # log2 of the buckets for base text: 32 MB
    user_bits: int = 20  # log2 of the buckets for the user's text: 16 MB
    energy_bits: int = 15  # log2 of the rows of an energy cell: 6 MB
    match_bits: int = 20  # log2 of the bytes of text kept to find repeats in: 1.5 MB with its index
    relaxation_steps: int = 4  # the most; a byte that was foreseen needs one
    relaxation_stop: float = 0.2  # squared movement of z below which it rests
    mixer_rate: float = 0.003
    user_mixer_rate: float = 0.01  # there is less of it, so it must be learnt faster
    gate_rate: float = 0.001
    row_rate: float = 0.1
    readout_rate: float = 0.02

    def __post_init__(self) -> None:
        """Raises `InvalidInputError` naming the setting and its bounds."""
        for field in fields(self):
            value = getattr(self, field.name)
            low, high = _bounds(field.name)
            whole = isinstance(low, int)
            right_kind = type(value) is int if whole else type(value) in (int, float)
            if not right_kind or not low <= value <= high:
                raise InvalidInputError(
                    f"flow setting {field.name} is {value!r}",
                    hint=f"use a {'whole ' if whole else ''}number from {low} to {high}",
                )

    def as_dict(self) -> dict[str, Any]:
        """For the header of a saved model."""
        return asdict(self)


def _bounds(name: str) -> tuple[int, int] | tuple[float, float]:
    if name.endswith("_bits"):
        return (6, MOST_BITS)
    if name == "relaxation_steps":
        return (1, 16)
    return (0.0, 1.0)
