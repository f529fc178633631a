"""See which values granite's matrices meet on real text (src/nexus/cortex/granite_ranges.py).

    NEXUS_DATA=folder python bench/fit_granite.py --pack FILE [--out FILE]

The pack is the one of the catalog. The text is that of fit_projection.py: fastapi, rust-book and coding
sessions, permissively licensed, no benchmark. The encoder is computed in NumPy; of each matrix's input
the least and the greatest value of every channel is kept.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from fit_projection import SETS, paragraphs
from numpy.typing import NDArray
from tokenizers import Tokenizer

from nexus.cortex.granite_pack import Floats, Pack
from nexus.cortex.granite_ranges import SITES, fitted

PARAGRAPHS = 1000  # of each set
# Abramowitz and Stegun 7.1.26, error below 2e-7: NumPy has no erf.
_ERF = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)


def gelu(x: Floats) -> Floats:
    """x times the normal distribution function, exact to 2e-7."""
    z = np.abs(x) * np.float32(2**-0.5)
    t: Floats = np.float32(1) / (1 + np.float32(0.3275911) * z)
    sum_: Floats = np.zeros_like(x)
    for coefficient in _ERF:
        sum_ = (sum_ + np.float32(coefficient)) * t
    result: Floats = x * (1 + np.sign(x) * (1 - sum_ * np.exp(-z * z))) / 2
    return result


class Encoder:
    """The encoder in float32; `saw` is told what each matrix is given."""

    def __init__(self, pack: Pack, saw: Callable[[tuple[int, str], Floats], None]) -> None:
        self.arch, self.saw = pack.architecture, saw
        self.tensors = {name: pack.tensor(name) for name in pack.architecture.shapes()}

    def read(self, ids: list[int]) -> None:
        """One text with its special tokens."""
        arch, tensors = self.arch, self.tensors
        places = np.arange(len(ids)) + 2
        x = tensors["word_emb"][ids] + tensors["pos_emb"][places] + tensors["type_emb"][0]
        x = self.normal(x, "emb_ln")
        for layer in range(arch.layers):
            q, k, v = (
                part.reshape(len(ids), arch.heads, -1).transpose(1, 0, 2)
                for part in np.split(self.linear(x, layer, "qkv"), 3, axis=-1)
            )
            scores = q @ k.transpose(0, 2, 1) * np.float32((arch.hidden // arch.heads) ** -0.5)
            weight = np.exp(scores - scores.max(-1, keepdims=True))
            weight /= weight.sum(-1, keepdims=True)
            mixed = (weight @ v).transpose(1, 0, 2).reshape(len(ids), arch.hidden)
            x = self.normal(x + self.linear(mixed, layer, "ao"), f"l{layer}.aln")
            inner = gelu(self.linear(x, layer, "f1"))
            x = self.normal(x + self.linear(inner, layer, "f2"), f"l{layer}.fln")

    def linear(self, x: Floats, layer: int, name: str) -> Floats:
        """`x` through one matrix."""
        self.saw((layer, name), x)
        result: Floats = x @ self.tensors[f"l{layer}.{name}.w"].T + self.tensors[f"l{layer}.{name}.b"]
        return result

    def normal(self, x: Floats, name: str) -> Floats:
        """Layer normalisation."""
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + self.arch.epsilon)
        result: Floats = x * self.tensors[name + ".w"] + self.tensors[name + ".b"]
        return result


def main() -> None:
    """Read, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    out = Path("src/nexus/cortex/data/granite-embedding-30m-english.ranges.npy")
    parser.add_argument("--out", type=Path, default=out)
    options = parser.parse_args()
    low: dict[tuple[int, str], NDArray[np.float32]] = {}
    high: dict[tuple[int, str], NDArray[np.float32]] = {}

    def saw(site: tuple[int, str], x: Floats) -> None:
        least, most = x.min(axis=0), x.max(axis=0)
        low[site] = np.minimum(low.get(site, least), least)
        high[site] = np.maximum(high.get(site, most), most)

    with Pack(options.pack) as pack:
        encoder = Encoder(pack, saw)
        tokenizer = Tokenizer.from_str(pack.tokenizer.decode())
    tokenizer.no_truncation()
    count = 0
    for name in SETS:
        for text in paragraphs(Path(os.environ["NEXUS_DATA"]) / name, PARAGRAPHS):
            ids = tokenizer.encode(text).ids[:512]
            encoder.read(ids)
            count += len(ids)
    weights = {
        (layer, site): encoder.tensors[f"l{layer}.{site}.w"]
        for layer in range(encoder.arch.layers)
        for site in SITES
    }
    np.save(options.out, fitted(low, high, weights), allow_pickle=False)
    print(f"{count} tokens seen, {options.out} written")


if __name__ == "__main__":
    main()
