"""Two windows that were trained alike, one with three values a weight: what that costs, V70.

NEXUS_WEIGHTS and NEXUS_WEIGHTS_TERNARY name states of the same step. Both read the same rows of held-out
books, each as one stream, so every token has its full window; the bytes are those of the words that are
foretold.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import torch
from torch.nn import functional

from experiments import weights
from experiments.run import spread
from nexus.core.errors import InvalidInputError
from nexus.transformer.backbone import Backbone
from nexus.transformer.tokenizer import Tokenizer

VARIABLES: Final = {"float": "NEXUS_WEIGHTS", "ternary": "NEXUS_WEIGHTS_TERNARY"}
PIECE: Final = 1024


def run(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A row for each twin; a run is a row of tokens."""
    torch.set_num_threads(1)
    both = {name: weights.trained(variable) for name, variable in VARIABLES.items()}
    if both["float"].step != both["ternary"].step:
        raise InvalidInputError(
            f"the float twin is of step {both['float'].step}, the ternary one of {both['ternary'].step}",
            hint="name states of the same step",
        )
    for name, twin in both.items():
        if twin.backbone.config.ternary != (name == "ternary"):
            raise InvalidInputError(f"{VARIABLES[name]} is not {name}", hint="exchange the two")
    tokens = torch.from_numpy(weights.rows("valid", config["rows_of_text"], config["length"] + 1))
    bits = {name: bits_a_byte(twin.backbone, tokens) for name, twin in both.items()}
    more = [one - other for one, other in zip(bits["ternary"], bits["float"], strict=True)]
    return {
        name: {
            "bits a byte": spread(bits[name]),
            "more than float": spread(more if name == "ternary" else [0.0] * len(more)),
            "steps": twin.step,
        }
        for name, twin in both.items()
    }


@torch.no_grad()
def bits_a_byte(backbone: Backbone, tokens: torch.Tensor) -> list[float]:
    """Of each row of int64 [rows, n + 1], whose first token is given."""
    tokenizer, past = Tokenizer.shipped(), None
    nats = np.zeros(len(tokens))
    for at in range(0, tokens.shape[1] - 1, PIECE):
        piece = tokens[:, at : at + PIECE + 1]
        hidden, past = backbone(piece[:, :-1], past)
        for row in range(len(tokens)):
            logits = backbone.logits(hidden[row])
            nats[row] += float(functional.cross_entropy(logits, piece[row, 1:], reduction="sum"))
    size = [len(tokenizer.decode_bytes(row[1:].tolist())) for row in tokens]
    return [float(each) / math.log(2) / count for each, count in zip(nats, size, strict=True)]
