"""Packing an index changes what it takes, not what it answers, whatever happens meanwhile."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nexus.core.errors import StorageError
from nexus.cortex import edge_packing, qdrant
from nexus.cortex.exact import ExactIndex
from nexus.cortex.indexer import Entry, Scope, Sparse
from nexus.cortex.ledger import FOREVER
from nexus.cortex.qdrant import QdrantIndex

SIZE = 16
SCOPES = (
    Scope("document"),
    Scope("document", project="/a"),
    Scope("document", domain="testing", after=2),
    Scope("document", path="/d", at=3),
    Scope("document", points=tuple(str(uuid.UUID(int=n)) for n in range(40, 90))),
    Scope("transcript"),
)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Packs what is a few dozen points, too."""
    monkeypatch.setattr(qdrant, "_LOOSE", 1)
    monkeypatch.setattr(qdrant, "_PACKED_FROM", 1)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "shard"


@pytest.fixture
def index(folder):
    index = QdrantIndex(folder, "model", SIZE)
    yield index
    index.close()


def unit(draw):
    v = draw.standard_normal(SIZE).astype(np.float32)
    return v / np.linalg.norm(v)


def words(draw):
    """Quarters, so that sums are exact in every order."""
    chosen = np.sort(draw.choice(60, draw.integers(0, 6), replace=False)).astype(np.uint32)
    return Sparse(chosen, (draw.integers(1, 20, len(chosen)) / 4).astype(np.float32))


def entry(n, version=0):
    draw = np.random.default_rng([n, version])
    return Entry(
        point=str(uuid.UUID(int=n)),
        kind="transcript" if n % 3 == 0 else "document",
        project=("", "/a", "/b")[draw.integers(3)],
        domain=("", "testing")[draw.integers(2)],
        folders=(("/d/x.md", "/d", "/"), ("/e.md", "/"))[draw.integers(2)],
        changed=int(draw.integers(6)),
        valid_from=int(draw.integers(4)),
        valid_to=int(draw.choice([4, FOREVER])),
        words=words(draw),
        context=words(draw),
        vector=None if n % 7 == 0 else unit(draw),
    )


def entries(first, count, version=0):
    return [entry(n, version) for n in range(first, first + count)]


def loose(folder):
    return sum(edge_packing.loose(folder / kind) for kind in ("document", "transcript", "memory"))


def packed(index):
    return index.pack(lambda: True)


def test_every_search_is_answered_as_by_a_dictionary_before_and_after(index, folder):
    exact = ExactIndex(SIZE)

    def both(change):
        change(index)
        change(exact)

    def same():
        assert index.points() == exact.points()
        draw = np.random.default_rng(5)
        for scope in SCOPES:
            for _ in range(5):
                asked, by_words = unit(draw), words(draw)
                found, wanted = (i.nearest(asked, 8, scope) for i in (index, exact))
                # Two bytes a number: those that are as near may change places.
                assert [h.score for h in found] == pytest.approx([h.score for h in wanted], abs=2e-3)
                found, wanted = (i.matching(by_words, "context", 8, scope) for i in (index, exact))
                assert [h.score for h in found] == [h.score for h in wanted]

    both(lambda i: i.upsert(entries(0, 400)))
    same()
    assert packed(index)
    assert loose(folder) == 0
    same()
    # Over what is packed: new content, deleted points, new points.
    both(lambda i: i.upsert([replace(entry(n, 1), kind=entry(n).kind) for n in range(50, 120)]))
    both(lambda i: i.delete([str(uuid.UUID(int=n)) for n in range(100, 200)]))
    both(lambda i: i.upsert(entries(1000, 300)))
    same()
    assert packed(index)
    same()
    index.close()
    index.__init__(folder, "model", SIZE)
    same()
    assert not packed(index)


def test_nothing_is_left_beside_the_shards(index, folder):
    index.upsert(entries(0, 300))
    before = {path.name for path in folder.iterdir()}
    assert packed(index)
    assert {path.name for path in folder.iterdir()} == before


def test_few_new_points_are_not_worth_it(index, folder, monkeypatch):
    monkeypatch.setattr(qdrant, "_LOOSE", 301)
    index.upsert(entries(0, 300))
    assert not packed(index)
    assert loose(folder) == 300


