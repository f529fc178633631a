"""How well given texts answer a question, without storing them.

The score of a text is its own: it does not change because a worse text is sent along, but for how rare a
word is, which only these texts can tell. Knows no index. Invariant: scores are between 0 and 1, and the
greater of two is the better text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nexus.cortex import words
from nexus.cortex.embedder import Embedder

# As search compares results of different kinds (`nexus.cortex.fusion.ACROSS`), where a text alone is its
# own surroundings.
MEANING, WORDS = 0.6, 0.4


def relevance(
    embedder: Embedder, query: str, passages: NDArray[np.float32], texts: Sequence[str]
) -> NDArray[np.float32]:
    """A score for each text, shape (n,), of `texts` and their vectors `passages` (n, dimensions).

    .5 is a text that is about the question by its meaning, and that holds each of the question's telling
    words once: both halves are x / (1 + x), where 1 is that. A question of nothing but words that tell
    nothing is judged by its meaning alone.
    """
    cosine = passages @ embedder.query(query)
    band = embedder.relevant - embedder.unrelated
    meaning = _half(np.maximum(0, (cosine - embedder.unrelated) / band))
    asked = [words.number(word) for word in words.question(query)]
    if not asked:
        return meaning
    held = [words.passage(text) for text in texts]
    frequency = Counter(number for one in held for number in one.indices.tolist())
    rarity = {number: words.rarity(len(texts), frequency[number]) for number in set(asked)}
    most = sum(rarity[number] for number in asked)
    scores = []
    for one in held:
        weights = dict(zip(one.indices.tolist(), one.values.tolist(), strict=True))
        scores.append(sum(rarity[number] * weights.get(number, 0.0) for number in asked))
    said = _half(np.array(scores, np.float32) / np.float32(most))
    return (MEANING * meaning + WORDS * said).astype(np.float32)


def _half(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """0 for 0, .5 for 1, 1 for what is without bounds."""
    scaled: NDArray[np.float32] = (values / (1 + values)).astype(np.float32)
    return scaled
