"""Which entry leaves a full set, and whether a chunk or a token is one step: V28 and V12.

Replacement by re-reference prediction (SRRIP, Jaleel and others 2010) is not part of the product: it lives
here, beside a token-by-token LRU of the same make, so that nothing differs but the policy.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch

from experiments import stream
from experiments.books import books
from experiments.run import spread
from nexus.transformer.lexical import Lexical
from nexus.transformer.rsm.shape import Shape

FAR: Final = 3  # prediction of SRRIP for "will not come back"; a new entry starts one below


def run(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Rows with `policy` "lru", "srrip" (token by token) or "chunk" (the product, chunks of `chunk`)."""
    read, rows = books(), {}
    ids = read.streams[: config["streams"]]
    gate = read.rare(ids)
    for name, row in config["rows"].items():
        recalls = []
        for salt in config["salts"]:
            if row["policy"] == "chunk":
                shape = Shape(sets=row["sets"], ways=row["ways"], key_width=1, value_width=1, payload=0)
                found = stream.run(ids, gate, shape, order=row["order"], salt=salt, chunk=row["chunk"])
                recalls += found["recall"]
            else:
                recalls += one_by_one(ids, gate, row, salt)
        rows[name] = {"recall": spread(recalls), "entries": row["sets"] * row["ways"]}
        print(f"  {name}: {rows[name]['recall']['mean']:.4f}", flush=True)
    return rows


def one_by_one(ids: stream.Ids, gate: stream.Bools, row: dict[str, Any], salt: int) -> list[float]:
    """R_keep of each stream when every token is a step of its own."""
    lexical = Lexical((row["order"],), row["sets"], salt)
    sets, tags, _ = lexical.addresses(torch.from_numpy(ids), lexical.begin(len(ids)))
    are = stream.events(stream.keys(ids, row["order"]), gate).are
    step = _lru if row["policy"] == "lru" else _srrip
    found = []
    for n in range(len(ids)):
        at = np.flatnonzero(gate[n])
        hits = step(sets[n, at, 0].tolist(), tags[n, at, 0].tolist(), row["sets"], row["ways"])
        found.append(float(np.array(hits)[are[n, at]].mean()))
    return found


def _lru(sets: list[int], tags: list[int], count: int, ways: int) -> list[bool]:
    """Whether each tag was there when it came; a dictionary keeps the order of use."""
    held: list[dict[int, None]] = [{} for _ in range(count)]
    hits = []
    for set_, tag in zip(sets, tags, strict=True):
        here = held[set_]
        hits.append(tag in here)
        here.pop(tag, None)
        here[tag] = None
        if len(here) > ways:
            del here[next(iter(here))]
    return hits


def _srrip(sets: list[int], tags: list[int], count: int, ways: int) -> list[bool]:
    """As `_lru`, but what is asked for is predicted near; the oldest of the far leaves, else all age."""
    held: list[dict[int, int]] = [{} for _ in range(count)]
    hits = []
    for set_, tag in zip(sets, tags, strict=True):
        here = held[set_]
        hits.append(tag in here)
        if here.pop(tag, None) is not None:
            here[tag] = 0
            continue
        while len(here) >= ways:
            far = next((other for other, prediction in here.items() if prediction >= FAR), None)
            if far is not None:
                del here[far]
            else:
                for other in here:
                    here[other] += 1
        here[tag] = FAR - 1
    return hits
