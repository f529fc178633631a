"""From scores to an order: what the features mean, and that they hold for any candidates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.cortex import fusion
from nexus.cortex.candidates import Pool
from nexus.cortex.fusion import FEATURES, WEIGHTS, Candidates
from nexus.cortex.ledger import KINDS, ObjectKind, Place


def column(found: np.ndarray, name: str) -> np.ndarray:
    return found[:, list(FEATURES).index(name)]


def candidates(
    scores: list[float],
    *,
    meaning: list[float] | None = None,
    late: list[float] | None = None,
    places: list[tuple[int, int]] | None = None,
) -> Candidates:
    """Candidates whose words and context score alike; turns 0, 1, 2 .. of one session by default."""
    at = places or [(0, n) for n in range(len(scores))]
    values = np.array(scores, np.float32)
    return Candidates(
        values,
        values.copy(),
        np.array(meaning or [0.5] * len(scores), np.float32),
        np.array(late or [np.nan] * len(scores), np.float32),
        np.array([session for session, _ in at], np.int64),
        np.array([ordinal for _, ordinal in at], np.int64),
    )


def pool(kind: ObjectKind, found: Candidates) -> Pool:
    places = [
        Place(int(s), int(o), 0, "2026-01-01T00:00:00Z", 0, 0)
        for s, o in zip(found.session, found.ordinal, strict=True)
    ]
    names = [f"p{n}" for n in range(len(found))]
    return Pool(kind, names, places, found.words, found.context, found.meaning, found.late, {})


def test_scores_are_distances_from_the_mean_of_the_candidates() -> None:
    found = fusion.features(candidates([1.0, 2.0, 3.0]))
    assert column(found, "words") == pytest.approx([-1.2247, 0, 1.2247], abs=1e-3)


def test_scaling_a_list_of_scores_changes_nothing() -> None:
    some = candidates([1.0, 5.0, 2.0], meaning=[0.1, 0.2, 0.9])
    more = candidates([11.0, 51.0, 21.0], meaning=[0.1, 0.2, 0.9])
    assert fusion.features(some) == pytest.approx(fusion.features(more), abs=1e-4)


def test_what_was_not_scored_is_neither_good_nor_bad() -> None:
    found = fusion.features(candidates([1, 1, 1, 1], late=[0.2, float("nan"), 0.6, 0.4]))
    late = column(found, "late")
    assert late[1] == 0
    assert late[0] < late[1] < late[2]


def test_a_turn_knows_its_neighbours_in_its_session_only() -> None:
    # Session 0 has turns 0, 1, 2; session 1 has turn 3, which would be the next number.
    where = [(0, 0), (0, 1), (0, 2), (1, 3)]
    found = fusion.features(candidates([0, 9, 0, 0], places=where))
    words_of, before = column(found, "words"), column(found, "words_before")
    assert before[2] == words_of[1] > 0
    assert before[0] == 0  # no turn before
    assert before[3] == 0  # turn 2 is in another session
    assert column(found, "words_after_2")[0] == words_of[2]


def test_the_order_of_the_candidates_does_not_matter() -> None:
    some = candidates([3, 1, 4, 1.5, 9], meaning=[0.2, 0.7, 0.1, 0.8, 0.3], late=[0.1, 0.5, 0.9, 0.2, 0.6])
    turned = np.array([4, 2, 0, 1, 3])
    other = Candidates(
        some.words[turned],
        some.context[turned],
        some.meaning[turned],
        some.late[turned],
        some.session[turned],
        some.ordinal[turned],
    )
    assert fusion.features(other) == pytest.approx(fusion.features(some)[turned], abs=1e-5)


def test_a_good_session_lifts_its_turns() -> None:
    where = [(0, 0), (0, 9), (1, 0), (1, 9)]
    found = fusion.features(candidates([9, 1, 2, 1], places=where))
    best = column(found, "session_best")
    assert best[0] == best[1] > best[2] == best[3]


def test_the_answer_beside_the_words_of_the_question_is_ranked_before_strangers() -> None:
    # Turn 4 has the words of the question, turn 5 answers it; the same weak scores elsewhere.
    where = [(0, 4), (0, 5), (1, 0), (1, 5), (2, 7)]
    some = candidates(
        [8, 1, 1, 1, 1],
        meaning=[0.7, 0.4, 0.4, 0.4, 0.4],
        late=[0.7, 0.4, 0.4, 0.4, 0.4],
        places=where,
    )
    # What a turn's context is made of: the turn before.
    some.context[1] = 6
    scores = fusion.scores(pool("transcript", some))
    assert scores[0] > scores[1] > scores[2:].max()


@pytest.mark.parametrize("kind", KINDS)
def test_what_all_lists_prefer_is_first(kind: ObjectKind) -> None:
    where = [(n, 0) for n in range(4)]
    some = candidates([1, 5, 2, 3], meaning=[0.1, 0.9, 0.2, 0.3], late=[0.1, 0.9, 0.2, 0.3], places=where)
    assert list(np.argsort(-fusion.scores(pool(kind, some)))) == [1, 3, 2, 0]


def test_documents_are_not_judged_by_their_neighbours() -> None:
    apart = candidates([1, 5, 2], meaning=[0.3, 0.2, 0.1], places=[(0, 0), (1, 0), (2, 0)])
    together = candidates([1, 5, 2], meaning=[0.3, 0.2, 0.1])
    assert fusion.scores(pool("document", apart)) == pytest.approx(fusion.scores(pool("document", together)))


def order(kind: ObjectKind, words: list[float], meaning: list[float]) -> list[int]:
    some = candidates(words, meaning=meaning, places=[(n, 0) for n in range(len(words))])
    return [int(row) for row in np.argsort(-fusion.scores(pool(kind, some)), kind="stable")]


def test_the_document_nearest_in_meaning_is_third_at_least() -> None:
    # The last one understood the question and shares no word with it; it would be fifth.
    near = [0.53, 0.529, 0.528, 0.527, 0.4, 0.531]
    assert order("document", [9, 9, 9, 9, 9, 0], near) == [0, 1, 5, 2, 3, 4]
    assert order("document", [9, 9, 9, 9, 9, 9], near) == [5, 0, 1, 2, 3, 4]


def test_of_documents_equally_near_the_better_one_is_lifted() -> None:
    near = [0.53, 0.529, 0.528, 0.527, 0.4, 0.531, 0.531001]
    assert order("document", [9, 9, 9, 9, 9, 1, 0], near)[:4] == [0, 1, 5, 2]


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_names_a_feature(kind: ObjectKind) -> None:
    assert set(WEIGHTS[kind]) <= set(FEATURES)


def test_a_weight_for_an_unknown_feature_is_an_error() -> None:
    with pytest.raises(KeyError, match="colour"):
        fusion.combined(fusion.features(candidates([1, 2])), {"colour": 1.0})


@pytest.mark.parametrize("kind", KINDS)
def test_no_candidates_have_no_scores(kind: ObjectKind) -> None:
    assert fusion.scores(pool(kind, candidates([]))).shape == (0,)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 500, width=32),
            st.floats(-1, 1, width=32) | st.just(float("nan")),
            st.floats(-1, 1, width=32) | st.just(float("nan")),
            st.integers(0, 3),
        ),
        max_size=40,
    )
)
def test_scores_are_finite_for_any_candidates(
    rows: list[tuple[float, float, float, int]],
) -> None:
    some = candidates(
        [row[0] for row in rows],
        meaning=[row[1] for row in rows],
        late=[row[2] for row in rows],
        places=[(row[3], n) for n, row in enumerate(rows)],
    )
    for kind in KINDS:
        assert np.isfinite(fusion.scores(pool(kind, some))).all()
