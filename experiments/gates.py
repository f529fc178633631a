"""What a write gate keeps when the ids of the vocabulary are dealt anew: V33.

Gate "id": the id is above 5,000, as seed 001's V65 has it. Gate "rank": the token lies outside the smallest
set of types that make 80 % of the training text, by a table that is dealt anew together with the ids.
`uuid` is the share of a random UUID's tokens that the gate lets through: a needle of which nothing is
written is lost.
"""

from __future__ import annotations

import random
import uuid
from typing import Any, Final

import numpy as np
from tokenizers import Tokenizer

from experiments import stream
from experiments.books import TYPES, books, tokenizer_file
from experiments.run import spread
from nexus.transformer.rsm.shape import Shape

ABOVE: Final = 5_000
UUIDS: Final = 100


def run(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Rows with `gate` and `dealt`; with 8 ways and 16,384 entries, one run a salt and stream."""
    kept, rows = books(), {}
    ids = kept.streams[: config["streams"]]
    tokenizer = Tokenizer.from_file(str(tokenizer_file()))
    shape = Shape(key_width=1, value_width=1, payload=0)
    for name, row in config["rows"].items():
        opens, recall, of_uuids = [], [], []
        for salt in config["salts"]:
            new = np.random.default_rng(salt).permutation(TYPES) if row["dealt"] else np.arange(TYPES)
            if row["gate"] == "id":
                rare = np.arange(TYPES) > ABOVE
            else:
                rare = np.empty(TYPES, bool)
                rare[new] = kept.rank >= kept.mass80
            gate = rare[new[ids]]
            opens += gate.mean(axis=1).tolist()
            recall += stream.run(new[ids], gate, shape, salt=salt)["recall"]
            draw = random.Random(salt)
            needles = [str(uuid.UUID(int=draw.getrandbits(128), version=4)) for _ in range(UUIDS)]
            of_uuids.append(
                float(np.mean([rare[new[tokenizer.encode(text).ids]].mean() for text in needles]))
            )
        rows[name] = {"opens for": spread(opens), "recall": spread(recall), "uuid": spread(of_uuids)}
        print(
            f"  {name}: {rows[name]['opens for']['mean']:.4f} {rows[name]['recall']['mean']:.4f}", flush=True
        )
    return rows
