"""Files by meaning and by words: what each list finds, exact words first of all, and words alone at need."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.errors import InvalidInputError, ModelMissingError, NotFoundError
from nexus.cortex.embedder import OnnxEmbedder
from nexus.memexfs import query
from tests.unit.memexfs.index_sample import sample

MONEY = "# Giving money back\n\nWhoever is not happy gets the full price returned to the card that paid.\n"
DOOR = "# The front door\n\nThe handle of the door is loose. We handle keys with care at the desk.\n"
ROOF = "# Solar roof\n\nForty panels on the south side give nine kilowatts at noon in June.\n"
SUN = "# Sunny days\n\nIn June the sun shines on the south side of the house until ten at night.\n"
SUBJECTS = ("lemon", "tractor", "violin", "harbour", "glacier", "carpet", "beehive", "lantern")


@pytest.fixture(scope="module")
def embedder(embedder_folder):
    return OnnxEmbedder("all-minilm-l6-v2", embedder_folder)


@pytest.fixture
def memex(home, embedder):
    with sample(home, embedder) as opened:
        opened.write("shop/money.md", MONEY)
        opened.write("house/door.md", DOOR)
        opened.write("house/roof.md", ROOF)
        opened.write("house/sun.md", SUN)
        opened.write("photo of the harbour.jpg", b"\xff\xd8\xff\xe0" + b"\0" * 40)
        opened.work()
        yield opened


def test_a_file_that_never_says_the_word_is_found_first(memex):
    best = memex.memex.search("how we handle refunds")[0]
    assert best.path == b"shop/money.md"
    assert "refund" not in MONEY
    assert "price returned" in best.passage
    assert 0 < best.score < 1
    assert {"name", "lead", "body", "passage", "words", "exact"} <= best.parts.keys()
    assert best.parts["exact"] == 0


def test_exact_words_and_names_are_found(memex):
    assert memex.found("nine kilowatts at noon")[0] == "house/roof.md"
    assert memex.found("harbour photo")[0] == "photo of the harbour.jpg"
    assert memex.memex.search("kilowatts")[0].parts["exact"] == 1


def test_what_is_about_nothing_here_finds_nothing_much(memex):
    assert len(memex.found("recursive descent parser for regular grammars")) < 3
    assert memex.found("zzyzx") == []


def test_only_below_a_folder(memex):
    assert set(memex.found("June sun money card", under=b"house")) <= {
        "house/roof.md",
        "house/sun.md",
        "house/door.md",
    }
    assert memex.found("full price returned", under=b"house/none") == []
    assert memex.found("kilowatts", under=b"house/roof.md") == ["house/roof.md"]


def test_only_below_a_folder_of_very_many_files(memex, monkeypatch):
    monkeypatch.setattr(query, "_FOLDER", 1)
    assert memex.found("June sun money card", under=b"house")[0] == "house/sun.md"
    assert "shop/money.md" not in memex.found("full price returned", under=b"house")


def test_weights_are_of_this_question_only(memex):
    by_name = memex.memex.search("door", weights={"name": 1.0})[0]
    assert by_name.path == b"house/door.md"
    with pytest.raises(InvalidInputError):
        memex.memex.search("door", weights={"smell": 1.0})
    with pytest.raises(InvalidInputError):
        memex.memex.search("  ")


def test_a_limit_is_a_limit(memex):
    assert len(memex.memex.search("June on the south side", 1)) == 1
    assert memex.memex.search("June", 0) == []


def test_files_like_this_one(memex):
    like = [found.path for found in memex.memex.similar(b"house/roof.md")]
    assert like[0] == b"house/sun.md"
    assert b"house/roof.md" not in like
    with pytest.raises(NotFoundError):
        memex.memex.similar(b"none.md")


def test_without_the_model_words_answer_and_it_is_said(memex, monkeypatch):
    def missing(*_):
        raise ModelMissingError("the model is not installed", hint="nexus models pull")

    monkeypatch.setattr(OnnxEmbedder, "question", missing)
    assert memex.found("kilowatts at noon") == ["house/roof.md"]
    assert "not installed" in memex.memex.status()["search"]
    monkeypatch.undo()
    assert memex.found("how we handle refunds")[0] == "shop/money.md"
    assert memex.memex.status()["search"] == ""


def test_exact_words_are_never_lost_to_meaning(home, embedder):
    """Whatever FTS5 has among its first ten with every word in it is among our first ten."""
    drawn = random.Random(3)
    with sample(home, embedder) as memex:
        for number in range(30):
            said = " ".join(drawn.choices(SUBJECTS, k=12))
            memex.write(f"notes/{number}.txt", f"{said}. Number {number}.\n")
        memex.work()
        for _ in range(25):
            question = " ".join(drawn.sample(SUBJECTS, drawn.randint(1, 3)))
            first = [match.path for match in memex.memex.store.matching(question, 10)]
            texts = {path: (memex.tree / path.decode()).read_text() for path in first}
            exact = {path for path in first if all(word in texts[path] for word in question.split())}
            assert exact <= {found.path for found in memex.memex.search(question, 10)}


@given(st.lists(st.integers(0, 99), unique=True, max_size=40), st.sets(st.integers(0, 99), max_size=10))
def test_lifting_changes_no_order_but_for_what_is_lifted(ranked, wanted):
    candidates = [query._Candidate(b"%d" % number) for number in ranked]
    exact = [b"%d" % number for number in ranked if number in wanted]
    lifted = [candidate.path for candidate in query._lifted(candidates, exact)]
    assert sorted(lifted) == sorted(candidate.path for candidate in candidates)
    assert set(exact) <= set(lifted[:10])
    stayed = [candidate.path for candidate in candidates if candidate.path not in exact]
    assert [path for path in lifted if path not in exact] == stayed
