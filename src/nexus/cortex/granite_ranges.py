"""What the granite encoder's matrices are given: the range of every input channel, as eight bits.

Quantising a whole input with one scale loses the sentence: a few channels are a hundred times as large
as the others. So each channel is multiplied by a factor of its own, which its row of the matrix is
divided by (Xiao et al. 2023, SmoothQuant), and the channel furthest out is not quantised at all: its
factor is 0 and the graph adds its product in float. The ranges were seen on real text by
bench/fit_granite.py and do not depend on the input, so a text has the same vector alone and in a batch.

Knows neither the graph nor the pack. Invariant: factors are finite and not negative, zero points lie
in 0..255, so that any file accepted here gives a valid graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nexus.core.errors import ModelCorruptError

Floats = NDArray[np.float32]
SITES = ("qkv", "ao", "f1", "f2")
# Channels per layer that stay in float, by matrix. Only the one behind the activation needs any.
_EXACT = {"f2": 2}
# Share of a channel's range that its factor takes away; the rest goes into the matrix.
_STRENGTH = 0.65
# Other text than the one seen may reach further.
_MARGIN = 1.1
_FILE = Path(__file__).with_name("data") / "granite-embedding-30m-english.ranges.npy"


class Site(NamedTuple):
    """Input of one matrix: `round(x * factor) + zero` is its unsigned byte; factor 0: keep it float."""

    factor: Floats
    zero: int


class Ranges:
    """All sites of an encoder: float16, shape (layers, 3 x hidden + intermediate + 4)."""

    def __init__(self, table: NDArray[np.float16], hidden: int, intermediate: int) -> None:
        """Raises `ModelCorruptError` where the table is not one of such an encoder."""
        self._widths = {site: intermediate if site == "f2" else hidden for site in SITES}
        width = sum(self._widths.values()) + len(SITES)
        zeros = table[:, -len(SITES) :] if table.ndim == 2 else table
        if table.ndim != 2 or table.shape[1] != width or not np.isfinite(table).all():
            raise _bad(f"shape {table.shape}, wanted (layers, {width}) finite values")
        if table.min() < 0 or zeros.max() > 255 or (zeros != np.rint(zeros)).any():
            raise _bad("a factor is negative or a zero point no byte")
        self.table = table

    @classmethod
    def load(cls, hidden: int, intermediate: int) -> Ranges:
        """The published ones."""
        try:
            table = np.load(_FILE, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise _bad(str(error)) from error
        return cls(table, hidden, intermediate)

    @property
    def layers(self) -> int:
        """How many layers were measured."""
        return len(self.table)

    def site(self, layer: int, name: str) -> Site:
        """The input of matrix `name` in a layer."""
        first = 0
        for site in SITES[: SITES.index(name)]:
            first += self._widths[site]
        factor = self.table[layer, first : first + self._widths[name]].astype(np.float32)
        return Site(factor, int(self.table[layer, SITES.index(name) - len(SITES)]))


def fitted(
    low: Mapping[tuple[int, str], Floats],
    high: Mapping[tuple[int, str], Floats],
    weights: Mapping[tuple[int, str], Floats],
) -> NDArray[np.float16]:
    """The table of `Ranges`, from each channel's least and greatest value and each matrix (out, in)."""
    layers = 1 + max(layer for layer, _ in weights)
    rows = []
    for layer in range(layers):
        sites = [
            _site(low[layer, name], high[layer, name], weights[layer, name], _EXACT.get(name, 0))
            for name in SITES
        ]
        rows.append(
            np.concatenate([*(s.factor for s in sites), np.array([s.zero for s in sites], np.float32)])
        )
    return np.stack(rows).astype(np.float16)


def _site(low: Floats, high: Floats, weights: Floats, exact: int) -> Site:
    reach = np.maximum(np.maximum(-low, high), 1e-3)
    size = np.maximum(np.abs(weights).max(axis=0), 1e-4)
    smooth = reach**_STRENGTH / size ** (1 - _STRENGTH)
    kept = np.ones(len(reach), np.bool_)
    kept[np.argsort(-reach, kind="stable")[:exact]] = False
    least = min(0.0, float((low / smooth)[kept].min())) * _MARGIN
    most = max(0.0, float((high / smooth)[kept].max())) * _MARGIN
    step = (most - least) / 255
    # 60,000: what half a float can hold.
    factor = np.where(kept, np.minimum(1 / (smooth * step), 60_000), 0)
    return Site(factor.astype(np.float32), round(-least / step))


def _bad(why: str) -> ModelCorruptError:
    return ModelCorruptError(f"{_FILE.name} does not fit: {why}", hint="install nexus again")
