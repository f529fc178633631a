"""Vectors of files on disk: as the exact scan has them, and begun anew when they cannot be trusted."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from nexus.core import room
from nexus.core.errors import AlreadyRunningError, StorageError
from nexus.memexfs.shard import EdgeFiles, ExactFiles

SIZE = 32


def unit(seed, parts=4):
    made = np.random.default_rng(seed).standard_normal((parts, SIZE // parts)).astype(np.float32)
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).reshape(-1)


@pytest.fixture
def edge(tmp_path):
    opened = EdgeFiles(tmp_path / "vectors", "model", SIZE)
    yield opened
    opened.close()


def same(edge, exact, seed):
    asked = unit(seed)
    ours, theirs = edge.nearest(asked, 10), exact.nearest(asked, 10)
    assert list(ours) == list(theirs)
    assert list(ours.values()) == pytest.approx(list(theirs.values()), abs=0.01)


def test_it_answers_like_the_exact_scan_through_any_changes(edge):
    exact = ExactFiles(SIZE)
    drawn = random.Random(7)
    for step in range(300):
        file = drawn.randrange(1, 80)
        if drawn.random() < 0.3:
            gone = [file, drawn.randrange(1, 200)]
            edge.delete(gone)
            exact.delete(gone)
        else:
            vector = unit(step)
            if drawn.random() < 0.3:
                vector[: SIZE // 4] = 0  # an absent block
            edge.put(file, vector, f"stamp {step}")
            exact.put(file, vector, f"stamp {step}")
        if step % 20 == 0:
            same(edge, exact, 1000 + step)
    assert dict(edge.held()) == dict(exact.held())
    assert edge.count() == exact.count()
    chosen = list(dict(exact.held()))[:5]
    assert edge.nearest(unit(1), 3, chosen).keys() == exact.nearest(unit(1), 3, chosen).keys()
    assert edge.nearest(unit(1), 3, []) == exact.nearest(unit(1), 3, []) == {}
    assert edge.get(10**6) is exact.get(10**6) is None


def test_the_metric_is_the_dot_product_and_not_the_cosine(edge):
    half = unit(1)
    half[SIZE // 2 :] = 0
    edge.put(1, half, "")
    edge.put(2, unit(1), "")
    scores = edge.nearest(unit(1), 2)
    assert scores[2] == pytest.approx(4, abs=0.01)
    assert scores[1] == pytest.approx(2, abs=0.01)


def test_it_is_there_again_after_a_restart(tmp_path):
    first = EdgeFiles(tmp_path / "v", "model", SIZE)
    first.put(7, unit(3), "stamp")
    first.close()
    again = EdgeFiles(tmp_path / "v", "model", SIZE)
    found = again.get(7)
    assert found is not None
    vector, stamp = found
    assert stamp == "stamp"
    assert vector == pytest.approx(unit(3), abs=0.01)
    again.close()


@pytest.mark.parametrize("harm", ["model", "label", "files"])
def test_what_cannot_be_trusted_is_begun_anew(tmp_path, harm):
    first = EdgeFiles(tmp_path / "v", "model", SIZE)
    first.put(7, unit(3), "stamp")
    first.close()
    if harm == "label":
        (tmp_path / "v" / "nexus.json").write_text(json.dumps([1]))
    elif harm == "files":
        for path in (tmp_path / "v" / "files").rglob("*.json"):
            path.write_bytes(b"\0" * 40)
    again = EdgeFiles(tmp_path / "v", "other" if harm == "model" else "model", SIZE)
    assert again.count() == 0
    again.put(1, unit(1), "")
    assert list(again.nearest(unit(1), 1)) == [1]
    again.close()


def test_what_was_given_back_is_searched_again(edge):
    for file in range(1, 50):
        edge.put(file, unit(file), "")
    before = edge.nearest(unit(7), 5)
    edge.release()
    assert edge.nearest(unit(7), 5) == before


def test_one_process_has_it_open(edge, tmp_path):
    with pytest.raises(AlreadyRunningError):
        EdgeFiles(tmp_path / "vectors", "model", SIZE)


def test_nothing_is_written_where_the_disk_has_no_room(edge, monkeypatch):
    edge.put(1, unit(1), "first")
    with monkeypatch.context() as patch:
        patch.setattr(room, "KEPT_BYTES", 2**62)
        with pytest.raises(StorageError, match="no space left on the disk of"):
            edge.put(1, unit(2), "second")
    vector, stamp = edge.get(1)
    assert stamp == "first"
    assert np.allclose(vector, unit(1), atol=1e-3)
    edge.put(1, unit(2), "second")
    assert edge.get(1)[1] == "second"
