"""From a file in the tree to being found, through changes, moves, ends, faults and restarts."""

from __future__ import annotations

import os
import shutil
import time

import pytest

from nexus.core.errors import StorageError
from nexus.cortex.embedder import OnnxEmbedder
from nexus.memexfs import indexing as indexing_module
from nexus.memexfs import memex as memex_module
from nexus.memexfs import naming
from nexus.memexfs.extract import extract
from nexus.memexfs.opening import Opener
from tests.unit.memexfs.index_sample import sample, until

MONEY = """# Giving money back

A customer who is not happy within thirty days gets the full price returned to the card that paid. Write the
order number down, say sorry, and transfer the amount the same day.
"""
DOOR = "# The front door\n\nThe handle of the front door is loose. We handle keys at the desk.\n"
KEY = "AKIA" + "QYLPMN5HHHFPZAM2"
ROOF = "# Solar roof\n\nForty panels on the south side give nine kilowatts at noon in June.\n"


@pytest.fixture(scope="module")
def embedder(embedder_folder):
    return OnnxEmbedder("all-minilm-l6-v2", embedder_folder)


@pytest.fixture
def memex(home, embedder):
    with sample(home, embedder) as opened:
        yield opened


def fill(memex):
    return [memex.write("shop/money.md", MONEY), memex.write("door.md", DOOR), memex.write("roof.txt", ROOF)]


def test_what_is_written_is_found_by_what_it_means(memex):
    fill(memex)
    memex.work()
    assert memex.found("how we handle refunds")[0] == "shop/money.md"
    assert memex.found("photovoltaic power of the house")[0] == "roof.txt"
    assert memex.state(b"shop/money.md") == "indexed"
    assert memex.memex.store.waiting() == 0
    row = memex.memex.store.file(b"shop/money.md")
    assert (row.title, row.kind) == ("Giving money back", "markdown")
    assert row.digest


def test_agents_recall_it_too(memex):
    fill(memex)
    memex.work()
    assert memex.cortex.recall("refund policy")[0].chunk.path == "memex:/shop/money.md"


def test_saving_again_and_again_embeds_once(memex, monkeypatch):
    texts = []
    kept = OnnxEmbedder.passages

    def noted(self, given, on_batch=None):
        texts.extend(given)
        return kept(self, given, on_batch)

    monkeypatch.setattr(OnnxEmbedder, "passages", noted)
    for number in range(500):
        memex.write("a.md", f"# Draft\n\nThis is draft {number}.\n")
    memex.work()
    assert sum("draft 499" in text for text in texts) == 1
    assert not any("draft 498" in text for text in texts)


def test_unchanged_content_is_not_read_by_the_model_again(memex, monkeypatch):
    path = memex.write("a.md", MONEY)
    memex.work()
    monkeypatch.setattr(OnnxEmbedder, "passages", lambda *_: pytest.fail("something was embedded"))
    memex.write("a.md", MONEY)
    memex.work()
    assert memex.state(path) == "indexed"


def test_a_change_replaces_what_was_found(memex):
    memex.write("a.md", MONEY)
    memex.work()
    memex.write("a.md", ROOF)
    memex.work()
    best = memex.memex.search("solar panels")[0]
    assert best.path == b"a.md"
    assert "kilowatts" in best.passage
    assert "a.md" not in memex.found("customer card order number")


def test_a_renamed_file_and_folder_are_found_under_their_new_names(memex, monkeypatch):
    fill(memex)
    memex.work()
    monkeypatch.setattr(memex_module, "extract", lambda *_: pytest.fail("it was read again"))
    memex.rename("roof.txt", "energy/plan.txt")
    memex.rename("shop", "office/archive")
    memex.work()
    assert memex.found("how we handle refunds")[0] == "office/archive/money.md"
    assert memex.found("photovoltaic power")[0] == "energy/plan.txt"
    assert memex.found("refunds", under=b"office") == ["office/archive/money.md"]
    assert sorted(memex.cortex.texts.paths("memex:")) == [
        "memex:/door.md",
        "memex:/energy/plan.txt",
        "memex:/office/archive/money.md",
    ]
    assert memex.memex.pipeline.reconcile() == 0


def test_two_files_that_change_places_keep_their_own_texts(memex):
    memex.write("a.md", MONEY)
    memex.write("b.md", ROOF)
    memex.work()
    (memex.tree / "a.md").rename(memex.tree / "c")
    (memex.tree / "b.md").rename(memex.tree / "a.md")
    (memex.tree / "c").rename(memex.tree / "b.md")
    memex.memex.store.exchanged(b"a.md", b"b.md")
    memex.work()
    assert memex.found("refund of the price")[0] == "b.md"
    assert memex.found("solar panels")[0] == "a.md"


