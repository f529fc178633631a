"""The filter of lessons: each kind of rubbish has its reason, good answers pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.training.quality import objection

QUESTION = "What is quantum entanglement and how is it measured?"
ANSWER = (
    "Entangled particles share one quantum state, so measuring one of them tells you something about the"
    " other, however far apart they are. It is measured by comparing many pairs: their correlations are"
    " stronger than any local theory allows, which Bell's inequality makes precise."
)


GOOD = [
    (QUESTION, ANSWER),
    (
        "Wie entsteht ein Regenbogen am Himmel?",
        "Ein Regenbogen entsteht, wenn Sonnenlicht in Wassertropfen gebrochen und an ihrer Rückseite"
        " gespiegelt wird; jede Farbe verlässt den Tropfen unter ihrem eigenen Winkel, und so sehen wir sie"
        " nebeneinander.",
    ),
    (
        "Why is 0.1 + 0.2 not 0.3 in binary floating point?",
        "In binary floating point neither 0.1 nor 0.2 has a finite expansion, so each is rounded to the"
        " nearest number that fits. The sum of the rounded values is rounded once more and ends slightly"
        " above 0.3.",
    ),
    (
        "What do robots say when they apologise?",
        "Robots that apologise mostly say a fixed sentence; studies found that people trust them more when"
        " the apology names what went wrong and what will be different next time, whatever words are used.",
    ),
]
SORRY = "I'm sorry, but I cannot answer questions about quantum entanglement, because "
BREAD = (
    "Bread is baked from flour, water, salt and yeast. The dough rests overnight in a cool place, then it is"
    " shaped, proofed again and baked in a very hot oven until the crust is brown."
)
BAD = [
    ("", ANSWER, "no question"),
    ("Describe quantum entanglement.", ANSWER, "no question"),
    ("What? " * 100, ANSWER, "no question"),
    (QUESTION, "Spooky.", "length"),
    (QUESTION, ANSWER * 40, "length"),
    (QUESTION, "\x00\x01\x02" * 50, "no language"),
    (QUESTION, "\ufffd" + ANSWER, "no language"),
    (QUESTION, "{}[]()<>;:!#$%&*+-/=|~" * 6, "no language"),
    (QUESTION, "a1b2c3d4e5f6a7b8c9d0e1f2 " * 6, "no language"),
    (QUESTION, "aGVsbG8gd29ybGQgdGhpcyBpcyBiYXNl" * 4, "no language"),
    (QUESTION, SORRY * 2, "refusal"),
    (
        QUESTION,
        "As an AI language model, I do not have opinions on entanglement or particles at all.",
        "refusal",
    ),
    (QUESTION, "I can't help with that. Please ask about entanglement at a university instead.", "refusal"),
    (QUESTION, "Entanglement is when particles are entangled. " * 8, "repetition"),
    (QUESTION, "the quantum " * 8, "repetition"),
    (QUESTION, BREAD, "off the question"),
    (QUESTION, QUESTION + " Quantum entanglement is it and how is it measured?", "off the question"),
]


@pytest.mark.parametrize(("question", "answer"), GOOD)
def test_good_lessons_pass(question: str, answer: str) -> None:
    assert objection(question, answer) == ""


@pytest.mark.parametrize(("question", "answer", "reason"), BAD)
def test_rubbish_is_refused_with_its_reason(question: str, answer: str, reason: str) -> None:
    assert objection(question, answer, "quantum physics") == reason


@given(st.text(max_size=2000), st.text(max_size=5000), st.text(max_size=50))
def test_any_text_is_judged(question: str, answer: str, topic: str) -> None:
    assert isinstance(objection(question, answer, topic), str)
