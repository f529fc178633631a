"""A real stream through the real memory: what is still there when a word comes back.

Knows nothing of models: keys are n-grams of token ids, gates are given. Invariant: it reads and writes as a
model does, a chunk at a time, the read before the write, with `nexus.transformer` and nothing of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from nexus.training.evaluation.keeping import recurrences
from nexus.transformer.lexical import Lexical
from nexus.transformer.rsm import chunked, read
from nexus.transformer.rsm.entries import Entries
from nexus.transformer.rsm.shape import Shape
from nexus.transformer.rsm.writes import Writes

CHUNK: Final = 1024
WINDOW: Final = 1024
DISTANCES: Final = (1_024, 4_096, 16_384, 65_536, 262_144)

Bools = NDArray[np.bool_]
Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """When a gated key comes back after more than the window; both [streams, tokens]."""

    distance: Ids  # tokens since its last gated mention; 0: no event
    distinct: int  # keys, summed over the streams

    @property
    def are(self) -> Bools:
        found: Bools = self.distance > 0
        return found


def keys(ids: Ids, order: int) -> Ids:
    """[streams, tokens]: a number for the n-gram of `order` 1 or 2 that ends at each token."""
    if order == 1:
        return ids
    return np.concatenate([np.zeros_like(ids[:, :1]), ids[:, :-1]], axis=1) * (1 << 20) + ids


def events(keys_: Ids, gate: Bools) -> Events:
    """Find them."""
    distance, distinct = np.zeros_like(keys_), 0
    for stream in range(len(keys_)):
        mine = keys_[stream, gate[stream]]
        distance[stream] = recurrences(keys_[stream], gate[stream], WINDOW)
        distinct += len(np.unique(mine))
    return Events(distance, distinct)


def run(
    ids: Ids,
    gate: Bools,
    shape: Shape,
    *,
    order: int = 1,
    salt: int = 0,
    chunk: int = CHUNK,
    value: Callable[[torch.Tensor], torch.Tensor] | None = None,
    write_gate: float = 1.0,
    tagless: bool = False,
    wanted: Bools | None = None,
    seen: Callable[[read.Found, int, int], None] | None = None,
) -> dict[str, Any]:
    """R_keep of every stream, and what it took.

    `value` gives the values of written tokens [n] as [n, value_width]; `tagless` writes all keys of a slot
    under one tag, as seed 001's rule does. `wanted` are the tokens whose coming back is an event, where they
    are not those that are written. `seen` is told what each chunk's read found, and where the chunk
    begins and ends.
    """
    torch.set_num_threads(1)
    streams, length = ids.shape
    lexical, memory = Lexical((order,), shape.sets, salt), Entries.empty(shape, streams)
    found_events = events(keys(ids, order), gate if wanted is None else wanted)
    tokens, gates = torch.from_numpy(ids), torch.from_numpy(gate)
    before = lexical.begin(streams)
    kept = np.zeros((streams, length), bool)
    for start in range(0, length, chunk):
        end = min(start + chunk, length)
        sets, tags, before = lexical.addresses(tokens[:, start:end], before)
        sets, tags = sets[..., 0], tags[..., 0]
        if tagless:
            tags = torch.zeros_like(tags)
        found = read.exact(memory, sets, tags, payload=False)
        kept[:, start:end] = found.hit.numpy()
        if seen:
            seen(found, start, end)
        stream, at = gates[:, start:end].nonzero(as_tuple=True)
        n, time = len(at), at + start
        content = torch.zeros(n, shape.value_width) if value is None else value(tokens[stream, time])
        writes = Writes(
            stream=stream,
            set=sets[stream, at],
            tag=tags[stream, at],
            gate=torch.full((n,), write_gate),
            key=torch.zeros(n, shape.key_width),
            value=content,
            payload=torch.zeros(n, shape.payload, dtype=torch.int32),
            place=time + 1,
            time=time,
            priority=torch.zeros(n),
        )
        chunked.write_(memory, writes, end - start)
    are = found_events.are
    far = {}
    for low, high in zip(DISTANCES, (*DISTANCES[1:], length), strict=True):
        here = (found_events.distance > low) & (found_events.distance <= high)
        far[f"{low}-{high}"] = float(kept[here].mean()) if here.any() else None
    return {
        "recall": [float(kept[n, are[n]].mean()) if are[n].any() else float("nan") for n in range(streams)],
        "events": int(are.sum()),
        "writes": int(gate.sum()),
        "distinct": found_events.distinct,
        "occupied": memory.occupied().tolist(),
        "by_distance": far,
    }
