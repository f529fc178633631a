"""How large a model is: every number that shapes its tensors, and what its memory keeps.

Knows no tensor. Invariants: a configuration that exists can be built; JSON and back gives an equal one; the
fingerprint differs when any number does.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Literal, get_args, get_type_hints

from nexus.transformer.errors import TransformerConfigError

Replacement = Literal["lru", "priority"]

_LARGEST: Final = 1 << 20  # of any width or count


@dataclass(frozen=True, slots=True)
class MemoryConfig:
    """A memory of `sets * ways` entries, each a key, a value and `payload` tokens.

    `orders` are the lengths of the n-grams by which the lexical lane addresses: short ones for names, long
    ones because questions of one form end alike. Under "priority" an entry's priority halves in
    `priority_halflife` tokens; 0 means never. `meanings` are the sets of the semantic lane's own memory, of
    as many ways; 0: there is no such lane.
    """

    sets: int = 2048
    ways: int = 8
    key_width: int = 64
    value_width: int = 64
    payload: int = 32
    replacement: Replacement = "priority"
    orders: tuple[int, ...] = (1, 2, 3, 5, 8)
    priority_halflife: int = 0
    meanings: int = 0

    def __post_init__(self) -> None:
        """Raises `TransformerConfigError`."""
        for name in ("sets", "ways", "key_width", "value_width"):
            _whole(f"memory.{name}", getattr(self, name), 1)
        _whole("memory.payload", self.payload, 0)
        _whole("memory.meanings", self.meanings, 0)
        _whole("memory.priority_halflife", self.priority_halflife, 0, 1 << 40)
        if self.replacement not in get_args(Replacement):
            raise _wrong("memory.replacement", self.replacement, 'use "lru" or "priority"')
        object.__setattr__(self, "orders", tuple(self.orders))
        for order in self.orders:
            _whole("memory.orders", order, 1, 64)
        if not self.orders or list(self.orders) != sorted(set(self.orders)):
            raise _wrong(
                "memory.orders", self.orders, "name at least one length, each once, the shortest first"
            )


@dataclass(frozen=True, slots=True)
class Config:
    """A model. Widths in numbers, lengths in tokens.

    `embedding` is the width of the factored table; `tied` uses it for the output, too. With `ternary` the
    matrices of the layers have three values, with a scale for each `group` weights of a row.
    """

    width: int = 512
    layers: int = 8
    heads: int = 8
    kv_heads: int = 4
    expansion: int = 4
    vocabulary: int = 8192
    embedding: int = 256
    tied: bool = True
    window: int = 1024
    chunk: int = 1024
    rope_base: float = 10_000.0
    ternary: bool = False
    group: int = 128
    memory: MemoryConfig = field(default_factory=MemoryConfig)

    def __post_init__(self) -> None:
        """Raises `TransformerConfigError`."""
        for name in (
            "width",
            "layers",
            "heads",
            "kv_heads",
            "expansion",
            "embedding",
            "window",
            "chunk",
            "group",
        ):
            _whole(name, getattr(self, name), 1)
        _whole("vocabulary", self.vocabulary, 2, 1 << 16)
        for name in ("tied", "ternary"):
            if type(getattr(self, name)) is not bool:
                raise _wrong(name, getattr(self, name), "use true or false")
        if isinstance(self.rope_base, bool) or not isinstance(self.rope_base, int | float):
            raise _wrong("rope_base", self.rope_base, "use a number above 1")
        if not 1 < self.rope_base < 1e12:
            raise _wrong("rope_base", self.rope_base, "use a number above 1 and below 10^12")
        object.__setattr__(self, "rope_base", float(self.rope_base))
        if self.width % (2 * self.heads):
            raise _wrong(
                "width", self.width, f"use a multiple of {2 * self.heads}, so that each head is even"
            )
        if self.heads % self.kv_heads:
            raise _wrong("kv_heads", self.kv_heads, f"use a number that divides the {self.heads} heads")
        if self.chunk > self.window:
            raise _wrong(
                "chunk", self.chunk, f"use at most the window, {self.window}: what is older must be in memory"
            )
        if not isinstance(self.memory, MemoryConfig):
            raise _wrong("memory", self.memory, "use a MemoryConfig")

    @classmethod
    def xs(cls, **other: Any) -> Config:
        """2.4 million weights: for tests and a CPU."""
        return cls(**{"width": 192, "layers": 4, "heads": 6, "kv_heads": 3, "embedding": 96} | other)

    @classmethod
    def s(cls, **other: Any) -> Config:
        """25.5 million weights: the one that ships."""
        return cls(**other)

    @classmethod
    def m(cls, **other: Any) -> Config:
        """65 million weights."""
        return cls(**{"width": 768, "layers": 10, "heads": 12, "kv_heads": 4} | other)

    @property
    def head_width(self) -> int:
        """Numbers of one head."""
        return self.width // self.heads

    def to_json(self) -> str:
        """One line; `from_json` reads it."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Config:
        """Raises `TransformerConfigError`, also for a name that is not known."""
        try:
            table = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise _wrong("configuration", text[:40], "it must be one JSON object") from error
        if not isinstance(table, dict):
            raise _wrong("configuration", text[:40], "it must be one JSON object")
        memory = table.pop("memory", {})
        if not isinstance(memory, dict):
            raise _wrong("memory", memory, "it must be a JSON object")
        if isinstance(memory.get("orders"), list):
            memory["orders"] = tuple(memory["orders"])
        return cls(**_known(cls, table), memory=MemoryConfig(**_known(MemoryConfig, memory)))

    def fingerprint(self) -> str:
        """16 hex digits of all the numbers."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]


def _known(kind: type[Config] | type[MemoryConfig], table: dict[str, Any]) -> dict[str, Any]:
    names = {each.name for each in fields(kind)} & get_type_hints(kind).keys()
    for name in table:
        if name not in names:
            raise _wrong(name, table[name], "no such setting; it may be of a newer version")
    return table


def _whole(name: str, value: object, least: int, most: int = _LARGEST) -> None:
    if type(value) is not int or not least <= value <= most:
        raise _wrong(name, value, f"use a whole number from {least} to {most}")


def _wrong(name: str, value: object, hint: str) -> TransformerConfigError:
    return TransformerConfigError(f"{name} is {value!r}", hint=hint)
