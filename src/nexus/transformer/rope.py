"""Rotary positions inside the window.

Knows nothing of the stream: positions count from the start of the chunk before, so they are below two
windows wherever in a stream the chunk stands. Invariant: what a query and a key give depends on their
distance alone, and is the same number at position 10^8 as at 0.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Rotation(nn.Module):
    """Turns pairs of numbers by an angle that grows with the position. Table: [2 * window + 1, width / 2]."""

    cos: Tensor
    sin: Tensor

    def __init__(self, width: int, window: int, base: float) -> None:
        super().__init__()
        # In float64: an angle is right to the last bit of float32, whatever the device computes with.
        rates = base ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
        angles = torch.outer(torch.arange(2 * window + 1, dtype=torch.float64), rates)
        # Computed from the configuration, so no part of what is saved.
        self.register_buffer("cos", angles.cos().float(), persistent=False)
        self.register_buffer("sin", angles.sin().float(), persistent=False)

    def forward(self, x: Tensor, first: int) -> Tensor:
        """x [..., T, width] at the positions first, first + 1, ..."""
        length = x.shape[-2]
        cos, sin = self.cos[first : first + length], self.sin[first : first + length]
        a, b = x.float().chunk(2, dim=-1)
        return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1).to(x.dtype)
