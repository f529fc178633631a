"""Full attention: the layers of the window, each of which sees every token that ever was.

Its state grows with the stream, and with it the work of a token. Rotary positions count from the start of the
stream. Knows no memory. Invariant: with the weights of a window, the first `window` tokens of a stream get
the same hidden states.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Final

import torch
from torch import Tensor
from torch.nn import functional

from nexus.transformer.attention import CPU_ROWS
from nexus.transformer.backbone import EPSILON, Attention, Layer
from nexus.transformer.config import Config
from nexus.transformer.controls.control import Control

LONGEST: Final = 1 << 20  # tokens of a stream; more raise `WindowError`


class FullAttention(Control):
    """A causal transformer over the whole stream, up to `LONGEST` tokens of it."""

    bounded: ClassVar[bool] = False

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.backbone.config = replace(config, window=LONGEST)
        for layer in self.backbone.layers:
            assert isinstance(layer, Layer)
            weights = layer.attention.state_dict()
            layer.attention = Everything(config, self.backbone.rotation)
            layer.attention.load_state_dict(weights)


class Everything(Attention):
    """Attention without a band. The keys that are kept are turned already."""

    def forward(self, x: Tensor, past: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """x [B, T, d] to the same, and all keys and values."""
        batch, length, width = x.shape
        heads, kv_heads = self.config.heads, self.config.kv_heads
        before = 0 if past is None else past[0].shape[2]

        def split(y: Tensor, count: int) -> Tensor:
            return y.view(batch, length, count, -1).transpose(1, 2)

        query = self._turned(split(self.query(x), heads), before)
        key, value = self._turned(split(self.key(x), kv_heads), before), split(self.value(x), kv_heads)
        if past is not None:
            key, value = torch.cat([past[0], key], 2), torch.cat([past[1], value], 2)
        at, read = torch.arange(before + length, device=x.device), []
        for top in range(0, length, CPU_ROWS):
            asking = query[:, :, top : top + CPU_ROWS]
            rows, end = asking.shape[2], before + min(top + CPU_ROWS, length)
            visible = (at[:end] <= at[end - rows : end, None]).repeat(heads // kv_heads, 1)
            found = functional.scaled_dot_product_attention(
                asking.reshape(batch, kv_heads, -1, asking.shape[-1]),
                key[:, :, :end],
                value[:, :, :end],
                attn_mask=visible,
            )
            read.append(found.reshape(batch, heads, rows, -1))
        joined: Tensor = torch.cat(read, 2).transpose(1, 2).reshape(batch, length, width)
        return self.out(joined), (key, value)

    def _turned(self, x: Tensor, first: int) -> Tensor:
        """Normed, and turned by the angles of the positions `first`, ...; angles in float64."""
        width, at = x.shape[-1], torch.arange(first, first + x.shape[2], device=x.device)
        rates = self.config.rope_base ** (-torch.arange(0, width, 2, device=x.device).double() / width)
        angles = torch.outer(at.double(), rates)
        cos, sin = angles.cos().float(), angles.sin().float()
        a, b = functional.rms_norm(x.float(), (width,), None, EPSILON).chunk(2, -1)
        return torch.cat([a * cos - b * sin, a * sin + b * cos], -1).to(x.dtype)
