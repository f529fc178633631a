"""Causal attention that looks exactly `window` tokens back.

Knows nothing of weights or streams. Invariants: token i sees the tokens i - window to i and no other,
whatever the split into calls; the formulas are the same on every device; memory grows with the window and
not with its square times the length.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from nexus.transformer.rope import Rotation

# How many queries go into one call: fewer compute less of what the band hides, more fill a GPU.
CPU_ROWS: Final = 256
OTHER_ROWS: Final = 1024


def attend(query: Tensor, key: Tensor, value: Tensor, rotation: Rotation, window: int) -> Tensor:
    """What each query reads, [B, H, T, width].

    query [B, H, T, width]; key and value [B, K, P + T, width], P past tokens first, H a multiple of K; none
    of them turned yet. P may be anything up to `window`.
    """
    length = query.shape[2]
    past = key.shape[2] - length
    rows = min(window, CPU_ROWS if query.device.type == "cpu" else OTHER_ROWS)
    read = []
    for start in range(0, length, window):
        stop = min(start + window, length)
        first = max(0, past + start - window)
        # The first query of each stretch is at position `window`, so that the angles stay in the table.
        turned = rotation(key[:, :, first : past + stop], window - (past + start - first))
        asking = rotation(query[:, :, start:stop], window)
        for top in range(start, stop, rows):
            bottom = min(top + rows, stop)
            low = max(0, past + top - window)
            read.append(
                _banded(
                    asking[:, :, top - start : bottom - start],
                    turned[:, :, low - first : past + bottom - first],
                    value[:, :, low : past + bottom],
                    window,
                )
            )
    return torch.cat(read, dim=2) if len(read) > 1 else read[0]


def _banded(query: Tensor, key: Tensor, value: Tensor, window: int) -> Tensor:
    """The queries are the last tokens of the keys. Heads that share keys are stacked as rows: no key is
    copied.
    """
    batch, heads, rows, width = query.shape
    shared = heads // key.shape[1]
    mask = _mask(rows, key.shape[2], window, shared, query.dtype, query.device)
    stacked = query.reshape(batch, key.shape[1], shared * rows, width)
    found = functional.scaled_dot_product_attention(stacked, key, value, attn_mask=mask)
    return found.reshape(batch, heads, rows, width)


@lru_cache(maxsize=8)  # of megabytes each: a stream cut at odd places asks for ever new ones
def _mask(
    rows: int, columns: int, window: int, shared: int, dtype: torch.dtype, device: torch.device
) -> Tensor | None:
    """What is added to the scores, [shared * rows, columns]; None where every query sees every key."""
    if rows == 1:
        return None
    # Not inference tensors, which a later call that learns could not save.
    with torch.inference_mode(False):
        back = torch.arange(rows)[:, None] + (columns - rows) - torch.arange(columns)[None, :]
        hidden = (back < 0) | (back > window)
        mask = torch.zeros(rows, columns).masked_fill_(hidden, -torch.inf)
        return mask.repeat(shared, 1).to(dtype=dtype, device=device)
