"""One stream: a context of the compiled engine, the tokens in it, and the blocks that hold them.

Does not know other streams, nor where its beginning came from.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from nexus.engine.local.names import Block, Tokens

if TYPE_CHECKING:
    from nexus._engine import Context, Model, Store


@dataclass(frozen=True, slots=True)
class Limits:
    """What a context attends: everything up to `exact_tokens`; beyond, chosen pages of 128 tokens."""

    exact_tokens: int
    sinks: int = 128
    window: int = 1024
    pages: int = 64
    bulk_pages: int = 32  # while a text is read, 256 tokens and more in a step

    def profile(self) -> str:
        """What changes the keys and values of equal tokens, as text."""
        return f"exact {self.exact_tokens} sinks {self.sinks} window {self.window} pages {self.bulk_pages}"


@dataclass(slots=True, eq=False)
class Stream:
    """One context and its tokens. `blocks` are those with a name; `fresh` wait for theirs; `promised` is
    how many it may have in the end."""

    context: Context
    tokens: array[int] = field(default_factory=lambda: array("i"))
    blocks: list[Block] = field(default_factory=list)
    fresh: list[tuple[int, int, int]] = field(default_factory=list)
    promised: int = 0
    kept_at: int = 0

    def common(self, tokens: Tokens) -> int:
        """With how many equal tokens both begin."""
        size = min(len(self.tokens), len(tokens))
        differ = np.flatnonzero(np.frombuffer(self.tokens, np.int32)[:size] != tokens[:size])
        return int(differ[0]) if len(differ) else size

    @property
    def slots(self) -> list[int]:
        """Of all its full blocks, in order."""
        return [block.slot for block in self.blocks] + [slot for _, slot, _ in self.fresh]


def new_context(model: Model, store: Store, limits: Limits) -> Context:
    """An empty context under these limits."""
    from nexus._engine import Context

    return Context(
        model,
        store,
        exact_tokens=limits.exact_tokens,
        sinks=limits.sinks,
        window=limits.window,
        pages=limits.pages,
        bulk_pages=limits.bulk_pages,
    )
