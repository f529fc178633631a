"""Results in the order in which they lead a language model to expect the question.

A small model that has read the right passage finds the question behind it more likely than one that has
read another (query likelihood, Ponte and Croft 1998; with language models Sachan et al. 2022). That sees
answers which share no word with the question, and costs a reading of every passage. Knows no model: it says
what is to be read, and orders by what came of it. Invariant: every result given comes back once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nexus.cortex.retriever import Result

CANDIDATES = 20
"""Results that are read: where search found the right passage at all, it was among so many."""

WEIGHT = 3.0
"""What a standard deviation of likelihood counts for, where one of the score counts 1."""

_MOST_READ = 1600  # characters of a result: a passage is never longer


def read(result: Result) -> str:
    """What the model reads before the question."""
    heading = " > ".join(result.chunk.heading)
    return f"{heading}\n{result.text[:_MOST_READ]}\n\nQuestion:"


def question(query: str) -> str:
    """The question, as it follows on that."""
    return " " + " ".join(query.split())


def reordered(results: Sequence[Result], likelihoods: Sequence[float]) -> list[Result]:
    """The results, best first; `likelihoods` are the question's, in nats a token, shape (n,)."""
    scores = np.array([result.score for result in results], np.float64)
    found = np.array(likelihoods, np.float64)
    total = _distances(scores) + WEIGHT * _distances(found)
    order = sorted(range(len(results)), key=lambda number: -total[number])
    return [
        replace(
            results[number],
            scores=replace(
                results[number].scores, likelihood=float(found[number]), total=float(total[number])
            ),
        )
        for number in order
    ]


def _distances(
    values: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """From their mean, in standard deviations."""
    spread = float(values.std()) if len(values) else 0.0
    return (values - values.mean()) / spread if spread else np.zeros_like(values)
