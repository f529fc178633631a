"""The words of what waits are found before a model reads any of it."""

from __future__ import annotations

import pytest

from nexus.cortex.embedder import OnnxEmbedder
from nexus.memexfs import indexing
from tests.unit.memexfs.index_sample import sample


@pytest.fixture(scope="module")
def embedder(embedder_folder):
    return OnnxEmbedder("all-minilm-l6-v2", embedder_folder)


@pytest.fixture
def memex(home, embedder):
    with sample(home, embedder) as opened:
        yield opened


def test_the_words_of_all_are_found_before_the_model_reads(memex, monkeypatch):
    kept = OnnxEmbedder.passages

    def looked(self, given, on_batch=None):
        assert all(memex.memex.store.matching(f"lantern{number}", 1) for number in range(40))
        return kept(self, given, on_batch)

    monkeypatch.setattr(OnnxEmbedder, "passages", looked)
    paths = [memex.write(f"{n}.md", f"# Lamp {n}\n\nHere hangs lantern{n}.\n") for n in range(40)]
    memex.memex.pipeline.step()
    assert memex.memex.status()["work"]["unembedded"] > 0
    assert memex.memex.status()["work"]["waiting"] == 40
    assert memex.found("where does lantern3 hang?")[0] == "3.md"
    memex.work()
    assert {memex.state(path) for path in paths} == {"indexed"}
    work = memex.memex.status()["work"]
    assert (work["indexed"], work["unembedded"], work["waiting"]) == (40, 0, 0)
    assert memex.cortex.verify().sound
    assert memex.memex.pipeline.reconcile() == 0


def test_what_changes_moves_or_goes_while_its_vectors_wait_is_as_it_is_then(memex):
    memex.write("a.md", "# Refunds\n\nA customer gets the money back.\n")
    memex.write("b.md", "# The door\n\nIts handle is loose.\n")
    memex.write("c/c.md", "# Solar roof\n\nForty panels on the south side.\n")
    memex.write("d.md", "# Minutes\n\nWe met.\n")
    assert memex.memex.pipeline.step()
    assert memex.state(b"a.md") == "waiting"
    memex.write("a.md", "# The walrus\n\nThe walrus is green.\n")
    memex.remove("b.md")
    memex.rename("c", "energy")
    memex.rename("d.md", "minutes.md")
    memex.work()
    assert memex.found("walrus")[0] == "a.md"
    assert memex.found("photovoltaic power")[0] == "energy/c.md"
    assert sorted(memex.cortex.texts.paths("memex:")) == [
        *("memex:/a.md", "memex:/energy/c.md", "memex:/minutes.md")
    ]
    assert memex.memex.store.matching("customer", 5) == []
    work = memex.memex.status()["work"]
    assert (work["unembedded"], work["waiting"]) == (0, 0)
    assert memex.cortex.verify().sound
    assert memex.memex.pipeline.reconcile() == 0


def test_not_too_many_wait_for_their_vectors(memex, monkeypatch):
    monkeypatch.setattr(indexing, "AHEAD", 1)
    paths = [memex.write(f"{n}.md", f"# Lamp {n}\n\nHere hangs lantern{n}.\n") for n in range(3)]
    assert memex.memex.pipeline.step()
    assert [memex.state(path) for path in paths].count("waiting") == 1
    memex.work()
    assert memex.memex.store.waiting() == 0
