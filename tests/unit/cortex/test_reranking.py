"""How well given texts answer a question, with the real embedder."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.cortex.embedder import OnnxEmbedder
from nexus.cortex.reranking import relevance

QUESTION = "Which port does the staging database listen on?"
ANSWER = "The staging database listens on port 6543."
TEXTS = ["Bananas are yellow.", ANSWER, "A port is a harbour for ships.", "Databases store rows in tables."]


@pytest.fixture(scope="module")
def embedder(granite_folder):
    return OnnxEmbedder("granite-embedding-30m-english", granite_folder)


def scored(embedder, question, texts):
    return relevance(embedder, question, embedder.passages(texts), texts)


def test_the_answer_is_first_and_what_is_foreign_last(embedder):
    scores = scored(embedder, QUESTION, TEXTS)
    assert int(np.argmax(scores)) == 1
    assert int(np.argmin(scores)) == 0
    assert scores[1] > 0.5 > scores[0]


def test_words_part_what_means_the_same(embedder):
    """An identifier says little to the model of meanings."""
    texts = ["The value of NX_4711 is set at boot.", "The value of NX_0815 is set at boot."]
    first, second = scored(embedder, "NX_0815", texts)
    assert second > first


def test_a_question_of_words_that_tell_nothing_is_judged_by_meaning(embedder):
    assert np.isfinite(scored(embedder, "what is it?", TEXTS)).all()


class Known:
    """Vectors that a property may choose."""

    relevant, unrelated = 0.6, 0.4

    def query(self, text: str) -> np.ndarray:
        return np.array([1, 0], np.float32)


@given(
    st.text(min_size=1),
    st.lists(st.tuples(st.text(min_size=1), st.floats(-1, 1, width=32)), min_size=1, max_size=6),
)
def test_scores_lie_between_0_and_1_and_grow_with_the_cosine(question, given_texts):
    texts = [text for text, _ in given_texts]
    cosines = np.array([[cosine, 0] for _, cosine in given_texts], np.float32)
    known: object = Known()
    scores = relevance(known, question, cosines, texts)  # type: ignore[arg-type]
    assert ((scores >= 0) & (scores < 1)).all()
    nearer = relevance(known, question, np.minimum(cosines + np.float32(0.1), 1), texts)  # type: ignore[arg-type]
    assert (nearer >= scores).all()
