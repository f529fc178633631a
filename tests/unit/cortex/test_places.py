"""What is kept of places in memory is what a fresh look at the ledger says, whatever happens."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from nexus.cortex import places
from nexus.cortex.database import Database
from nexus.cortex.ledger import Ledger, NewChunk
from nexus.cortex.places import Places

PATHS = ("/a", "/b", "/c")
POINTS = st.lists(st.integers(1, 30), max_size=6, unique=True)


def chunk(point, said=""):
    return NewChunk(point, (), "text", 1, 2, 3, said=said)


class PlacesMachine(RuleBasedStateMachine):
    """A ledger that is searched while it changes, beside one that reads all anew."""

    path = Path()

    @initialize()
    def start(self):
        self.database = Database(self.path)
        self.ledger = Ledger(self.database)
        for path in PATHS:
            self.ledger.drop(path)

    def teardown(self):
        if hasattr(self, "database"):
            self.database.close()

    @rule(path=st.sampled_from(PATHS), numbers=POINTS, said=st.sampled_from(["", "2026-01-02T03:04:05Z"]))
    def put(self, path, numbers, said):
        chunks = [chunk(f"{path}{n}", said) for n in numbers]
        self.ledger.put("transcript", path, chunks, root="/", sha256="s", size=1, mtime_ns=2)

    @rule(path=st.sampled_from(PATHS))
    def drop(self, path):
        self.ledger.drop(path)

    @rule(path=st.sampled_from(PATHS), numbers=POINTS)
    def use(self, path, numbers):
        self.ledger.count_hits([f"{path}{n}" for n in numbers])

    @invariant()
    def says_what_a_fresh_one_says(self):
        if not hasattr(self, "ledger"):
            return
        points = [f"{path}{n}" for path in PATHS for n in range(1, 32)]
        found = self.ledger.places([*points, *points[:3]])
        assert found == Places(self.database).of(points)
        assert found.keys() == self.ledger.points().keys()
        assert found == self.ledger.at([(place.object, place.ordinal) for place in found.values()])


@pytest.mark.parametrize("most", [0, 12, 4096])
def test_places_are_those_of_the_ledger(tmp_path, monkeypatch, most):
    monkeypatch.setattr(places, "_MOST_CHANGED", most)
    PlacesMachine.path = tmp_path / "store.db"
    run_state_machine_as_test(
        PlacesMachine, settings=settings(max_examples=10, stateful_step_count=15, deadline=None)
    )
