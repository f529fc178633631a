"""What the index mirrors of its files in memory is given back, and loses nothing by it."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from nexus.core.settings import CortexSettings
from nexus.cortex.cortex import Cortex
from nexus.cortex.embedder import OnnxEmbedder
from nexus.cortex.indexer import Entry, Scope, Sparse
from nexus.cortex.ledger import FOREVER
from nexus.cortex.qdrant import QdrantIndex
from tests.resident import resident

SIZE = 16


def entries(first: int, count: int) -> list[Entry]:
    made = []
    for n in range(first, first + count):
        vector = np.random.default_rng(n).standard_normal(SIZE).astype(np.float32)
        words = Sparse(np.array([n], np.uint32), np.array([1.0], np.float32))
        point = f"00000000-0000-0000-0000-{n:012}"
        made.append(
            Entry(
                point,
                "document",
                "",
                "",
                ("/",),
                1,
                0,
                FOREVER,
                words,
                words,
                vector / np.linalg.norm(vector),
            )
        )
    return made


def best(index: QdrantIndex, entry: Entry) -> tuple[str, str]:
    scope = Scope("document")
    assert entry.vector is not None
    by_words = index.matching(entry.words, "words", 1, scope)
    return index.nearest(entry.vector, 1, scope)[0].point, by_words[0].point


@pytest.fixture
def index(tmp_path):
    index = QdrantIndex(tmp_path / "shard", "model", SIZE)
    yield index
    index.close()


def test_its_files_are_no_longer_in_memory_and_every_point_is_still_found(index, tmp_path):
    held = entries(0, 300)
    index.upsert(held)
    assert resident(tmp_path) > 500
    index.release()
    assert resident(tmp_path) == 0
    assert [best(index, entry) for entry in held[:20]] == [(e.point, e.point) for e in held[:20]]
    assert index.count() == 300


def test_what_is_written_after_it_survives_a_restart(index, tmp_path):
    index.upsert(entries(0, 50))
    index.release()
    index.upsert(entries(50, 50))
    index.release()
    index.delete([entry.point for entry in entries(0, 10)])
    index.release()
    wanted = {entry.point for entry in entries(10, 90)}
    assert set(index.points()) == wanted
    index.close()
    again = QdrantIndex(tmp_path / "shard", "model", SIZE)
    assert set(again.points()) == wanted
    index._shards = again._shards  # the fixture closes what is open


def test_threads_read_and_write_while_it_is_released_again_and_again(index):
    index.upsert(entries(0, 200))
    wrong: list[object] = []
    stop = threading.Event()

    def search() -> None:
        for entry in entries(0, 200):
            if best(index, entry) != (entry.point, entry.point):
                wrong.append(entry.point)

    def write() -> None:
        for start in range(200, 2200, 200):
            index.upsert(entries(start, 200))

    def release() -> None:
        while not stop.is_set():
            index.release()

    releasing = threading.Thread(target=release)
    workers = [threading.Thread(target=work) for work in (search, write, search)]
    for thread in (releasing, *workers):
        thread.start()
    for thread in workers:
        thread.join()
    stop.set()
    releasing.join()
    assert not wrong
    assert index.count() == 2200


def test_cortex_answers_as_before(home, embedder_folder):
    embedder = OnnxEmbedder("all-minilm-l6-v2", embedder_folder)
    with Cortex(home, CortexSettings(), embedder) as cortex:
        cortex.remember("staging Postgres listens on port 6543")
        cortex.remember("the office cat is called Pixel")
        # Scores move with the clock: a memory is a little less new each second.
        before = [found.chunk.point for found in cortex.recall("which port is the staging database on?")]
        cortex.give_back()
        assert resident(home.shard) == 0
        after = cortex.recall("which port is the staging database on?")
        assert [found.chunk.point for found in after] == before
