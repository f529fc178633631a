"""R_keep: whether a rare word that comes back in a book still has its entry.

Knows the memory and its addresses; knows no model: every rare word is written, so this is what the form of
the memory allows. Invariants: reads before writes, a chunk at a time, as a model does; an event is a rare
word that comes back after more than a window (research/transformer.md 3.1 row 8).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from nexus.transformer.lexical import Lexical
from nexus.transformer.rsm import chunked, read
from nexus.transformer.rsm.entries import Entries
from nexus.transformer.rsm.shape import Shape
from nexus.transformer.rsm.writes import Writes

FORMS: Final = {"8 ways": (2048, 8), "direct-mapped": (16_384, 1)}

Ids = NDArray[np.int64]
Bools = NDArray[np.bool_]


def recurrences(ids: Ids, rare: Bools, window: int) -> Ids:
    """int64 [n]: tokens since the last mention, where a rare word comes back after more than the window; 0
    elsewhere.
    """
    found = np.zeros_like(ids)
    at = np.flatnonzero(rare)
    order = np.argsort(ids[at], kind="stable")
    same = ids[at][order][1:] == ids[at][order][:-1]
    gap = at[order][1:] - at[order][:-1]
    found[at[order][1:]] = np.where(same & (gap > window), gap, 0)
    return found


@torch.no_grad()
def kept(
    ids: Ids,
    rare: Bools,
    events: Bools,
    form: tuple[int, int],
    *,
    salt: int = 0,
    chunk: int = 1024,
    told: Callable[[int, int], None] = lambda done, of: None,
) -> float:
    """The share of the events of one stream whose entry is there. NaN without events."""
    shape = Shape(sets=form[0], ways=form[1], key_width=1, value_width=1, payload=0)
    lexical, memory = Lexical((1,), shape.sets, salt), Entries.empty(shape, 1)
    tokens, before = torch.from_numpy(ids)[None], lexical.begin(1)
    hits, length = 0, len(ids)
    for start in range(0, length, chunk):
        end = min(start + chunk, length)
        sets, tags, before = lexical.addresses(tokens[:, start:end], before)
        found = read.exact(memory, sets[..., 0], tags[..., 0], payload=False)
        hits += int(found.hit[0].numpy()[events[start:end]].sum())
        at = torch.from_numpy(np.flatnonzero(rare[start:end]))
        stream, n = torch.zeros_like(at), len(at)
        writes = Writes(
            stream=stream,
            set=sets[0, at, 0],
            tag=tags[0, at, 0],
            gate=torch.ones(n),
            key=torch.zeros(n, 1),
            value=torch.zeros(n, 1),
            payload=torch.zeros(n, 0, dtype=torch.int32),
            place=at + start + 1,
            time=at + start,
            priority=torch.zeros(n),
        )
        chunked.write_(memory, writes, end - start)
        told(end, length)
    total = int(events.sum())
    return hits / total if total else float("nan")
