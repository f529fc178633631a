"""Documents that come as text: found like every document, moved without a model, gone when dropped."""

from __future__ import annotations

import pytest

from nexus.core.settings import CortexSettings
from nexus.cortex.cortex import Cortex
from nexus.cortex.embedder import OnnxEmbedder
from nexus.cortex.filters import Filter

PLAN = """# Winter plan

The heating in the greenhouse is set to twelve degrees from November on, so that the lemon trees survive.

## Watering

In winter the lemon trees get water once a week, and never on a day of frost.
"""
KEY = "AKIA" + "QYLPMN5HHHFPZAM2"


@pytest.fixture(scope="module")
def embedder(embedder_folder):
    return OnnxEmbedder("all-minilm-l6-v2", embedder_folder)


@pytest.fixture
def cortex(home, embedder, request):
    index = getattr(request, "param", "exact")
    with Cortex(home, CortexSettings.model_validate({"index": index}), embedder) as opened:
        yield opened


in_both = pytest.mark.parametrize("cortex", ["qdrant", "exact"], indirect=True)


def put(cortex, path, text=PLAN, name="plan.md", stamp="1"):
    points = cortex.texts.put(path, text, "markdown", name=name, sha256=stamp)
    cortex.texts.embed(points)
    return points


def asked(cortex, text, under="memex:"):
    return cortex.texts.search(text, cortex.texts.question(text), under)


def test_a_text_is_recalled_like_a_document(cortex):
    put(cortex, "memex:/garden/plan.md")
    best = cortex.recall("how often are citrus plants watered when it is cold?")[0]
    assert best.chunk.path == "memex:/garden/plan.md"
    assert "Watering" in best.chunk.heading
    assert cortex.recall("lemon", where=Filter(path="memex:/garden"))
    assert not cortex.recall("lemon", where=Filter(path="memex:/other"))


def test_words_are_found_before_there_are_vectors(cortex):
    points = cortex.texts.put("memex:/a.md", PLAN, "markdown", name="a.md", sha256="1")
    assert asked(cortex, "greenhouse")[0].path == "memex:/a.md"
    assert cortex.verify().unembedded == len(points)
    cortex.texts.embed(points)
    assert cortex.verify().sound


@in_both
def test_moving_embeds_nothing_and_keeps_what_is_found(cortex, monkeypatch):
    put(cortex, "memex:/garden/plan.md")
    before = [(row.text, row.heading) for row in cortex.texts.passages_of("memex:/garden/plan.md")]
    monkeypatch.setattr(OnnxEmbedder, "passages", lambda *_: pytest.fail("something was embedded"))
    assert cortex.texts.move("memex:/garden/plan.md", "memex:/winter/other.md")
    assert cortex.texts.passages_of("memex:/garden/plan.md") == []
    moved = cortex.texts.passages_of("memex:/winter/other.md")
    assert [(row.text, row.heading) for row in moved] == before
    assert {p.path for p in asked(cortex, "lemon trees")} == {"memex:/winter/other.md"}
    assert cortex.verify().sound
    assert not cortex.texts.move("memex:/garden/plan.md", "memex:/x.md")


def test_moving_replaces_what_was_there(cortex):
    put(cortex, "memex:/a.md")
    put(cortex, "memex:/b.md", "# Tractor\n\nThe tractor needs oil every spring.\n", "b.md")
    cortex.texts.move("memex:/a.md", "memex:/b.md")
    assert cortex.texts.paths("memex:") == ["memex:/b.md"]
    assert not [p for p in asked(cortex, "tractor oil") if p.words == 1]
    assert cortex.verify().sound


def test_dropping_and_blank_texts_leave_nothing(cortex):
    put(cortex, "memex:/a.md")
    assert put(cortex, "memex:/a.md", " \n") == []
    assert cortex.texts.paths("memex:") == []
    put(cortex, "memex:/a.md")
    assert cortex.texts.drop("memex:/a.md")
    assert not cortex.texts.drop("memex:/a.md")
    assert cortex.recall("lemon trees") == []
    assert cortex.indexed() == 0


def test_no_credential_is_stored(cortex):
    put(cortex, "memex:/a.md", f"# Access\n\nThe key of the bucket is {KEY} and it is old.\n")
    rows = cortex.texts.passages_of("memex:/a.md")
    assert rows
    assert not any(KEY in row.text for row in rows)


@in_both
def test_only_what_lies_below_is_searched_however_much_else_there_is(cortex, tmp_path):
    for number in range(40):
        text = "\n\n".join(f"## Lemon trees {number}.{part}\n\nWater for lemon trees." for part in range(3))
        (tmp_path / f"{number}.md").write_text(text * 3)
    cortex.add([tmp_path])
    put(cortex, "memex:/garden/plan.md")
    put(cortex, "memex:/gardener.md")
    assert {p.path for p in asked(cortex, "lemon trees water")} == {
        "memex:/garden/plan.md",
        "memex:/gardener.md",
    }
    assert {p.path for p in asked(cortex, "lemon trees", "memex:/garden")} == {"memex:/garden/plan.md"}


def test_files_that_are_added_and_forgotten_do_not_touch_texts(cortex, tmp_path):
    put(cortex, "memex:/a.md")
    (tmp_path / "file.md").write_text(PLAN)
    cortex.add([tmp_path])
    cortex.forget_documents(tmp_path)
    assert cortex.texts.paths("memex:") == ["memex:/a.md"]
    assert cortex.roots() == {"memex:": 1}


def test_which_documents_hold_every_word(cortex):
    put(cortex, "memex:/a.md")
    put(cortex, "memex:/b.md", "# Lemons\n\nA lemon is yellow.\n", "b.md")
    paths = ["memex:/a.md", "memex:/b.md", "memex:/none"]
    assert cortex.texts.holding("greenhouse frost", paths) == {"memex:/a.md"}
    assert cortex.texts.holding("lemons", paths) == {"memex:/a.md", "memex:/b.md"}
    assert cortex.texts.holding("lemon rocket", paths) == set()
    assert cortex.texts.holding("the of", paths) == set()


def test_the_nearest_passage_of_chosen_documents(cortex):
    put(cortex, "memex:/a.md")
    put(cortex, "memex:/b.md", "# Lemons\n\nA lemon is yellow.\n", "b.md")
    near = cortex.texts.nearest(cortex.texts.question("watering in winter"), ["memex:/a.md", "memex:/b.md"])
    assert near["memex:/a.md"] > near["memex:/b.md"]
    assert cortex.texts.nearest(cortex.texts.question("water"), []) == {}
