"""Every index answers as a dictionary of entries would, whatever happened before."""

from __future__ import annotations

import uuid
import warnings
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from qdrant_client import QdrantClient

from nexus.core.errors import AlreadyRunningError
from nexus.cortex.exact import ExactIndex
from nexus.cortex.indexer import Entry, Scope, Sparse, WordField, synchronise
from nexus.cortex.ledger import FOREVER, KINDS, ObjectKind
from nexus.cortex.qdrant import QdrantIndex
from nexus.cortex.qdrant_server import QdrantServerIndex

SIZE = 16
# Vectors are kept in two bytes a number.
CLOSE = 2e-3
FILES = (("/d/a/x.md", "/d/a", "/d", "/"), ("/d/b.md", "/d", "/"), ("/e.md", "/"))
FIELDS: tuple[WordField, ...] = ("words", "context")


def vector(seed):
    v = np.random.default_rng(seed).standard_normal(SIZE).astype(np.float32)
    return v / np.linalg.norm(v)


def point(n):
    return str(uuid.UUID(int=n))


def sparse(weights):
    return Sparse(np.array(list(weights), np.uint32), np.array(list(weights.values()), np.float32))


# Quarters, so that sums are exact in every order.
WORDS = st.dictionaries(
    st.sampled_from([0, 1, 2, 77, 2**31, 2**32 - 1]), st.integers(1, 20).map(lambda n: n / 4), max_size=4
).map(sparse)
ENTRIES = st.builds(
    Entry,
    point=st.integers(1, 25).map(point),
    kind=st.sampled_from(KINDS),
    project=st.sampled_from(["", "/a", "/b"]),
    domain=st.sampled_from(["", "testing", "security"]),
    folders=st.sampled_from(FILES),
    changed=st.integers(0, 6),
    valid_from=st.integers(0, 3),
    valid_to=st.sampled_from([2, 4, FOREVER]),
    words=WORDS,
    context=WORDS,
    vector=st.none() | st.integers(1, 40).map(vector),
    # A point stands for one content, whose kind does not change.
).map(lambda entry: replace(entry, kind=KINDS[uuid.UUID(entry.point).int % 3]))
SCOPES = st.builds(
    Scope,
    kind=st.sampled_from(KINDS),
    project=st.sampled_from(["", "", "/a", "/c"]),
    domain=st.sampled_from(["", "", "testing"]),
    path=st.sampled_from(["", "", "/", "/d", "/d/b.md", "/nowhere"]),
    after=st.sampled_from([0, 0, 2]),
    before=st.sampled_from([FOREVER, FOREVER, 4]),
    at=st.sampled_from([-1, 0, 3, 5]),
    points=st.none() | st.lists(st.integers(1, 30).map(point), max_size=8).map(tuple),
)
LIMITS = st.integers(1, 12)


def passes(entry, scope):
    """The definition of `Scope`, word for word."""
    return (
        entry.kind == scope.kind
        and (not scope.project or entry.project in ("", scope.project))
        and (not scope.domain or entry.domain == scope.domain)
        and (not scope.path or scope.path in entry.folders)
        and scope.after <= entry.changed < scope.before
        and (scope.at < 0 or entry.valid_from <= scope.at < entry.valid_to)
        and (scope.points is None or entry.point in scope.points)
    )


def product(a, b):
    weights = dict(zip(a.indices.tolist(), a.values.tolist(), strict=True))
    return sum(weights.get(i, 0.0) * v for i, v in zip(b.indices.tolist(), b.values.tolist(), strict=True))


class IndexMachine(RuleBasedStateMachine):
    """An index beside a dictionary."""

    def opened(self):
        raise NotImplementedError

    def reopened(self):
        """The same index after a restart, where it keeps anything."""
        return self.index

    @initialize()
    def start(self):
        self.held = {}
        self.restarted = False
        self.index = self.opened()

    def teardown(self):
        if hasattr(self, "index"):
            self.index.close()

    @rule(entries=st.lists(ENTRIES, max_size=10))
    def upsert(self, entries):
        self.index.upsert(entries)
        self.held.update({entry.point: entry for entry in entries})

    @rule(numbers=st.lists(st.integers(1, 30), max_size=12))
    def delete(self, numbers):
        self.index.delete([point(n) for n in numbers])
        for n in numbers:
            self.held.pop(point(n), None)

    @rule(new=st.integers(41, 60))
    def embed_what_has_no_vector(self, new):
        fresh = [replace(e, vector=vector(new)) for e in self.held.values() if e.vector is None]
        self.index.upsert(fresh)
        self.held.update({entry.point: entry for entry in fresh})

    @rule(asked=st.integers(100, 110), limit=LIMITS, scope=SCOPES)
    def search_by_meaning(self, asked, limit, scope):
        scores = {
            e.point: float(e.vector @ vector(asked))
            for e in self.held.values()
            if e.vector is not None and passes(e, scope)
        }
        self.compare(self.index.nearest(vector(asked), limit, scope), scores, limit)

    @rule(asked=WORDS, limit=LIMITS, scope=SCOPES)
    def search_by_words(self, asked, limit, scope):
        for field in FIELDS:
            products = {
                e.point: product(asked, getattr(e, field)) for e in self.held.values() if passes(e, scope)
            }
            found = self.index.matching(asked, field, limit, scope)
            self.compare(found, {p: s for p, s in products.items() if s > 0}, limit)

    @rule()
    def release(self):
        self.index.release()

    @precondition(lambda self: not self.restarted)
    @rule()
    def restart(self):
        self.index, self.restarted = self.reopened(), True

    @invariant()
    def holds_what_the_dictionary_holds(self):
        if hasattr(self, "index"):
            assert self.index.points() == {p: e.vector is not None for p, e in self.held.items()}
            assert self.index.count() == len(self.held)

    def compare(self, hits, scores, limit):
        best = sorted(scores.values(), reverse=True)[:limit]
        assert [hit.score for hit in hits] == pytest.approx(best, abs=CLOSE)
        assert len({hit.point for hit in hits}) == len(hits)
        for hit in hits:
            assert hit.score == pytest.approx(scores[hit.point], abs=CLOSE)