def test_what_is_removed_is_gone_everywhere(memex):
    fill(memex)
    memex.work()
    memex.remove("door.md")
    shutil.rmtree(memex.tree / "shop")
    memex.memex.store.removed(b"shop", folder=True)
    memex.work()
    assert memex.found("how we handle refunds at the front door") in ([], ["roof.txt"])
    assert memex.cortex.texts.paths("memex:") == ["memex:/roof.txt"]
    assert memex.memex.status()["vectors"] == 1


def test_a_file_that_moved_before_anybody_said_so_keeps_its_tags(memex):
    path = memex.write("a.md", MONEY)
    memex.memex.store.tag(memex.id(path), "shop")
    (memex.tree / "a.md").rename(memex.tree / "b.md")
    memex.work()
    assert memex.state(path) == "waiting"
    memex.memex.store.moved(b"a.md", b"b.md", folder=False)
    memex.work()
    assert memex.found("refund") == ["b.md"]
    assert memex.memex.store.tags_of(memex.id(b"b.md")) == ["shop"]


def test_a_file_that_vanished_unheard_is_forgotten_in_the_end(memex):
    now = [time.time_ns()]
    memex.memex.pipeline._clock = lambda: now[0]
    path = memex.write("a.md", MONEY)
    memex.work()
    (memex.tree / "a.md").unlink()
    memex.memex.store.enqueue([path], 0)
    for _ in range(6):
        memex.work()
        now[0] += 3600 * 10**9
    assert memex.state(path) == "unreadable"
    assert memex.found("refund") == []
    assert memex.memex.status()["vectors"] == 0
    assert memex.cortex.texts.paths("memex:") == []


def test_secrets_are_stored_and_never_embedded(memex):
    memex.write("notes.md", MONEY)
    memex.write("keys/id_rsa", "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n")
    memex.write("notes2.md", MONEY)
    memex.work()
    assert memex.state(b"keys/id_rsa") == "secret"
    assert memex.memex.status()["vectors"] == 2
    memex.write("notes.md", f"{KEY}\n")
    memex.work()
    assert memex.state(b"notes.md") == "secret"
    assert "memex:/notes.md" not in memex.cortex.texts.paths("memex:")


def test_ignored_names_links_and_pipes_are_not_read(home, embedder, tmp_path):
    outside = tmp_path / "outside.md"
    outside.write_text(MONEY)
    with sample(home, embedder, ignored=lambda path: path.endswith(b".swp")) as memex:
        memex.write("a.swp", MONEY)
        (memex.tree / "link.md").symlink_to(outside)
        (memex.tree / "folder").symlink_to(tmp_path)
        memex.memex.store.enqueue([b"link.md", b"folder/outside.md"], 0)
        memex.work()
        assert memex.state(b"a.swp") == "ignored"
        assert memex.state(b"link.md") == "ignored"
        assert memex.memex.status()["vectors"] == 0
        with (
            pytest.raises(OSError, match=r"directory|links"),
            Opener(memex.tree).opened(b"folder/outside.md"),
        ):
            pass


def test_names_that_are_no_text_and_paths_beyond_path_max(memex):
    odd = memex.write(b"caf\xe9-\xff.md", MONEY)
    memex.work()
    assert memex.memex.search("refund of the price")[0].path == odd
    deep = b"/".join([b"d" * 200] * 25)
    folder = os.open(memex.tree, os.O_RDONLY)
    for name in deep.split(b"/"):
        os.mkdir(name, dir_fd=folder)
        inner = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    descriptor = os.open(b"roof.md", os.O_CREAT | os.O_WRONLY, dir_fd=folder)
    os.write(descriptor, ROOF.encode())
    os.close(descriptor)
    os.close(folder)
    memex.memex.store.enqueue([deep + b"/roof.md"], 0)
    memex.work()
    assert memex.memex.search("solar panels")[0].path == deep + b"/roof.md"


def test_a_source_is_indexed_in_place(memex, tmp_path):
    folder = tmp_path / "Documents"
    folder.mkdir()
    (folder / "money.md").write_text(MONEY)
    memex.memex.store.add_source("Documents", folder)
    memex.memex.store.enqueue([b"Documents/money.md"], 0)
    memex.work()
    assert memex.found("how we handle refunds") == ["Documents/money.md"]


def test_one_file_that_cannot_be_read_keeps_no_other_from_it(home, embedder, monkeypatch):
    now = [time.time_ns()]

    def broken(source, name, size=None):
        if name == b"poison.md":
            raise RuntimeError("it burns")
        return kept(source, name, size)

    kept = extract
    monkeypatch.setattr(memex_module, "extract", broken)
    with sample(home, embedder) as memex:
        memex.memex.pipeline._clock = lambda: now[0]
        memex.write("poison.md", MONEY)
        memex.write("roof.txt", ROOF)
        memex.work()
        assert memex.found("solar panels") == ["roof.txt"]
        assert "it burns" in memex.memex.store.problem_of(b"poison.md")
        for _ in range(10):
            now[0] += 3600 * 10**9
            memex.work()
        row = memex.memex.store.file(b"poison.md")
        assert row is not None
        assert row.state == "unreadable"
        assert "it burns" in row.problem
        assert memex.memex.store.waiting() == 0
        assert memex.memex.reindex(b"poison.md") == 1
        monkeypatch.setattr(memex.memex.pipeline._indexing, "_extract", kept)
        now[0] += 10**12
        memex.work()
        assert "poison.md" in memex.found("refund")


