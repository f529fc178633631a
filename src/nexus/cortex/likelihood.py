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

from nexus.cortex.fusion import standard
from nexus.cortex.retriever import Result

CANDIDATES = 20
"""Results that are read: where search found the right passage at all, it was among so many."""

WEIGHT = 2.0
"""What a standard deviation of likelihood counts for, where one of the score counts 1."""

_MOST_READ = 1600  # characters of a result: of a long turn or memory its beginning


def read(result: Result) -> str:
    """What the model reads before the question."""
    heading = " > ".join(result.chunk.heading)
    return f"{heading}\n{result.text[:_MOST_READ]}\n\nQuestion:"


def question(query: str) -> str:
    """The question, as it follows on that."""
    return " " + " ".join(query.split())


def reordered(results: Sequence[Result], likelihoods: Sequence[float]) -> list[Result]:
    """The results, best first; `likelihoods` are the question's, in nats a token, shape (n,)."""
    scores = np.array([result.score for result in results], np.float32)
    found = np.array(likelihoods, np.float32)
    total = standard(scores) + WEIGHT * standard(found)
    order = sorted(range(len(results)), key=lambda number: -total[number])
    return [
        replace(
            results[number],
            scores=replace(
                results[number].scores, likelihood=likelihoods[number], total=float(total[number])
            ),
        )
        for number in order
    ]
