"""A stream through a candidate, chunk by chunk, with what it thought of each next token.

Knows a candidate by `start`, `steps`, `log_p` and `losses`; knows nothing of what is counted. Invariant: the
memory is written as it would be without being looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from nexus.transformer.model import Nexus
from nexus.transformer.step import Read

Ids = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Step:
    """One chunk of one stream, T tokens from `at` on; all of their next tokens.

    on, off: float [T], nats with the memory and without. best, alone: int64 [T], the likeliest token with it
    and without. read: what the memory gave, of a Nexus; None of a control.
    """

    at: int
    on: Tensor
    off: Tensor
    best: Tensor
    alone: Tensor
    read: Read | None


@torch.no_grad()
def through(model: Any, ids: Ids) -> Iterator[Step]:
    """The tokens [n + 1] of one stream; n predictions."""
    device = next(model.parameters()).device
    tokens = torch.from_numpy(np.asarray(ids, np.int64)).to(device)[None]
    given, target = tokens[:, :-1], tokens[:, 1:]
    state = model.start(1, device)
    own = isinstance(model, Nexus)
    for at, piece in model.steps(given, state):
        next_ = target[:, at : at + piece.shape[1]]
        out = model(piece, state, reuse=True) if own else model(piece, state)
        state = out.state
        said = model.log_p(out)[0]
        on = -said.gather(-1, next_[0, :, None])[:, 0]
        if own:
            window = functional.log_softmax(model.backbone.logits(out.hidden)[0], -1)
            off = -window.gather(-1, next_[0, :, None])[:, 0]
            yield Step(at, on, off, said.argmax(-1), window.argmax(-1), out.read)
        else:
            off = model.losses(out, next_).off[0]
            best = said.argmax(-1)
            yield Step(at, on, off, best, best, None)
