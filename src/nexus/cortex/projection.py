"""Makes a model's token states small: which tokens are kept, and their 64 numbers.

Words that carry no meaning of their own (stop words, punctuation, the model's special tokens) are
left out; the rest is centred and turned onto the 64 directions in which token states differ most,
which bench/fit_projection.py finds for each model and puts into data/MODEL.tokens.npy: float16, shape
(1 + dimensions, 64), first the offset that centres them.

Invariant: the projection is fixed for a model, so vectors made at different times compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nexus.core.errors import MissingPartError
from nexus.cortex.late import DIMENSIONS, Matrix, TokenVectors

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_DATA = Path(__file__).with_name("data")
_STOP = frozenset(
    "a an the i me my we us our you your he him his she her it its they them their this that these those "
    "is am are was were be been being do does did have has had will would can could shall should may might "
    "and or but not so if then than as of in on at to for with by from into about what when where who whom "
    "which how why there here s t d m re ve ll don".split()
)


class Projection:
    """From last states to `TokenVectors`, for one model."""

    def __init__(self, weights: Matrix, dropped: NDArray[np.bool_]) -> None:
        """`weights` (1 + dimensions, 64): an offset and a matrix. `dropped[id]`: is the token left out."""
        self._offset, self._matrix = weights[0], np.ascontiguousarray(weights[1:])
        self._dropped = dropped

    @staticmethod
    def exists(model: str) -> bool:
        """Whether one was fitted for this model."""
        return _file(model).is_file()

    @classmethod
    def load(cls, model: str, tokenizer: Tokenizer) -> Projection:
        """The fitted one. Raises `MissingPartError` where there is none."""
        try:
            weights = np.load(_file(model), allow_pickle=False).astype(np.float32)
        except (OSError, ValueError) as error:
            raise MissingPartError(
                f"{model} has no token projection here: {error}",
                hint=f"python bench/fit_projection.py --model {model}",
            ) from error
        return cls(weights, dropped_tokens(tokenizer))

    def kept(self, ids: Sequence[int]) -> NDArray[np.intp]:
        """Positions of the tokens that stand for the text, at least one of them.

        A text of stop words only keeps them, one of nothing at all its special tokens.
        """
        dropped = self._dropped[np.asarray(ids)]
        found = np.flatnonzero(~dropped)
        return found if len(found) else np.arange(len(ids))

    def small(self, states: Matrix, ids: Sequence[int]) -> Matrix:
        """Unit vectors of the kept tokens, float32, shape (n, 64)."""
        rows = states[self.kept(ids)]
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        rows = rows @ self._matrix + self._offset
        small: Matrix = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return small

    def compress(self, states: Matrix, ids: Sequence[int]) -> TokenVectors:
        """`small`, as bytes."""
        return TokenVectors.of(self.small(states, ids))


def dropped_tokens(tokenizer: Tokenizer) -> NDArray[np.bool_]:
    """For every token id: is it special, punctuation or a stop word."""
    words = tokenizer.get_vocab(with_added_tokens=True)
    dropped = np.zeros(max(words.values(), default=0) + 1, np.bool_)
    for token, index in words.items():
        # Marks of a word's begin (byte-level and SentencePiece); "##" marks a word's middle, kept.
        word = token.lstrip("\u0120\u2581").lower()
        dropped[index] = word in _STOP or not any(character.isalnum() for character in word)
    for index, added in tokenizer.get_added_tokens_decoder().items():
        dropped[index] |= added.special
    return dropped


def fitted(mean: NDArray[np.float64], covariance: NDArray[np.float64]) -> NDArray[np.float16]:
    """The weights that keep most of the variance, from the states' mean (d,) and covariance (d, d)."""
    values, directions = np.linalg.eigh(covariance)
    best = directions[:, np.argsort(values)[::-1][:DIMENSIONS]]
    # An eigenvector's sign is free: the greatest component is made positive, so that reruns agree.
    signs = np.sign(best[np.abs(best).argmax(axis=0), np.arange(best.shape[1])])
    best = best * signs
    return np.vstack([-(mean @ best), best]).astype(np.float16)


def _file(model: str) -> Path:
    return _DATA / f"{model}.tokens.npy"