class ExactMachine(IndexMachine):
    def opened(self):
        return ExactIndex(SIZE)

    @rule(example=ENTRIES)
    def many_come_and_go(self, example):
        """Enough for the index to pack what is left."""
        self.index.upsert([replace(example, point=point(n)) for n in range(1000, 1200)])
        self.index.delete([point(n) for n in range(1000, 1200)])


class QdrantMachine(IndexMachine):
    """All examples share one shard, because opening and closing it waits seconds for the disk."""

    folder = Path()
    shared: ClassVar[list[QdrantIndex]] = []

    def opened(self):
        if not self.shared:
            self.shared.append(QdrantIndex(self.folder, "model", SIZE))
        self.shared[0].delete(list(self.shared[0].points()))
        return self.shared[0]

    def reopened(self):
        self.shared.pop().close()
        self.shared.append(QdrantIndex(self.folder, "model", SIZE))
        return self.shared[0]

    def teardown(self):
        pass


class QdrantServerMachine(IndexMachine):
    """On the client library's in-memory engine: no server can be had offline."""

    def opened(self):
        self.client = QdrantClient(":memory:")
        return self.reopened()

    def reopened(self):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Payload indexes have no effect", UserWarning)
            return QdrantServerIndex("", "", "model", SIZE, collection="nexus", client=self.client)


def check(machine, examples, steps):
    limits = settings(max_examples=examples, stateful_step_count=steps, deadline=None)
    run_state_machine_as_test(machine, settings=limits)


def test_the_exact_index_equals_a_dictionary():
    check(ExactMachine, 60, 30)


def test_qdrant_equals_a_dictionary(tmp_path, monkeypatch):
    monkeypatch.setattr(QdrantMachine, "folder", tmp_path / "shard")
    monkeypatch.setattr(QdrantMachine, "shared", [])
    try:
        check(QdrantMachine, 8, 25)
    finally:
        for index in QdrantMachine.shared:
            index.close()


def test_qdrant_on_a_server_equals_a_dictionary():
    check(QdrantServerMachine, 15, 20)


def test_one_process_holds_the_shard(tmp_path):
    first = QdrantIndex(tmp_path / "shard", "model", SIZE)
    with pytest.raises(AlreadyRunningError):
        QdrantIndex(tmp_path / "shard", "model", SIZE)
    first.close()


def entries_of(points, embed):
    """A document for each point, its vector and words made from its number."""
    numbers = [uuid.UUID(p).int for p in points]
    return [
        Entry(
            point(n), "document", "", "", FILES[0], 1, 0, FOREVER, sparse({n: 1.0}), sparse({n: 2.0}),
            vector(n) if embed else None,
        )
        for n in numbers
    ]  # fmt: skip


@pytest.mark.parametrize("damage", ["label", "wal", "segments", "model", "garbage"])
def test_a_damaged_or_foreign_shard_is_built_again(tmp_path, damage):
    folder = tmp_path / "shard"
    wanted: dict[str, ObjectKind] = {point(n): "document" for n in range(1, 200)}
    index = QdrantIndex(folder, "model", SIZE)
    assert len(synchronise(index, wanted, entries_of, step=50).missing) == 199
    index.close()
    if damage == "label":
        (folder / "nexus.json").unlink()
    elif damage == "garbage":
        (folder / "document" / "edge_config.json").write_bytes(b"\x00garbage")
    elif damage in ("wal", "segments"):
        for path in (folder / "document" / damage).rglob("*"):
            if path.is_file():
                path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    index = QdrantIndex(folder, "other" if damage == "model" else "model", SIZE)
    done = synchronise(index, wanted, entries_of)
    assert index.points() == dict.fromkeys(wanted, True)
    assert index.nearest(vector(5), 1, Scope("document"))[0].point == point(5)
    assert index.matching(sparse({7: 1.0}), "context", 5, Scope("document")) == [(point(7), 2.0)]
    assert not synchronise(index, wanted, entries_of)
    assert done.stale == []
    if damage in ("label", "model", "garbage"):
        assert len(done.missing) == 199
    index.close()


def test_synchronise_removes_what_is_not_wanted_and_embeds_what_is_bare():
    index = ExactIndex(SIZE)
    index.upsert(entries_of([point(1), point(2)], True) + entries_of([point(3)], False))
    wanted: dict[str, ObjectKind] = {point(2): "document", point(3): "document", point(9): "document"}
    difference = synchronise(index, wanted, entries_of)
    assert difference == ([point(9)], [point(3)], [point(1)])
    assert index.points() == dict.fromkeys(wanted, True)
