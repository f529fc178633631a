"""Cortex as a whole, with the real embedder: what is added is found, what is forgotten is gone."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from nexus.core import clock
from nexus.core.errors import (
    ContextOverflowError,
    InvalidInputError,
    NotFoundError,
    SecretError,
)
from nexus.core.settings import CortexSettings
from nexus.cortex import ingest, reader
from nexus.cortex.assembler import Turn
from nexus.cortex.cortex import Cortex
from nexus.cortex.embedder import OnnxEmbedder

QUERY = """# Query parameters

Function parameters that are not part of the path are read from the query, the part of the address
behind the question mark. They come as text and are converted to the type that you declare; a value
that cannot be converted is refused with an error that names the parameter.

## Optional parameters

Give a query parameter the default `None` and it is optional:

```python
def read_item(q: str | None = None): ...
```

A client that leaves it out gets the answer for `None`; your function decides what that means.

## Required parameters

Leave the default away and the parameter is required: a request without it is refused with status
422 and a body that names what is missing, so that the caller can mend the request by itself.
"""
DEPLOY = """# Deployment

Run the server behind a proxy that terminates TLS. Workers share nothing; set their number to the cores.
"""


@pytest.fixture(scope="module")
def embedder(embedder_folder):
    return OnnxEmbedder("all-minilm-l6-v2", embedder_folder)


@pytest.fixture(params=["qdrant", "exact"])
def settings(request):
    return CortexSettings(index=request.param)


@pytest.fixture
def cortex(home, embedder, settings):
    with Cortex(home, settings, embedder) as opened:
        yield opened


@pytest.fixture
def docs(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "query.md").write_text(QUERY)
    (folder / "deploy.md").write_text(DEPLOY)
    return folder


def test_a_question_finds_the_section_that_answers_it(cortex, docs):
    report = cortex.add([docs])
    assert report.counts == {"added": 2}
    best = cortex.recall("how can I make a query parameter optional?")[0]
    assert best.chunk.path == str(docs / "query.md")
    assert "Optional parameters" in best.chunk.heading
    assert QUERY.splitlines()[best.chunk.start_line - 1 : best.chunk.end_line]


def test_words_of_the_answer_find_what_those_of_the_question_do_not(cortex, docs, monkeypatch):
    cortex.add([docs])
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)
    question = "what must I know?"
    for expected, name in (
        ("a required parameter is refused with status 422", "query"),
        ("set the number of workers behind the proxy", "deploy"),
    ):
        best = cortex.recall(question, expected=expected)[0]
        assert best.chunk.path == str(docs / f"{name}.md")
        assert best.scores.expected > 0
    assert cortex.recall(question, expected=" \n") == cortex.recall(question)


def test_nothing_unchanged_is_embedded_again(cortex, docs):
    first = cortex.add([docs])
    assert first.embedded > 0
    again = cortex.add([docs])
    assert (again.counts, again.embedded) == ({"unchanged": 2}, 0)
    (docs / "query.md").touch()
    assert cortex.add([docs]).counts == {"unchanged": 2}
    (docs / "query.md").write_text(QUERY + "\n## More\n\nLists are repeated keys in the query string.\n")
    changed = cortex.add([docs])
    assert changed.counts == {"unchanged": 1, "updated": 1}
    assert 0 < changed.embedded <= 2
    assert "Lists are" in cortex.recall("lists repeated keys")[0].chunk.text


def test_a_file_that_is_gone_is_forgotten(cortex, docs):
    cortex.add([docs])
    (docs / "deploy.md").unlink()
    assert cortex.add([docs]).counts == {"unchanged": 1, "removed": 1}
    assert all("deploy" not in r.chunk.path for r in cortex.recall("TLS proxy workers"))


def test_a_file_that_becomes_unusable_does_not_answer_from_its_old_text(cortex, docs):
    cortex.add([docs])
    (docs / "deploy.md").write_bytes(b"\x00\x01\x02")
    report = cortex.add([docs])
    assert report.counts == {"unchanged": 1, "skipped": 1}
    assert all("deploy" not in r.chunk.path for r in cortex.recall("TLS proxy workers"))


def test_documents_can_be_taken_out(cortex, docs):
    cortex.add([docs])
    assert cortex.roots() == {str(docs): 2}
    assert cortex.forget_documents(docs / "query.md") == 1
    assert cortex.forget_documents(docs) == 1
    assert cortex.recall("query parameters") == []
    with pytest.raises(NotFoundError):
        cortex.forget_documents(docs)


def test_a_messy_folder_is_reported_file_by_file_and_the_rest_goes_on(cortex, docs, monkeypatch):
    (docs / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    (docs / "empty.md").touch()
    (docs / "latin.md").write_bytes("caf\xe9".encode("latin-1"))
    (docs / "line.txt").write_text("x" * 2_000_000)
    with (docs / "huge.md").open("wb") as file:
        file.truncate(200 * 2**20)
    (docs / "sub").mkdir()
    (docs / "sub" / "loop").symlink_to(docs)
    (docs / "dangling.md").symlink_to(docs / "nothing.md")
    os.mkfifo(docs / "pipe.md")
    (docs / "gone.md").write_text("# Gone\n\nHere for a moment.\n")
    read = reader.read

    def read_or_lose(path, limits):
        if path.name == "gone.md":
            path.unlink()  # deleted between the walk and the reading
        return read(path, limits)

    monkeypatch.setattr(ingest, "read", read_or_lose)
    report = cortex.add([docs])
    told = {Path(f.path).name: f for f in report.files}
    assert {name for name, f in told.items() if f.status == "added"} == {"query.md", "deploy.md"}
    left_out = {name: f for name, f in told.items() if f.status in ("skipped", "failed")}
    assert set(left_out) == {
        "picture.png",
        "empty.md",
        "latin.md",
        "line.txt",
        "huge.md",
        "loop",
        "dangling.md",
        "pipe.md",
        "gone.md",
    }
    assert len(report.files) == len(told)
    assert all(f.reason for f in left_out.values())
    assert cortex.counts()["documents"] == 2
    assert cortex.recall("query parameter")


def test_a_path_that_does_not_exist_is_named(cortex, tmp_path):
    with pytest.raises(NotFoundError, match="nowhere"):
        cortex.add([tmp_path / "nowhere"])


def test_a_memory_is_found_by_meaning_after_a_restart(home, embedder, settings):
    with Cortex(home, settings, embedder) as first:
        made = first.remember("staging Postgres listens on port 6543")
        assert first.remember("Staging  postgres listens on port 6543").id == made.id
    with Cortex(home, settings, embedder) as second:
        best = second.recall("which port is the staging database on?")[0]
        assert best.chunk.kind == "memory"
        assert "6543" in best.chunk.text
        second.forget(made.id)
        assert second.recall("staging database port") == []
        with pytest.raises(NotFoundError):
            second.memory(made.id)


def test_an_edited_memory_is_found_by_its_new_words(cortex):
    memory = cortex.remember("the release is on Tuesday")
    cortex.edit(memory.id, learning="the release is on Thursday")
    assert "Thursday" in cortex.recall("when is the release?")[0].chunk.text
    assert len(cortex.memories()) == 1


def test_memories_written_and_deleted_by_hand_are_noticed_at_the_next_start(home, embedder, settings):
    with Cortex(home, settings, embedder) as first:
        kept = first.remember("the wiki is at docs.internal")
        gone = first.remember("the old wiki is closed")
    path = home.memories / f"{kept.id}.md"
    path.write_text(path.read_text().replace("docs.internal", "handbook.internal"))
    (home.memories / f"{gone.id}.md").unlink()
    (home.memories / "MEM-2026-01-01-001-deadbeef.md").write_text("no front matter")
    with Cortex(home, settings, embedder) as second:
        assert second.recovered.memories_indexed == 1
        assert "MEM-2026-01-01-001-deadbeef" in second.recovered.problems[0]
        texts = [r.chunk.text for r in second.recall("where is the wiki?")]
        assert texts == ["the wiki is at handbook.internal"]


@pytest.mark.parametrize("loss", ["shard", "cache", "both"])
def test_lost_indexes_come_back_by_themselves(home, embedder, docs, loss):
    with Cortex(home, CortexSettings(), embedder) as first:
        first.add([docs])
        first.remember("staging Postgres listens on port 6543")
        before = [(r.chunk.point, r.scores.cosine) for r in first.recall("optional parameter")]
    if loss in ("shard", "both"):
        shutil.rmtree(home.shard)
    if loss in ("cache", "both"):
        (home.cache / "embeddings.db").write_bytes(b"broken")
    with Cortex(home, CortexSettings(), embedder) as second:
        after = [(r.chunk.point, r.scores.cosine) for r in second.recall("optional parameter")]
        assert [point for point, _ in after] == [point for point, _ in before]
        # Embedded again in other batches, a vector differs in its last digits.
        close = 0.02 if loss == "both" else 1e-6
        assert [cosine for _, cosine in after] == pytest.approx([c for _, c in before], abs=close)
        assert bool(second.recovered.points_added) == (loss != "cache")


def test_a_secret_is_neither_remembered_nor_indexed(cortex, docs, home):
    canary = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    with pytest.raises(SecretError):
        cortex.remember(f"the deploy token is {canary}")
    (docs / "notes.md").write_text(f"# Notes\n\ntoken: {canary}\n")
    (docs / ".env").write_text("A=1\n")
    report = cortex.add([docs])
    told = {f.path.rsplit("/", 1)[-1]: f for f in report.files if f.status == "skipped"}
    assert set(told) == {"notes.md", ".env"}
    assert "3" in told["notes.md"].reason
    assert canary not in str(told)
    for path in home.root.rglob("*"):
        if path.is_file():
            assert canary.encode() not in path.read_bytes()


def test_code_with_one_password_is_indexed_without_it(cortex, docs, home):
    password = "vK7#" + "qLw9Tz4x"
    (docs / "gate.py").write_text(
        f'"""Opens the harbour gate."""\n\nHOST = "harbour.internal"\npassword = "{password}"\n\n\n'
        'def open_gate() -> bool:\n    """Whether the keeper could be reached and the gate is open."""\n'
        f'    return connect(HOST, "keeper", "{password}").opened\n'
    )
    report = cortex.add([docs])
    told = next(f for f in report.files if f.path.endswith("gate.py"))
    assert (told.status, told.reason) == (
        "added",
        "blacked out: password-or-key in line 4, password-or-key in line 9",
    )
    assert "open_gate" in cortex.recall("keeper of the harbour gate")[0].chunk.text
    for path in home.root.rglob("*"):
        if path.is_file():
            assert password.encode() not in path.read_bytes()


def test_proposals_wait_for_the_user(cortex):
    found = cortex.consider("note: the release branch is cut on Thursdays")
    assert [p.learning for p in found]
    assert cortex.recall("release branch") == []
    memory = cortex.approve(found[0].id)
    assert "Thursdays" in memory.learning
    assert cortex.proposals() == []
    assert cortex.consider("note: the release branch is cut on Thursdays") == []
    other = cortex.consider("note: lunch is at noon in the big room")[0]
    cortex.reject(other.id)
    assert cortex.consider("note: lunch is at noon in the big room") == []
    with pytest.raises(NotFoundError):
        cortex.approve(other.id)


def test_the_frame_keeps_its_budget_and_its_order(cortex, docs, embedder):
    cortex.add([docs])
    cortex.remember("our API uses optional query parameters for paging")
    frame = cortex.frame(
        "how do I declare an optional query parameter?",
        [Turn("user", "hello"), Turn("assistant", "hi")],
        most=500,
    )
    assert [s.name for s in frame.sections] == ["task", "knowledge", "learnings", "state", "instructions"]
    assert frame.tokens <= 500
    assert abs(embedder.count(frame.prompt) - frame.tokens) <= 12
    kinds = {s.kind for s in frame.sources}
    assert kinds == {"document", "memory"}
    assert [s.number for s in frame.sources] == list(range(1, len(frame.sources) + 1))
    for source in frame.sources:
        assert f"[{source.number}] " in frame.prompt
    assert cortex.memories()[0].retrieval_count == 1


def test_what_does_not_fit_is_listed(cortex, docs):
    for n in range(12):
        (docs / f"more{n}.md").write_text(f"# Part {n}\n\n" + f"optional query parameter number {n}. " * 25)
    cortex.add([docs])
    frame = cortex.frame("optional query parameter", most=400)
    assert frame.tokens <= 400
    assert frame.left_out


def test_a_prompt_that_does_not_fit_is_refused_not_cut(cortex):
    with pytest.raises(ContextOverflowError, match=r"2\d\d\d tokens, and there is room for 3"):
        cortex.frame("word " * 2000, most=400)


def test_a_long_prompt_takes_no_room_from_the_documents(cortex, docs, embedder):
    cortex.add([docs])
    pasted = "how do I declare an optional query parameter? " * 200
    frame = cortex.frame(pasted, most=8000)
    assert pasted.strip() in frame.prompt
    assert frame.sources
    assert embedder.count(pasted) > cortex.settings.frame_tokens


@pytest.mark.parametrize("empty", ["", " \n\t"])
def test_an_empty_prompt_is_refused(cortex, empty):
    with pytest.raises(InvalidInputError, match="empty"):
        cortex.frame(empty)
    with pytest.raises(InvalidInputError):
        cortex.recall(empty)


def test_questions_of_any_shape_do_not_break_the_search(cortex, docs):
    cortex.add([docs])
    for query in ('"', "a AND (b", "NEAR(x y)", "*", "q:1", "'; --", "пароль", "🙂", "x" * 5000, "the of"):
        cortex.recall(query)


def test_a_question_the_documents_do_not_answer_has_no_sources(cortex, docs):
    cortex.add([docs])
    frame = cortex.frame("What is the boiling point of tungsten?")
    assert frame.sources == ()
    assert "do not answer" in frame.prompt


def test_a_frame_holds_what_reads_as_was_expected_and_nothing_for_a_guess_about_nothing(cortex, docs):
    cortex.add([docs])
    vague = "what must I know?"
    assert not cortex.frame(vague).sources
    sources = cortex.frame(vague, expected="A required parameter is refused with status 422.").sources
    assert str(docs / "query.md") in [source.path for source in sources]
    guess = "Tungsten boils at 5,555 degrees, the highest of all metals."
    assert not cortex.frame("What is the boiling point of tungsten?", expected=guess).sources


def test_a_file_name_that_is_no_text_is_reported(cortex, docs):
    with open(os.fsencode(docs) + b"/caf\xe9.md", "w") as file:
        file.write("# Menu\n\nCoffee.\n")
    report = cortex.add([docs])
    odd = [f for f in report.files if f.status == "failed"]
    assert len(odd) == 1
    assert "not UTF-8" in odd[0].reason
    odd[0].path.encode()


def test_a_changed_embedder_builds_the_index_again(home, embedder_folder, docs):
    settings = CortexSettings()
    first = OnnxEmbedder("all-minilm-l6-v2", embedder_folder)
    with Cortex(home, settings, first) as cortex:
        cortex.add([docs])
    other = OnnxEmbedder("all-minilm-l6-v2", embedder_folder)
    other.model_id = "another-model"
    with Cortex(home, settings, other) as cortex:
        assert cortex.recovered.points_added > 0
        assert cortex.recall("optional parameter")


def test_the_store_is_plain_sqlite_that_others_may_read(home, embedder, docs):
    with Cortex(home, CortexSettings(), embedder) as cortex:
        cortex.add([docs])
        db = sqlite3.connect(f"file:{home.store}?mode=ro", uri=True)
        assert db.execute("SELECT count(*) FROM objects").fetchone() == (2,)
        db.close()
