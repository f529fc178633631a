"""What is true of a Flow whatever it reads."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nexus.flowing import states
from nexus.flowing.flow import Flow
from nexus.flowing.settings import FlowSettings

TINY = FlowSettings(base_bits=6, user_bits=6, energy_bits=6, match_bits=6)
# Words of few letters repeat themselves; bytes of any kind do not.
TEXT = st.one_of(st.binary(max_size=200), st.text("ab \n", max_size=200).map(str.encode))


@given(base=TEXT, user=TEXT, cut=st.integers(0, 200))
def test_how_a_text_is_cut_into_readings_does_not_matter(base: bytes, user: bytes, cut: int) -> None:
    whole, pieces = Flow(TINY), Flow(TINY)
    for text, mixer in ((base, 0), (user, 1)):
        once = whole.read(text, learn=True, mixer=mixer)
        parts = [pieces.read(part, learn=True, mixer=mixer) for part in (text[:cut], text[cut:])]
        assert np.array_equal(once.bits, np.concatenate([part.bits for part in parts]))


@given(base=TEXT, user=TEXT)
def test_no_text_of_the_user_costs_the_base_anything(base: bytes, user: bytes) -> None:
    with_user, without = Flow(TINY), Flow(TINY)
    for flow in (with_user, without):
        flow.read(base, learn=True)
    with_user.read(user, learn=True, mixer=1)
    for flow in (with_user, without):
        flow.begin()
    one, other = (flow.read(base + user, learn=False).bits for flow in (with_user, without))
    assert np.array_equal(one, other)


@given(base=TEXT, mixer=st.integers(0, 1))
def test_predictions_are_probabilities(base: bytes, mixer: int) -> None:
    flow = Flow(TINY)
    reading = flow.read(base, learn=True, mixer=mixer)
    assert np.isfinite(reading.bits).all()
    assert (reading.bits >= 0).all()
    p = flow.predict()
    assert (p > 0).all()
    assert abs(float(p.sum()) - 1) < 1e-4


@given(bits=st.lists(st.integers(0, 1), max_size=300))
def test_a_history_counts_what_it_saw_and_never_more(bits: list[int]) -> None:
    known, successor = states.states()
    assert len(known) <= 256
    number = 0
    for bit in bits:
        number = int(successor[number, bit])
    zeros, ones, _ = known[number]
    assert zeros <= bits.count(0)
    assert ones <= bits.count(1)
    assert (number == 0) == (not bits)
    if bits:
        assert (zeros, ones)[bits[-1]] > 0
