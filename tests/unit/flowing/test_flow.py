"""A Flow learns what it reads, keeps base and user apart, and comes back from its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nexus.core.errors import InvalidInputError, NotFoundError
from nexus.flowing.flow import Flow
from nexus.flowing.settings import FlowSettings

SMALL = FlowSettings(base_bits=10, user_bits=10, energy_bits=8, match_bits=10)
TEXT = b"the learner reads what was said, and what was said is read again by the learner. " * 3
USERS = b'{"tool": "bash", "input": {"command": "ls"}}\n' * 6


def test_what_was_read_before_surprises_less() -> None:
    flow = Flow(SMALL)
    first = flow.read(TEXT[:81], learn=True)
    again = flow.read(TEXT[81:162], learn=True)
    assert first.bits.dtype == np.float32
    assert len(first.bits) == 81
    assert again.bits_per_byte < first.bits_per_byte / 3
    assert first.flow_depth >= 1
    assert flow.bytes_learned == 162


def test_without_learning_nothing_changes() -> None:
    flow = Flow(SMALL)
    flow.read(TEXT, learn=True)
    flow.begin()
    once = flow.read(USERS, learn=False, mixer=1)
    flow.begin()
    twice = flow.read(USERS, learn=False, mixer=1)
    assert np.array_equal(once.bits, twice.bits)
    assert once.flow_depth == 0
    assert flow.bytes_learned == len(TEXT)


def test_the_users_text_costs_the_base_nothing() -> None:
    flow = Flow(SMALL)
    flow.read(TEXT, learn=True)
    flow.begin()
    before = flow.read(TEXT, learn=False)
    flow.begin()
    flow.read(USERS * 2, learn=True, mixer=1)
    flow.begin()
    after = flow.read(TEXT, learn=False)
    assert np.array_equal(before.bits, after.bits)


def test_the_prediction_is_what_the_surprise_is_measured_by() -> None:
    flow = Flow(SMALL)
    flow.read(TEXT[:100], learn=True, mixer=1)
    p = flow.predict()
    assert p.shape == (256,)
    assert p.sum() == pytest.approx(1, abs=1e-4)
    reading = flow.read(TEXT[100:101], learn=False, mixer=1)
    assert -np.log2(p[TEXT[100]]) == pytest.approx(reading.bits[0], rel=1e-3)


def test_it_comes_back_from_its_file(tmp_path: Path) -> None:
    flow = Flow(SMALL)
    flow.read(TEXT, learn=True)
    flow.read(USERS, learn=True, mixer=1)
    flow.save(tmp_path / "a.flow")
    back = Flow.load(tmp_path / "a.flow")
    flow.begin()
    assert back.settings == SMALL
    assert back.bytes_learned == flow.bytes_learned
    assert np.array_equal(
        flow.read(USERS, learn=True, mixer=1).bits, back.read(USERS, learn=True, mixer=1).bits
    )


def test_nothing_is_read_of_nothing() -> None:
    reading = Flow(SMALL).read(b"", learn=True)
    assert reading.bits_per_byte == 0
    assert reading.flow_depth == 0


def test_there_are_two_mixers(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no mixer 2"):
        Flow(SMALL).read(b"x", learn=True, mixer=2)
    with pytest.raises(NotFoundError, match=r"absent\.flow"):
        Flow.load(tmp_path / "absent.flow")


@pytest.mark.parametrize(
    "wrong", [{"base_bits": 25}, {"energy_bits": 5}, {"mixer_rate": 2.0}, {"user_bits": 8.5}]
)
def test_settings_have_bounds(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(wrong))):
        FlowSettings(**wrong)  # type: ignore[arg-type]
