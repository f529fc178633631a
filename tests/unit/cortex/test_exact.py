"""The exact index where the property tests do not look: scopes one by one, refusals, memory, threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from nexus.core.errors import StorageError
from nexus.cortex.exact import ExactIndex
from nexus.cortex.indexer import Entry, Scope, Sparse
from nexus.cortex.ledger import FOREVER

SIZE = 8
EMPTY = Sparse(np.zeros(0, np.uint32), np.zeros(0, np.float32))
WORD = Sparse(np.array([4], np.uint32), np.array([1.5], np.float32))
ONE = np.eye(SIZE, dtype=np.float32)[0]


def entry(point, vector=ONE, words=WORD, **fields):
    given = {
        "kind": "document", "project": "", "domain": "", "folders": (), "changed": 100,
        "valid_from": 0, "valid_to": FOREVER, "context": EMPTY, **fields,
    }  # fmt: skip
    return Entry(point=point, vector=vector, words=words, **given)


@pytest.fixture
def index():
    return ExactIndex(SIZE)


def found(index, **scope):
    """The points that a scope lets through, the same by meaning and by words."""
    asked = Scope("document", **scope)
    near = {hit.point for hit in index.nearest(ONE, 50, asked)}
    assert {hit.point for hit in index.matching(WORD, "words", 50, asked)} == near
    return near


def test_a_project_lets_its_own_and_those_of_none_pass(index):
    index.upsert([entry("a", project="/a"), entry("b", project="/b"), entry("none")])
    assert found(index, project="/a") == {"a", "none"}
    assert found(index, project="/unknown") == {"none"}
    assert found(index) == {"a", "b", "none"}


def test_a_domain_lets_only_its_own_pass(index):
    index.upsert([entry("a", domain="testing"), entry("none")])
    assert found(index, domain="testing") == {"a"}
    assert found(index, domain="security") == set()


def test_a_path_is_a_file_or_a_folder(index):
    index.upsert(
        [
            entry("f", folders=("/d/e/f", "/d/e", "/d", "/")),
            entry("g", folders=("/d/g", "/d", "/")),
            entry("e", folders=("/d/ee", "/d", "/")),
        ]
    )
    assert found(index, path="/d/e/f") == found(index, path="/d/e") == {"f"}
    assert found(index, path="/d") == {"e", "f", "g"}
    assert found(index, path="/x") == set()


def test_times_are_bounded_below_and_not_above(index):
    index.upsert([entry(str(t), changed=t) for t in (1, 2, 3)])
    assert found(index, after=2) == {"2", "3"}
    assert found(index, before=2) == {"1"}
    assert found(index, after=2, before=3) == {"2"}


def test_validity_holds_from_its_first_second_to_before_its_last(index):
    index.upsert([entry("past", valid_to=10), entry("now", valid_from=10, valid_to=20), entry("ever")])
    assert found(index, at=9) == {"past", "ever"}
    assert found(index, at=10) == found(index, at=19) == {"now", "ever"}
    assert found(index, at=20) == {"ever"}
    assert found(index) == {"past", "now", "ever"}


def test_chosen_points_are_scored_within_the_scope(index):
    index.upsert([entry("a", project="/a"), entry("b"), entry("c"), entry("m", kind="memory")])
    assert found(index, points=("a", "b", "m", "unknown", "b")) == {"a", "b"}
    assert found(index, points=("a", "b"), project="/b") == {"b"}
    assert found(index, points=()) == set()


def test_an_entry_without_a_vector_is_found_by_words_until_it_has_one(index):
    index.upsert([entry("a", vector=None)])
    assert index.points() == {"a": False}
    assert index.nearest(ONE, 5, Scope("document")) == []
    assert [h.point for h in index.matching(WORD, "words", 5, Scope("document"))] == ["a"]
    index.upsert([entry("a")])
    assert index.points() == {"a": True}
    assert found(index) == {"a"}
    assert len(index._tables["document"]._postings["words"]) == 1, "the same words are not stored twice"


def test_replacing_changes_words_vector_and_kind(index):
    index.upsert([entry("a"), entry("b")])
    other = Sparse(np.array([9], np.uint32), np.array([2.0], np.float32))
    index.upsert([entry("a", vector=-ONE, words=other), entry("b", kind="memory")])
    assert index.points() == {"a": True, "b": True}
    assert index.count() == 2
    assert index.matching(WORD, "words", 5, Scope("document")) == []
    assert index.matching(other, "words", 5, Scope("document")) == [("a", 4.0)]
    assert index.nearest(ONE, 5, Scope("document")) == [("a", -1.0)]
    assert index.nearest(ONE, 5, Scope("memory")) == [("b", 1.0)]


def test_equal_scores_come_by_point(index):
    index.upsert([entry(name) for name in "hgfedcba"])
    for limit in (1, 3, 8):
        names = [hit.point for hit in index.nearest(ONE, limit, Scope("document"))]
        assert names == list("abcdefgh")[:limit]
        assert names == [hit.point for hit in index.matching(WORD, "words", limit, Scope("document"))]


def test_a_limit_of_nothing_finds_nothing(index):
    index.upsert([entry("a")])
    assert index.nearest(ONE, 0, Scope("document")) == []
    assert index.matching(WORD, "words", 0, Scope("document")) == []


def test_ten_of_a_thousand_are_the_true_ten():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((3000, 96)).astype(np.float16).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = ExactIndex(96)
    index.upsert([entry(f"{n:04d}", vector=v) for n, v in enumerate(vectors)])
    right = 0
    for asked in vectors[:100]:
        best = set(np.argsort(-(vectors @ asked))[:10])
        right += len(best & {int(h.point) for h in index.nearest(asked, 10, Scope("document"))})
    assert right >= 999


def test_a_vector_of_another_model_is_refused_and_nothing_is_changed(index):
    index.upsert([entry("a")])
    with pytest.raises(StorageError, match="the vector of b has shape"):
        index.upsert([entry("a", vector=-ONE), entry("b", vector=np.ones(SIZE + 1, np.float32))])
    with pytest.raises(StorageError, match="not finite"):
        index.upsert([entry("b", vector=np.full(SIZE, np.nan, np.float32))])
    with pytest.raises(StorageError, match="question"):
        index.nearest(np.ones(3, np.float32), 5, Scope("document"))
    assert index.points() == {"a": True}
    assert index.nearest(ONE, 5, Scope("document")) == [("a", 1.0)]


def test_what_is_deleted_gives_its_memory_back(index):
    index.upsert([entry(str(n), folders=(f"/f{n}", "/")) for n in range(3000)])
    index.delete([str(n) for n in range(2990)])
    table = index._tables["document"]
    assert index.count() == 10
    assert len(table._codes) == len(table._vectors) == len(table._columns) < 200
    assert len(table._postings["words"]) < 200
    assert len(table._folders._held) < 200
    assert found(index) == {str(n) for n in range(2990, 3000)}
    assert found(index, path="/f2995") == {"2995"}


def test_threads_may_search_while_others_write(index):
    errors = []
    stop = threading.Event()

    def search():
        try:
            while not stop.is_set():
                for hit in index.nearest(ONE, 20, Scope("document")):
                    assert hit.score == pytest.approx(1.0)
                index.matching(WORD, "words", 20, Scope("document"))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for start in range(0, 2000, 50):
        index.upsert([entry(str(n)) for n in range(start, start + 50)])
        index.delete([str(n) for n in range(start, start + 40)])
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert index.count() == 400
