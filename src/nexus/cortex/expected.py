"""A search for the words of the answer, beside the search for those of the question.

Who asks in other words than the text's finds little by them; a few sentences as the answer may read, right
or wrong, share its words (hypothetical document embeddings, Gao et al. 2022). Whoever knows the field gives
them; a language model that is shown what was found so far writes them, and again from what that found
(Shao et al. 2023). Knows no model: it says what one is to be asked. Invariant: what is expected decides
which passages are found and in which order, and is never among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nexus.cortex.filters import Filter
from nexus.cortex.fusion import standard
from nexus.cortex.ledger import ObjectKind
from nexus.cortex.retriever import Result, alike
from nexus.cortex.whereabouts import Find
from nexus.cortex.words import words_of

ROUNDS = 2
"""How often a model writes what it expects; the second time it has read what the first one found."""

MOST_WRITTEN = 80
"""Tokens that a model writes."""

WEIGHT = 2.0
"""What a standard deviation of the score for the expected counts for, where one for the question counts 1."""

SHOWN = 3
"""Passages that it reads before."""

ROLE = ""
"""What the model is told that it is: nothing. Where no role is given, chat templates fill in a helpful
assistant, and that one answers whoever asks instead of writing the manual (docs/log.md)."""

_DEPTH = 100  # of each search; what only one of them found counts as the last of the other
_MOST_SHOWN = 600  # characters of a passage


def both(find: Find, expected: str) -> Find:
    """`find`, for the question and for what is expected as its answer, where that is anything."""
    if not expected.strip():
        return find

    def found(query: str, limit: int, kinds: Sequence[ObjectKind], where: Filter | None) -> list[Result]:
        depth = max(limit, _DEPTH)
        return merged(find(query, depth, kinds, where), find(expected, depth, kinds, where), limit)

    return found


def merged(asked: Sequence[Result], likely: Sequence[Result], limit: int) -> list[Result]:
    """The best of what was found for the question and for the expected, repeated text left out."""
    every = {result.chunk.point: result for result in (*likely, *asked)}
    total = _scores(every, asked) + WEIGHT * _scores(every, likely)
    expected = {result.chunk.point: result.score for result in likely}
    results: list[Result] = []
    kept: list[set[str]] = []
    for number, (point, result) in sorted(enumerate(every.items()), key=lambda entry: -total[entry[0]]):
        if len(results) == limit:
            break
        said = set(words_of(result.text))
        if any(alike(said, other) for other in kept):
            continue
        kept.append(said)
        scores = replace(result.scores, expected=expected.get(point, 0.0), total=float(total[number]))
        results.append(replace(result, scores=scores))
    return results


def _scores(
    every: dict[str, Result], found: Sequence[Result]
) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    scores = {result.chunk.point: result.score for result in found}
    least = min(scores.values(), default=0.0)
    return standard(np.array([scores.get(point, least) for point in every], np.float32))


def instructions(query: str, found: Sequence[Result]) -> str:
    """What a model is asked: some sentences that answer the question, as the passages found would say it."""
    shown = "".join(
        f"{' > '.join(result.chunk.heading)}\n{result.text[:_MOST_SHOWN]}\n\n" for result in found[:SHOWN]
    )
    return (
        f"Passages of a manual:\n\n{shown}Write another short passage of this manual, one that answers the"
        f" question.\nQuestion: {query}"
    )