def test_whoever_waits_ends_it_and_nothing_has_changed(index, folder):
    index.upsert(entries(0, 300))
    assert not index.pack(lambda: False)
    assert index.count() == 300
    assert loose(folder) == 300
    assert packed(index)


def test_a_change_meanwhile_is_kept_and_ends_it(index, folder):
    index.upsert(entries(0, 300))
    late = [entry(1000)]

    def goes_on():
        if late:
            index.upsert([late.pop()])
        return True

    index.pack(goes_on)
    assert index.count() == 301
    # The change was to a document: they stay as they were, and the others are packed.
    assert edge_packing.loose(folder / "document") >= 200
    assert edge_packing.loose(folder / "transcript") == 0
    assert str(uuid.UUID(int=1000)) in index.points()


def test_a_copy_that_came_out_smaller_is_not_taken(index, monkeypatch):
    index.upsert(entries(0, 300))

    def lost(copy, goes_on):
        shutil.rmtree(copy)
        other = QdrantIndex(copy.parent / "other", "model", SIZE)
        other.upsert(entries(0, 30))
        other.close()
        shutil.copytree(copy.parent / "other" / copy.name.split(".")[0], copy)
        return True

    monkeypatch.setattr(edge_packing, "packed", lost)
    assert not packed(index)
    assert index.count() == 300
    index.upsert(entries(300, 10))
    assert index.count() == 310


def test_where_neither_can_be_opened_an_empty_one_takes_new_points(index, folder, monkeypatch):
    index.upsert(entries(0, 300))

    def damaged(copy, goes_on):
        for place in (copy, folder / copy.name.split(".")[0]):
            (place / "edge_config.json").write_bytes(b"{")
            shutil.rmtree(place / "segments")
        return True

    monkeypatch.setattr(edge_packing, "packed", damaged)
    with pytest.raises(StorageError, match="can no longer be opened"):
        packed(index)
    held = len(index.points())
    assert held < 300
    index.upsert(entries(0, 300))
    assert set(index.points()) == {e.point for e in entries(0, 300)}
    assert index.nearest(entry(1).vector, 1, Scope("document"))[0].point == entry(1).point


def test_without_room_for_a_copy_all_stays_as_it_is(index, monkeypatch):
    index.upsert(entries(0, 300))
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=33 << 20))
    assert not packed(index)
    assert index.count() == 300


@pytest.mark.parametrize("place", ["before", "between"])
def test_a_process_that_dies_while_they_change_places_loses_nothing(folder, place):
    index = QdrantIndex(folder, "model", SIZE)
    index.upsert(entries(0, 300))
    index.close()
    shutil.copytree(folder / "document", folder / "document.packing")
    if place == "between":
        (folder / "document").rename(folder / "document.replaced")
    again = QdrantIndex(folder, "model", SIZE)
    assert again.count() == 300
    assert not list(folder.glob("*.packing")) + list(folder.glob("*.replaced"))
    again.close()


PACKS = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from tests.unit.cortex.test_index_packing import QdrantIndex, SIZE, entries, qdrant
qdrant._LOOSE = qdrant._PACKED_FROM = 1
index = QdrantIndex(Path(sys.argv[1]), "model", SIZE)
print("ready", flush=True)
for n in range(1000):
    index.upsert(entries(300, 50, n))
    index.pack(lambda: True)
"""


def test_killed_at_any_moment_it_has_every_point(folder):
    index = QdrantIndex(folder, "model", SIZE)
    index.upsert(entries(0, 350))
    index.close()
    root = str(Path(__file__).resolve().parents[3])
    draw = np.random.default_rng(1)
    for _ in range(4):
        child = subprocess.Popen([sys.executable, "-c", PACKS, str(folder), root], stdout=subprocess.PIPE)
        assert child.stdout
        assert child.stdout.readline() == b"ready\n"
        time.sleep(float(draw.uniform(0.05, 1.0)))
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
        index = QdrantIndex(folder, "model", SIZE)
        assert len(index.points()) == 350
        index.close()


def test_threads_search_while_it_is_packed(index):
    index.upsert(entries(0, 300))
    wrong = []
    stop = threading.Event()

    def search():
        while not stop.is_set():
            for n in (1, 2, 4):
                hits = index.nearest(entry(n).vector, 1, Scope("document"))
                if [h.point for h in hits] != [entry(n).point] or index.count() != 300:
                    wrong.append(n)

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert packed(index)
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
