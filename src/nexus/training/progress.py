"""How far a learner is: what has been read, how well it does, in a form that a checkpoint holds.

Knows numbers only. Invariants: what comes back from a checkpoint is checked; the experience factor
compares the same passages, never learnt, read by the student of now and by its base.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

_SMOOTH = 0.98


@dataclass(slots=True)
class Progress:
    """Everything in it is restored with the model. Bits are per byte."""

    base_read: int = 0  # passages of the base text
    read_upto: int = 0  # id of the last passage of the user's that was learnt
    bytes_learned: int = 0
    pairs: int = 0
    now_bits: float = 0.0  # held-out text of the user, read by the student of now
    frozen_bits: float = 0.0  # the same, read by the base alone
    base_bits: float = 0.0  # held-out text of the base
    bits_per_byte: float = 0.0  # of what was read last, smoothed
    flow_depth: float = 0.0  # relaxation steps of what was learnt last, smoothed

    @property
    def experience_factor(self) -> float:
        """1 - now / frozen: 0 is nothing learnt of the user, 1 would be everything."""
        return 1.0 - self.now_bits / self.frozen_bits if self.frozen_bits > 0 else 0.0

    def learnt(self, size: int, bits: float, steps: float) -> None:
        """`size` bytes with `bits` and relaxation `steps` in all were learnt."""
        self.bytes_learned += size
        weight = _SMOOTH ** (size / 256) if self.flow_depth else 0.0
        self.bits_per_byte = weight * self.bits_per_byte + (1 - weight) * bits / size
        self.flow_depth = weight * self.flow_depth + (1 - weight) * steps / size

    def as_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Progress:
        """What `as_dict` gave. Raises `ValueError` for anything else."""
        values: dict[str, Any] = {}
        for known in fields(cls):
            value = facts.get(known.name)
            wanted = int if known.type == "int" else (int, float)
            if isinstance(value, bool) or not isinstance(value, wanted):
                raise ValueError(f"{known.name} is {value!r}")
            if not math.isfinite(value) or value < 0:
                raise ValueError(f"{known.name} is {value!r}")
            values[known.name] = value
        return cls(**values)
