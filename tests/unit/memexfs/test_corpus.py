"""The corpus of the tests is what it says: mixed, the same everywhere, with questions in other words."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from nexus.cortex import words
from nexus.memexfs.extract import extract
from nexus.memexfs.extract_process import ExtractProcess
from tests import memex_corpus
from tests.memex_topics import TOPICS, Topic

# Words that carry no meaning in a question.
_SMALL = set(
    """how we what where when who which my do does did not that the a an of for on to in is it our and or
    with by from at about against should be as fast i want first now just us their out because someone took
    became""".split()
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    memex_corpus.write(folder)
    return folder


def test_it_has_as_many_files_as_asked_in_every_form(corpus: Path) -> None:
    files = [path for path in corpus.rglob("*") if path.is_file()]
    assert len(files) == 200
    forms = Counter(path.suffix for path in files)
    assert (
        min(forms[suffix] for suffix in (".pdf", ".docx", ".md", ".py", ".txt", ".html", ".xlsx", ".pptx"))
        >= 2
    )
    assert len({path.read_bytes() for path in files}) == 200


def test_it_is_the_same_every_time() -> None:
    assert list(memex_corpus.files(90)) == list(memex_corpus.files(90))
    assert len(list(memex_corpus.files(1000))) == 1000


def _stems(text: str) -> set[int]:
    return set(words.terms(" ".join(word for word in re.findall(r"\w+", text) if word.lower() not in _SMALL)))


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.path)
def test_a_question_shares_no_word_with_its_file(topic: Topic) -> None:
    own = _stems(f"{re.sub(r'[/.-]', ' ', topic.path)} {topic.title} {topic.text}")
    shared = [word for word in re.findall(r"\w+", topic.question) if _stems(word) & own]
    assert shared == []


def test_exact_words_all_stand_in_their_file_and_in_no_other() -> None:
    texts = {topic.path: _stems(f"{topic.title} {topic.text}") for topic in TOPICS}
    texts |= {path: _stems(data.decode("utf-8", "replace")) for path, data in memex_corpus.files(400)
              if path.startswith("notes/") and path.endswith((".md", ".txt", ".py"))}  # fmt: skip
    for topic in TOPICS:
        asked = _stems(topic.exact)
        assert [path for path, own in texts.items() if asked <= own] == [topic.path]


def test_every_file_says_its_title_and_its_words(corpus: Path) -> None:
    process = ExtractProcess()
    try:
        for topic in TOPICS:
            found = extract(corpus / topic.path, topic.path.encode(), process=process)
            assert (found.state, found.problem) == ("indexed", ""), topic.path
            assert found.title.rstrip(".") == topic.title
            assert _stems(topic.exact) <= _stems(f"{found.title} {found.text}"), topic.path
            assert found.lead
    finally:
        process.close()


def test_its_program_is_built_by_make(corpus: Path) -> None:
    folder = corpus / "src" / "count"
    subprocess.run(["make", "--silent"], cwd=folder, check=True, capture_output=True)
    ran = subprocess.run(["./count", "lines.h"], cwd=folder, check=True, capture_output=True, text=True)
    assert ran.stdout == "2 lines.h\n"
