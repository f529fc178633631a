"""Vectors of one byte per number, and the two loops over them: the Python face of native/cortex.

`Codes` holds vectors rounded to int8 and finds those with the greatest product with a question;
`max_similarity` compares a question with passages token by token. Where the compiled part is missing,
NumPy does the same, several times slower; `kernel()` says which is at work. Knows nothing of points or
filters. Invariant: `Codes.best` returns the same bits from every kernel, NumPy included, because the
products are sums of integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from nexus.core import platform
from nexus.core.errors import MissingPartError

Matrix = NDArray[np.float32]
TOKEN_DIMENSIONS = 64
NUMPY = "numpy"
# In the order of enum nx_kernel, slow to fast.
_NAMES = ("scalar", "avx2", "avx512vnni")
_ALIGNMENT = 64
_WIDEST = 8192
# Rows that NumPy multiplies at once; as float32 these fit into a CPU's cache.
_BLOCK = 1024


def kernels() -> tuple[str, ...]:
    """What this machine can run, slow to fast: "numpy" always, then the compiled kernels."""
    native = _native()
    return (NUMPY, *(_NAMES[n] for n in native.cortex_kernels())) if native else (NUMPY,)


def kernel() -> str:
    """What is at work: the fastest of `kernels()`."""
    return _fastest()


class Codes:
    """A growing table of vectors as int8, one scale for each.

    Row i is `scales[i] * codes[i]`; the greatest number of each vector becomes 127 or -127, so a product
    of two unit vectors of d numbers is off by about 0.004 / sqrt(d).
    """

    def __init__(self, dimensions: int) -> None:
        """Vectors of 1 to 8192 numbers. Raises `ValueError`."""
        if not 1 <= dimensions <= _WIDEST:
            raise ValueError(f"{dimensions} dimensions; 1 to {_WIDEST} can be scanned")
        self.dimensions = dimensions
        self._width = -(-dimensions // _ALIGNMENT) * _ALIGNMENT
        self._codes = _aligned_rows(0, self._width)
        self._scales = np.zeros(0, np.float32)

    @classmethod
    def over(cls, dimensions: int, rows: NDArray[np.int8], scales: Matrix) -> Codes:
        """A table of what another one had as `rows` and `scales`, at an aligned address; not copied."""
        table = cls(dimensions)
        table._codes, table._scales = rows, scales
        return table

    @property
    def width(self) -> int:
        """Bytes of a row: the dimensions, and zeros."""
        return self._width

    @property
    def rows(self) -> NDArray[np.int8]:
        """The codes, shape (n, width)."""
        return self._codes

    @property
    def scales(self) -> Matrix:
        """One for each row, shape (n,)."""
        return self._scales

    def __len__(self) -> int:
        return len(self._codes)

    def resize(self, count: int) -> None:
        """Have `count` rows: what is there stays, new rows are zeros."""
        kept = min(count, len(self))
        codes, scales = _aligned_rows(count, self._width), np.zeros(count, np.float32)
        codes[:kept], scales[:kept] = self._codes[:kept], self._scales[:kept]
        self._codes, self._scales = codes, scales

    def put(self, rows: NDArray[np.intp], vectors: Matrix) -> None:
        """Set these rows; `vectors` is finite, float32, shape (len(rows), dimensions)."""
        greatest = np.abs(vectors).max(axis=1)
        scales = np.where(greatest < 1e-30, np.float32(0), greatest / np.float32(127))
        divisors = np.where(scales == 0, np.float32(1), scales)
        codes = np.rint(vectors / divisors[:, None]).clip(-127, 127)
        self._codes[rows, : self.dimensions] = codes.astype(np.int8)
        self._scales[rows] = scales

    def keep(self, rows: NDArray[np.intp], count: int) -> None:
        """Leave these rows only, in this order, and room for `count` rows altogether."""
        codes, scales = _aligned_rows(count, self._width), np.zeros(count, np.float32)
        codes[: len(rows)], scales[: len(rows)] = self._codes[rows], self._scales[rows]
        self._codes, self._scales = codes, scales

    def best(
        self, question: Matrix, limit: int, allowed: NDArray[np.bool_], kernel: str = ""
    ) -> tuple[NDArray[np.uint32], Matrix]:
        """Rows with the greatest products, best first, and the products; equal ones by ascending row.

        `question` is float32, shape (dimensions,). `allowed`, shape (n <= len(self),), says which of the
        first n rows may be found; the others may not. `kernel` forces one of `kernels()`. Raises
        `ValueError` for a question of another shape or with a number that is not finite.
        """
        if question.shape != (self.dimensions,):
            raise ValueError(f"a question of shape {question.shape}, not ({self.dimensions},)")
        if not np.isfinite(question).all():
            raise ValueError("the question's vector is not finite")
        question = np.ascontiguousarray(question, np.float32)
        chosen = kernel or _fastest()
        if chosen == NUMPY:
            return _best_rows(self._codes, self._scales, question, limit, allowed)
        limit = max(0, min(limit, int(np.count_nonzero(allowed))))
        rows, scores = np.empty(limit, np.uint32), np.empty(limit, np.float32)
        found = _compiled().cortex_scan(
            _NAMES.index(chosen), self._codes, self._scales, len(allowed), question,
            _bitmap(allowed), rows, scores,
        )  # fmt: skip
        return rows[:found], scores[:found]


def max_similarity(
    question: Matrix, items: Sequence[NDArray[np.int8]], scale: float, kernel: str = ""
) -> Matrix:
    """For each item the mean over the question's tokens of the greatest product with one of its tokens.

    `question` is float32, shape (q, 64). An item is int8, shape (t, 64), and means `scale` times its
    codes. Returns float32, shape (len(items),); 0 for an item without tokens, and without a question.
    The compiled kernels round the question to int16 and agree with each other to the bit, with NumPy to
    about 1e-4. Raises `ValueError` for other shapes and a question that is not finite.
    """
    if question.ndim != 2 or any(item.ndim != 2 for item in items):
        raise ValueError("the question and each item are matrices of token vectors")
    if any(width != TOKEN_DIMENSIONS for width in (question.shape[1], *(i.shape[1] for i in items))):
        raise ValueError(f"token vectors have {TOKEN_DIMENSIONS} dimensions")
    if not np.isfinite(question).all():
        raise ValueError("the question's vectors are not finite")
    scores = np.zeros(len(items), np.float32)
    chosen = kernel or _fastest()
    if chosen == NUMPY:
        for i, item in enumerate(items):
            if len(item) and len(question):
                scores[i] = (item.astype(np.float32) @ question.T).max(axis=0).mean() * np.float32(scale)
    elif items:
        offsets = np.zeros(len(items) + 1, np.uint64)
        np.cumsum([len(item) for item in items], out=offsets[1:])
        _compiled().cortex_max_similarity(
            _NAMES.index(chosen), np.ascontiguousarray(question, np.float32),
            np.ascontiguousarray(np.concatenate(items)), offsets, scale, scores,
        )  # fmt: skip
    return scores


def _best_rows(
    codes: NDArray[np.int8], scales: Matrix, question: Matrix, limit: int, allowed: NDArray[np.bool_]
) -> tuple[NDArray[np.uint32], Matrix]:
    """The definition in native/cortex/include/nexus_cortex.h, in NumPy."""
    greatest = np.abs(question).max()
    scale, rounded = np.float32(0), np.zeros(codes.shape[1], np.float32)
    if greatest >= np.float32(1e-30):
        scale = greatest / np.float32(127)
        rounded[: len(question)] = np.rint(question * (np.float32(127) / greatest)).clip(-127, 127)
    # A float holds integers exactly up to 2**24: enough for the sums of 1024 products.
    exact = np.float32 if codes.shape[1] <= 1024 else np.float64
    products = np.empty(len(allowed), exact)
    for start in range(0, len(allowed), _BLOCK):
        part = codes[start : min(start + _BLOCK, len(allowed))].astype(exact)
        products[start : start + len(part)] = part @ rounded.astype(exact)
    scores: Matrix = products.astype(np.float32) * (scales[: len(allowed)] * scale)
    rows = np.flatnonzero(allowed)
    order = np.lexsort((rows, -scores[rows]))[: max(0, limit)]
    found = rows[order]
    return found.astype(np.uint32), scores[found]


def _aligned_rows(count: int, width: int) -> NDArray[np.int8]:
    """Zeros, shape (count, width), at an address that the kernels' wide loads need."""
    memory = np.zeros(count * width + _ALIGNMENT, np.int8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + count * width].reshape(count, width)


def _bitmap(allowed: NDArray[np.bool_]) -> NDArray[np.uint64] | None:
    """One bit for each row in words of 64; None where all are allowed."""
    if allowed.all():
        return None
    packed = np.zeros(-(-len(allowed) // 64) * 8, np.uint8)
    packed[: -(-len(allowed) // 8)] = np.packbits(allowed, bitorder="little")
    return packed.view("<u8").astype(np.uint64, copy=False)


@cache
def _fastest() -> str:
    return kernels()[-1]


def _compiled() -> ModuleType:
    native = _native()
    if native is None:
        raise MissingPartError("the native part of nexus is not built", hint="nexus doctor says how")
    return native


@cache
def _native() -> ModuleType | None:
    try:
        return platform.native()
    except MissingPartError:
        # `nexus doctor` names it; a search must not try to build it again each time.
        return None
