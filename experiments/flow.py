"""What the energy cell and its relaxation are worth to Flow: V71, V72.

One pass over the first `size` bytes of held-out novels, every byte foretold before it is learnt, with the
product's Flow; a row changes its settings, or is a compressor of the same bytes.
"""

from __future__ import annotations

import bz2
import lzma
import os
from pathlib import Path
from typing import Any

from experiments.run import spread
from nexus.core.errors import InvalidInputError
from nexus.flowing.flow import Flow
from nexus.flowing.settings import FlowSettings


def run(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Rows with `settings` or `compressor`; a run is a novel."""
    texts = [_novel(number, config["size"]) for number in config["novels"]]
    rows: dict[str, dict[str, Any]] = {}
    for name, row in config["rows"].items():
        read = [
            _squeezed(row["compressor"], text) if "compressor" in row else _read(row, text) for text in texts
        ]
        rows[name] = {figure: spread([each[figure] for each in read]) for figure in read[0]}
        print(f"  {name}: {rows[name]['bits a byte']['mean']:.3f}", flush=True)
    return rows


def _novel(number: int, size: int) -> bytes:
    data = os.environ.get("NEXUS_DATA", "")
    path = Path(data) / "books" / "eval" / f"{number}.txt"
    if not data or not path.exists():
        raise InvalidInputError(
            f"NEXUS_DATA is {data!r} and holds no books/eval/{number}.txt",
            hint="name the folder with the data sets (docs/guides/benchmarks.md)",
        )
    return path.read_bytes()[:size]


def _read(row: dict[str, Any], text: bytes) -> dict[str, float]:
    found = Flow(FlowSettings(**row["settings"])).read(text, learn=True)
    return {"bits a byte": found.bits_per_byte, "depth": found.flow_depth}


def _squeezed(name: str, text: bytes) -> dict[str, float]:
    packed = {"bzip2": lambda: bz2.compress(text, 9), "xz": lambda: lzma.compress(text, preset=9)}[name]()
    return {"bits a byte": 8 * len(packed) / len(text), "depth": 0.0}
