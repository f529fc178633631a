"""The vector of a file: four blocks, each a unit vector of what one side of it is about, or zeros.

Name and path; the lead, which is its first passage; the body, the mean of all passages; tags and neighbours.
A question stands in all four places, each scaled by a weight, so that the dot product is the weighted sum of
four cosines and other weights need no other index (seed 000: 1536 dimensions from a model of 384). Knows
neither where files are nor where vectors are kept.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from nexus.core.errors import InvalidInputError

Matrix = NDArray[np.float32]

BLOCKS = ("name", "lead", "body", "tags")
PRESETS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        # Measured on bench/memexfs_questions.json; what is near by the body is near.
        "balanced": MappingProxyType({"name": 0.15, "lead": 0.3, "body": 0.5, "tags": 0.05}),
        "name": MappingProxyType({"name": 1.0}),
        "content": MappingProxyType({"lead": 0.35, "body": 0.65}),
        "tags": MappingProxyType({"tags": 1.0}),
    }
)
_MOST_NAMED = 8
_SEPARATORS = re.compile(r"[-_./\\]+|(?<=[a-z])(?=[A-Z])")


def weights(wanted: Mapping[str, float] | str | None = None) -> dict[str, float]:
    """Weights of the four blocks that add up to 1; a preset by its name, `balanced` for None.

    Raises `InvalidInputError` for an unknown block or preset, and where none is above 0.
    """
    if wanted is None or isinstance(wanted, str):
        name = wanted or "balanced"
        if name not in PRESETS:
            raise InvalidInputError(f"unknown weights {name!r}", hint=f"one of {', '.join(PRESETS)}")
        wanted = PRESETS[name]
    unknown = sorted(set(wanted) - set(BLOCKS))
    if unknown:
        raise InvalidInputError(f"unknown block {unknown[0]!r}", hint=f"the blocks are {', '.join(BLOCKS)}")
    wrong = [value for value in wanted.values() if not (math.isfinite(value) and value >= 0)]
    total = sum(wanted.values())
    if wrong or not 0 < total < math.inf:
        raise InvalidInputError(
            f"the weights {dict(wanted)} cannot be used", hint="give numbers of 0 and more, one above 0"
        )
    return {block: wanted.get(block, 0.0) / total for block in BLOCKS}


def assembled(parts: Mapping[str, Matrix | None], dimensions: int) -> Matrix:
    """The vector of a file, shape (4 * dimensions,). What is absent, None or of no length is zeros."""
    whole = np.zeros((len(BLOCKS), dimensions), np.float32)
    for row, block in enumerate(BLOCKS):
        part = parts.get(block)
        if part is not None and (length := float(np.linalg.norm(part))) > 0:
            whole[row] = part / length
    return whole.reshape(-1)


def taken_apart(whole: Matrix) -> dict[str, Matrix]:
    """The blocks of a file's vector by name."""
    return dict(zip(BLOCKS, whole.reshape(len(BLOCKS), -1), strict=True))


def question(vector: Matrix, share: Mapping[str, float]) -> Matrix:
    """What is multiplied with files' vectors: `vector` (d,) in each place, scaled by its weight."""
    return np.concatenate([vector * np.float32(share.get(block, 0.0)) for block in BLOCKS])


def middle(vectors: Matrix, lengths: Sequence[int]) -> Matrix | None:
    """The mean of passages' vectors (n, d), each as long as its passage; None for no passages."""
    if not len(vectors):
        return None
    mean: Matrix = np.average(vectors, axis=0, weights=np.maximum(1, lengths)).astype(np.float32)
    return mean


def name_text(path: bytes) -> str:
    """What the name of a file says, with the folders it lies in, as words."""
    stem, dot, ending = path.decode("utf-8", "replace").rpartition(".")
    words = stem if dot and "/" not in ending else f"{stem}{dot}{ending}"
    return " ".join(_SEPARATORS.sub(" ", words).split())


def tags_text(tags: Sequence[str], neighbours: Sequence[bytes]) -> str:
    """Tags, and the names of a few files beside it; empty where there are neither."""
    named = [name_text(name.rpartition(b"/")[2]) for name in neighbours[:_MOST_NAMED]]
    return ", ".join([*tags, *named])
