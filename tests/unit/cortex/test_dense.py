"""The scanned copy of the vectors: true cosines from file and memory, and files that are not trusted."""

from __future__ import annotations

import uuid
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from nexus.cortex import dense
from nexus.cortex.dense import Dense

SIZE = 48
NUMBERS = st.lists(st.integers(0, 60), max_size=20)


def point(n):
    # Zeros at the end and at the beginning: both are part of a point.
    return str(uuid.UUID(int=n << 120 if n % 2 else n))


def vectors(seeds):
    rows = [np.random.default_rng(seed).standard_normal(SIZE) for seed in seeds]
    made = np.array(rows, np.float32).reshape(-1, SIZE)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def cosines(held, asked):
    """Of float16 vectors, as they are kept; best first, equal ones by point."""
    scores = {p: float(v.astype(np.float16).astype(np.float32) @ asked) for p, v in held.items()}
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


class DenseMachine(RuleBasedStateMachine):
    """A copy beside a dictionary. Files are written every few rows."""

    path = Path()

    @initialize()
    def start(self):
        self.path.unlink(missing_ok=True)
        self.held = {}
        self.dense = Dense(self.path, SIZE)

    @rule(numbers=NUMBERS, seed=st.integers(0, 1000))
    def put(self, numbers, seed):
        made = vectors(range(seed, seed + len(numbers)))
        self.dense.put([point(n) for n in numbers], made)
        self.held.update({point(n): row for n, row in zip(numbers, made, strict=True)})

    @rule(numbers=NUMBERS)
    def remove(self, numbers):
        self.dense.remove([point(n) for n in numbers])
        for n in numbers:
            self.held.pop(point(n), None)

    @rule()
    def reopen(self):
        """After a kill: what was only in memory comes back, what was removed goes."""
        self.dense = Dense(self.path, SIZE)
        fetched = []

        def vectors_of(points):
            fetched.extend(points)
            return np.array([self.held[p] for p in points], np.float32)

        # A point stands for its content, so one that is there is right; here it got other numbers.
        self.dense.remove(list(self.held))
        self.dense.align(self.held, vectors_of)
        assert sorted(fetched) == sorted(self.held)

    @rule(seed=st.integers(2000, 2010), limit=st.integers(0, 70), numbers=NUMBERS)
    def search(self, seed, limit, numbers):
        (asked,) = vectors([seed])
        self.compare(self.dense.nearest(3 * asked, limit), cosines(self.held, asked)[:limit])
        chosen = {p: self.held[p] for n in numbers if (p := point(n)) in self.held}
        found = self.dense.among(asked, [point(n) for n in numbers], limit)
        self.compare(found, cosines(chosen, asked)[:limit])

    def compare(self, hits, expected):
        assert [hit.score for hit in hits] == pytest.approx([score for _, score in expected], abs=1e-5)
        assert {hit.point for hit in hits} == {p for p, _ in expected}

    @invariant()
    def holds_as_many(self):
        if hasattr(self, "dense"):
            assert len(self.dense) == len(self.held)


@pytest.mark.parametrize("most", [4, 25, 1024])
def test_the_copy_equals_a_dictionary(tmp_path, monkeypatch, most):
    monkeypatch.setattr(dense, "_MOST_RECENT", most)
    DenseMachine.path = tmp_path / "document.vectors"
    run_state_machine_as_test(
        DenseMachine, settings=settings(max_examples=15, stateful_step_count=20, deadline=None)
    )


@pytest.fixture
def filled(tmp_path, monkeypatch):
    monkeypatch.setattr(dense, "_MOST_RECENT", 50)
    path = tmp_path / "document.vectors"
    Dense(path, SIZE).put([point(n) for n in range(50)], vectors(range(50)))
    assert len(Dense(path, SIZE)) == 50
    return path


@pytest.mark.parametrize("damage", ["short", "long", "empty", "mark", "points", "missing"])
def test_a_damaged_file_is_not_used(filled, damage):
    data = bytearray(filled.read_bytes())
    if damage == "mark":
        data[0] ^= 1
    elif damage == "points":
        data[70] ^= 1
    sizes = {"short": len(data) - 1, "empty": 0}
    filled.write_bytes(bytes(data[: sizes.get(damage, len(data))]) + b"\0" * (damage == "long"))
    if damage == "missing":
        filled.unlink()
    again = Dense(filled, SIZE)
    assert len(again) == 0
    again.align([point(n) for n in range(50)], lambda points: vectors(range(50))[: len(points)])
    assert len(Dense(filled, SIZE)) == 50


def test_a_file_of_other_dimensions_is_not_used(filled):
    assert len(Dense(filled, SIZE + 1)) == 0


def test_a_start_fetches_only_what_the_file_lacks(filled):
    again, asked = Dense(filled, SIZE), []

    def vectors_of(points):
        asked.extend(points)
        return vectors([51])

    again.align([point(n) for n in [*range(1, 50), 51]], vectors_of)
    assert asked == [point(51)]
    assert len(again) == 50
    assert [hit.point for hit in again.nearest(vectors([51])[0], 1)] == [point(51)]
    assert point(0) not in {hit.point for hit in again.nearest(vectors([0])[0], 60)}


def test_a_folder_that_cannot_be_written_loses_nothing(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(dense, "_MOST_RECENT", 10)
    copy = Dense(tmp_path / "gone" / "document.vectors", SIZE)
    copy.put([point(n) for n in range(30)], vectors(range(30)))
    assert len(copy) == 30
    assert [hit.point for hit in copy.nearest(vectors([7])[0], 1)] == [point(7)]
    assert "cannot be written" in caplog.text