STEPS = [("texts", "put"), ("texts", "embed"), ("vectors", "put"), ("store", "described"), ("store", "done")]


@pytest.mark.parametrize(("part", "call"), STEPS)
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("alone", [True, False])
def test_wherever_it_is_killed_the_next_start_ends_at_the_same(home, embedder, part, call, before, alone):
    class KilledError(BaseException):
        """As a kill: nothing handles it."""

    with sample(home, embedder) as memex:
        memex.write("a.md", MONEY)
        memex.work()
        memex.write("a.md", ROOF)
        if not alone:  # then their words come first
            memex.write("door.md", DOOR)
        indexing = memex.memex.pipeline._indexing
        held = {"texts": indexing._texts, "vectors": indexing._vectors, "store": memex.memex.store}[part]
        kept = getattr(held, call)

        def killed(*values, **named):
            if not before:
                kept(*values, **named)
            raise KilledError

        setattr(held, call, killed)
        with pytest.raises(KilledError):
            memex.work()
        delattr(held, call)
    with sample(home, embedder) as memex:
        memex.memex.pipeline.reconcile()
        memex.work()
        assert memex.state(b"a.md") == "indexed"
        assert memex.found("solar panels")[0] == "a.md"
        assert alone or memex.found("loose handle")[0] == "door.md"
        assert memex.found("customer card order") == []
        assert memex.cortex.verify().sound
        assert memex.memex.pipeline.reconcile() == 0


def test_a_long_file_is_found_at_once_and_wholly_later(memex, monkeypatch):
    monkeypatch.setattr(indexing_module, "FIRST", 2)
    parts = [f"## Part {n}\n\n{'Filler words of no interest. ' * 30}\n" for n in range(6)]
    path = memex.write("long.md", "# Long\n\n" + "\n".join(parts) + "\n## Walrus\n\nThe walrus is green.\n")
    assert memex.memex.pipeline.step()
    assert memex.state(path) == "indexed"
    assert memex.found("walrus") == ["long.md"]
    assert memex.memex.status()["work"]["unembedded"] > 0
    memex.work()
    assert memex.memex.status()["work"]["unembedded"] == 0
    assert memex.cortex.verify().sound


def test_tags_move_a_file_nearer_and_nothing_is_read_again(memex, monkeypatch):
    path = memex.write("a.md", "# Minutes\n\nWe met on Tuesday and talked.\n")
    memex.write("b.md", "# Minutes\n\nWe met on Monday and talked.\n")
    memex.work()
    before = memex.memex.search("tax declaration", weights={"tags": 1.0})
    monkeypatch.setattr(
        memex.memex.pipeline._indexing, "_extract", lambda *_: pytest.fail("it was read again")
    )
    memex.memex.tag(path, ["tax declaration", "project:house"])
    memex.work()
    assert memex.memex.store.file(path).project == "house"
    best = memex.memex.search("tax declaration", weights={"tags": 1.0})[0]
    assert best.path == path
    assert best.parts["tags"] > max((found.parts.get("tags", 0) for found in before), default=0)
    assert memex.memex.tag(path, remove=["tax declaration"]) == ["project:house"]
    memex.work()
    after = memex.memex.search("tax declaration", weights={"tags": 1.0})
    assert max((found.parts.get("tags", 0) for found in after), default=0) < best.parts["tags"]


def test_started_it_works_by_itself_and_rests_when_told(memex):
    memex.memex.start()
    memex.memex.pause()
    path = memex.write("a.md", MONEY)
    status = memex.memex.status()
    assert status["work"]["paused"]
    assert status["work"]["waiting"] == 1
    memex.memex.resume()
    until(lambda: memex.state(path) == "indexed")
    assert memex.found("refund") == ["a.md"]


def test_a_missing_model_or_a_full_disk_stops_the_work_and_loses_nothing(memex, monkeypatch):
    path = memex.write("a.md", MONEY)
    full = StorageError("no space left on the disk")

    def fails(*_):
        raise full

    monkeypatch.setattr(memex.memex.pipeline._indexing._texts, "embed", fails)
    with pytest.raises(StorageError):
        memex.memex.pipeline.step()
    assert memex.memex.store.waiting() == 1
    monkeypatch.undo()
    memex.work()
    assert memex.state(path) == "indexed"
    assert memex.cortex.verify().sound
    assert naming.document(path) in memex.cortex.texts.paths("memex:")
