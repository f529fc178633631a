"""Two hundred mixed files (PDF, Office, HTML, Markdown, code), found by questions in other words."""

from __future__ import annotations

import os

import pytest

from nexus.cortex.embedder import OnnxEmbedder
from tests import memex_corpus
from tests.unit.memexfs.index_sample import sample

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def memex(tmp_path_factory, granite_folder):
    from nexus.core.paths import Home

    home = Home(tmp_path_factory.mktemp("home"))
    home.create()
    with sample(home, OnnxEmbedder("granite-embedding-30m-english", granite_folder), "qdrant") as opened:
        files = memex_corpus.write(opened.tree)
        opened.memex.store.enqueue([os.fsencode(path.relative_to(opened.tree)) for path in files], 0)
        opened.work()
        yield opened


def test_every_file_is_indexed(memex):
    assert memex.memex.status()["files"].keys() == {"indexed"}
    assert memex.memex.pipeline.reconcile() == 0


def test_the_right_file_is_first_though_it_never_says_the_word(memex):
    question = next(q for q in memex_corpus.QUESTIONS if "refund" in q.text)
    assert memex.found("how we handle refunds")[0] == question.path


def test_questions_in_other_words_find_more_than_words_do(memex):
    ours = theirs = 0
    for question in memex_corpus.QUESTIONS:
        ours += question.path in memex.found(question.text, limit=10)
        matched = memex.memex.store.matching(question.text, 10)
        theirs += os.fsencode(question.path) in [match.path for match in matched]
    count = len(memex_corpus.QUESTIONS)
    print(f"recall@10 of {count} questions: {ours / count:.2f}, FTS5 {theirs / count:.2f}")
    assert ours / count >= theirs / count + 0.15


def test_exact_words_find_no_less_than_words_alone(memex):
    for question in memex_corpus.QUESTIONS:
        matched = memex.memex.store.matching(question.exact, 10)
        if os.fsencode(question.path) in [match.path for match in matched]:
            assert question.path in memex.found(question.exact, limit=10)
