"""Shape: how large a memory is and which of its entries stay when a set is full.

Knows nothing of tensors. Invariant: a shape that exists is within its bounds, and its fingerprint changes
with every number that changes what a saved memory means.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal, get_args

from nexus.core.errors import InvalidInputError

Replacement = Literal["lru", "priority"]

# A set of a stream and a tag are sorted as one int64: 19 bits for the set, 44 for the tag.
TAG_BITS: Final = 44
ROW_BITS: Final = 19


@dataclass(frozen=True, slots=True)
class Shape:
    """`sets * ways` entries a stream, each with a key, a value and `payload` token ids."""

    sets: int = 2048
    ways: int = 8
    key_width: int = 64
    value_width: int = 64
    payload: int = 32
    replacement: Replacement = "lru"
    priority_halflife: int = 0  # tokens in which a priority falls to its half; 0: never

    def __post_init__(self) -> None:
        """Raises `InvalidInputError` naming the number and its bounds."""
        bounds = {
            "sets": (1, 1 << ROW_BITS),
            "ways": (1, 64),
            "key_width": (1, 4096),
            "value_width": (1, 4096),
        }
        bounds |= {"payload": (0, 4096), "priority_halflife": (0, 1 << 40)}
        for name, (low, high) in bounds.items():
            number = getattr(self, name)
            if type(number) is not int or not low <= number <= high:
                raise InvalidInputError(
                    f"memory {name} is {number!r}", hint=f"use a whole number from {low} to {high}"
                )
        if self.replacement not in get_args(Replacement):
            raise InvalidInputError(
                f"memory replacement is {self.replacement!r}", hint='use "lru" or "priority"'
            )

    @classmethod
    def of(cls, like: Any) -> Shape:
        """The shape in a configuration that names the same numbers; a `Shape` is its own."""
        if isinstance(like, cls):
            return like
        return cls(
            **{field.name: getattr(like, field.name) for field in fields(cls) if hasattr(like, field.name)}
        )

    @property
    def entries(self) -> int:
        """Entries of one stream."""
        return self.sets * self.ways

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of all numbers."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]
