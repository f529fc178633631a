"""What is in an entry when it is read: in seed 001's slot, which blends all its keys, and in one with a tag.

Every key has a direction of its own, and a mention writes it, with `noise` on top. A read is right if, of all
directions, that of the key asked for is nearest to what was read; `likeness` is the mean cosine between
the two, 0 where nothing was found. Blending is the product's own rule with one tag for all keys of a slot.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from experiments import jobs, stream
from experiments.books import TYPES, books
from experiments.run import spread
from nexus.transformer.rsm import read
from nexus.transformer.rsm.shape import Shape

WIDTH: Final = 64
ASKED: Final = 2_000  # events of a stream at which the read is compared with all directions


def run(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Rows with sets, ways, `gate` of a write, `tagless`, and `noise` (its length beside a direction's)."""
    kept, rows = books(), {}
    ids = kept.streams[: config["streams"]]
    found = jobs.done(config, _one, ids, kept.rare(ids))
    for name in config["rows"]:
        each = [found[name, salt] for salt in config["salts"]]
        rows[name] = {
            figure: spread([value for one in each for value in one[figure]])
            for figure in ("right", "likeness", "there")
        }
    return rows


def _one(ids: stream.Ids, gate: stream.Bools, row: dict[str, Any], salt: int) -> dict[str, list[float]]:
    random = torch.Generator().manual_seed(salt)
    directions = torch.nn.functional.normalize(torch.randn(TYPES, WIDTH, generator=random), dim=1)
    are = stream.events(ids, gate).are
    # The same share of each stream's events, spread over all of it.
    asked = np.zeros_like(are)
    for n in range(len(ids)):
        at = np.flatnonzero(are[n])
        asked[n, at[:: max(1, len(at) // ASKED)]] = True
    right: list[list[Tensor]] = [[] for _ in ids]
    like: list[list[Tensor]] = [[] for _ in ids]
    there: list[list[Tensor]] = [[] for _ in ids]

    def value(tokens: Tensor) -> Tensor:
        noise = torch.randn(len(tokens), WIDTH, generator=random) * WIDTH**-0.5
        return directions[tokens].add(noise, alpha=row["noise"])

    def seen(found: read.Found, start: int, end: int) -> None:
        for n in range(len(ids)):
            at = torch.from_numpy(np.flatnonzero(asked[n, start:end]))
            wanted = torch.from_numpy(ids[n, start:end])[at]
            values, hit = found.value[n, at], found.hit[n, at]
            right[n].append(((values @ directions.T).argmax(1) == wanted) & hit)
            like[n].append(torch.nn.functional.cosine_similarity(values, directions[wanted], dim=1))
            there[n].append(hit)

    shape = Shape(sets=row["sets"], ways=row["ways"], key_width=1, value_width=WIDTH, payload=0)
    stream.run(
        ids, gate, shape, salt=salt, value=value, write_gate=row["gate"], tagless=row["tagless"], seen=seen
    )
    return {
        figure: [float(torch.cat(parts).float().mean()) for parts in each]
        for figure, each in (("right", right), ("likeness", like), ("there", there))
    }
