"""Every index agrees with the slow, obvious one, whatever happened before."""

from __future__ import annotations

import shutil
import uuid

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.core.errors import AlreadyRunningError
from nexus.cortex.indexer import ExactIndex, synchronise
from nexus.cortex.ledger import ObjectKind
from nexus.cortex.qdrant import QdrantIndex

SIZE = 16
KINDS: tuple[ObjectKind, ObjectKind] = ("document", "memory")


def vector(seed):
    v = np.random.default_rng(seed).standard_normal(SIZE).astype(np.float32)
    return v / np.linalg.norm(v)


def point(n):
    return str(uuid.UUID(int=n))


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["upsert", "delete"]),
        st.lists(st.integers(1, 30), min_size=1, max_size=8, unique=True),
        st.sampled_from(KINDS),
    ),
    max_size=25,
)


def apply(index, operations):
    for name, numbers, kind in operations:
        if name == "upsert":
            vectors = np.stack([vector(n) for n in numbers])
            index.upsert([point(n) for n in numbers], [kind] * len(numbers), vectors)
        else:
            index.delete([point(n) for n in numbers])


def model(operations):
    held = {}
    for name, numbers, kind in operations:
        for n in numbers:
            if name == "upsert":
                held[point(n)] = (kind, vector(n))
            else:
                held.pop(point(n), None)
    return held


@given(operations=OPERATIONS, question=st.integers(100, 120), limit=st.integers(1, 12))
def test_the_exact_index_equals_a_dictionary(operations, question, limit):
    index = ExactIndex(SIZE)
    apply(index, operations)
    held = model(operations)
    assert index.points() == set(held)
    asked = vector(question)
    asked_kinds: list[tuple[ObjectKind, ...]] = [("memory",), KINDS]
    for kinds in asked_kinds:
        best = sorted((-float(v @ asked), p) for p, (k, v) in held.items() if k in kinds)[:limit]
        found = index.search(asked, limit, kinds)
        assert [h.score for h in found] == pytest.approx([-s for s, _ in best], abs=1e-5)


@settings(max_examples=15)
@given(operations=OPERATIONS, question=st.integers(100, 120), reopen=st.booleans())
def test_qdrant_equals_the_exact_index(tmp_path_factory, operations, question, reopen):
    folder = tmp_path_factory.mktemp("q") / "shard"
    exact, qdrant = ExactIndex(SIZE), QdrantIndex(folder, "model", SIZE)
    try:
        apply(exact, operations)
        apply(qdrant, operations)
        if reopen:
            qdrant.close()
            qdrant = QdrantIndex(folder, "model", SIZE)
        assert qdrant.points() == exact.points()
        asked_kinds: list[tuple[ObjectKind, ...]] = [("document",), KINDS]
        for kinds in asked_kinds:
            a = qdrant.search(vector(question), 7, kinds)
            b = exact.search(vector(question), 7, kinds)
            assert [h.score for h in a] == pytest.approx([h.score for h in b], abs=1e-5)
    finally:
        qdrant.close()
        shutil.rmtree(folder)


def test_one_process_holds_the_shard(tmp_path):
    first = QdrantIndex(tmp_path / "shard", "model", SIZE)
    with pytest.raises(AlreadyRunningError):
        QdrantIndex(tmp_path / "shard", "model", SIZE)
    first.close()


@pytest.mark.parametrize("damage", ["label", "wal", "segments", "model", "garbage"])
def test_a_damaged_or_foreign_shard_is_built_again(tmp_path, damage):
    folder = tmp_path / "shard"
    wanted: dict[str, ObjectKind] = {point(n): "document" for n in range(1, 200)}
    numbers = {point(n): n for n in range(1, 200)}

    def vectors(points):
        return np.stack([vector(numbers[p]) for p in points])

    index = QdrantIndex(folder, "model", SIZE)
    assert synchronise(index, wanted, vectors, step=50) == (199, 0)
    index.close()
    if damage == "label":
        (folder / "nexus.json").unlink()
    elif damage == "garbage":
        (folder / "edge_config.json").write_bytes(b"\x00garbage")
    elif damage in ("wal", "segments"):
        for path in (folder / damage).rglob("*"):
            if path.is_file():
                path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    index = QdrantIndex(folder, "other" if damage == "model" else "model", SIZE)
    added, removed = synchronise(index, wanted, vectors)
    assert index.points() == set(wanted)
    assert index.search(vector(5), 1, KINDS)[0].point == point(5)
    assert synchronise(index, wanted, vectors) == (0, 0)
    assert removed == 0
    if damage in ("label", "model", "garbage"):
        assert added == 199
    index.close()


def test_synchronise_removes_what_is_not_wanted():
    index = ExactIndex(SIZE)
    apply(index, [("upsert", [1, 2, 3], "document")])
    wanted: dict[str, ObjectKind] = {point(2): "document", point(9): "memory"}
    assert synchronise(index, wanted, lambda points: np.stack([vector(9) for _ in points])) == (1, 2)
    assert index.points() == set(wanted)
