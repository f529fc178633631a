"""Surprise and regret stay in their bounds, go the way they say, and survive what is not a number."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from nexus.cortex.proposal import ProposedMemory, in_order
from nexus.cortex.regret import ALIKE, FORGETTABLE, SURPRISE_PART, regret
from nexus.training.novelty import LEAST_BASE_BITS, MOST_NOVELTY, novelty

ANY = st.floats()
DAYS = st.floats(0, 1e5)
BITS = st.floats(0, 64)
USES = st.integers(0, 10_000)
SURPRISE = st.none() | st.floats(0, 2)


@given(ANY, ANY)
def test_novelty_is_bounded_or_nothing(bits: float, base: float) -> None:
    found = novelty(bits, base)
    usable = all(math.isfinite(x) and x >= 0 for x in (bits, base))
    assert (found is not None) == usable
    if found is not None:
        assert 0 <= found <= MOST_NOVELTY


@given(BITS, BITS, BITS)
def test_novelty_rises_with_the_users_bits_and_falls_with_the_bases(a: float, b: float, base: float) -> None:
    low, high = sorted((a, b))
    assert (novelty(low, base) or 0.0) <= (novelty(high, base) or 0.0)
    assert (novelty(base, low) or 0.0) >= (novelty(base, high) or 0.0)


@given(st.floats(LEAST_BASE_BITS, 64))
def test_what_is_no_easier_than_for_a_stranger_is_new(bits: float) -> None:
    assert novelty(bits, bits) == 1.0
    assert novelty(0.0, bits) == 0.0


@given(st.booleans(), st.integers(), ANY, ANY, ANY, st.none() | ANY)
def test_regret_is_bounded_whatever_it_is_given(
    verified: bool, uses: int, age: float, idle: float, likeness: float, surprise: float | None
) -> None:
    found = regret(
        verified=verified, uses=uses, age_days=age, idle_days=idle, likeness=likeness, surprise=surprise
    )
    assert 0 <= found <= 1
    if verified:
        assert found >= 0.5 > FORGETTABLE


@given(st.booleans(), USES, USES, DAYS, DAYS, st.floats(-1, 1), SURPRISE)
def test_regret_rises_with_use(
    verified: bool, a: int, b: int, age: float, idle: float, likeness: float, surprise: float | None
) -> None:
    few, many = (
        regret(verified=verified, uses=n, age_days=age, idle_days=idle, likeness=likeness, surprise=surprise)
        for n in sorted((a, b))
    )
    assert few <= many


@given(st.booleans(), USES, st.tuples(DAYS, DAYS), st.tuples(DAYS, DAYS), st.floats(-1, 1), SURPRISE)
def test_regret_falls_with_age_and_with_time_since_the_last_use(
    verified: bool,
    uses: int,
    ages: tuple[float, float],
    idles: tuple[float, float],
    likeness: float,
    surprise: float | None,
) -> None:
    def of(age: float, idle: float) -> float:
        return regret(
            verified=verified, uses=uses, age_days=age, idle_days=idle, likeness=likeness, surprise=surprise
        )

    assert of(max(ages), idles[0]) <= of(min(ages), idles[0])
    assert of(ages[0], max(idles)) <= of(ages[0], min(idles))


@given(USES, DAYS, DAYS, st.tuples(st.floats(-1, 1), st.floats(-1, 1)), st.tuples(BITS, BITS))
def test_regret_falls_with_likeness_and_rises_with_surprise_by_at_most_a_fifth(
    uses: int, age: float, idle: float, likeness: tuple[float, float], surprise: tuple[float, float]
) -> None:
    def of(like: float, new: float | None) -> float:
        return regret(verified=False, uses=uses, age_days=age, idle_days=idle, likeness=like, surprise=new)

    assert of(max(likeness), surprise[0]) <= of(min(likeness), surprise[0])
    known, new = of(likeness[0], min(surprise)), of(likeness[0], max(surprise))
    assert known <= new
    assert known >= (1 - SURPRISE_PART) * new - 1e-12
    assert known <= of(likeness[0], math.nan)


@given(USES, DAYS, DAYS, SURPRISE)
def test_what_stands_elsewhere_word_for_word_is_not_missed(
    uses: int, age: float, idle: float, surprise: float | None
) -> None:
    def of(likeness: float) -> float:
        return regret(
            verified=False, uses=uses, age_days=age, idle_days=idle, likeness=likeness, surprise=surprise
        )

    assert of(1.0) == 0.0
    assert of(ALIKE) == of(-1.0) == of(math.nan)


PROPOSALS = st.lists(
    st.builds(
        ProposedMemory,
        st.uuids().map(str),
        st.just("words"),
        st.just("fact"),
        st.just("low"),
        st.just("why"),
        st.datetimes().map(lambda at: at.replace(microsecond=0).isoformat() + "Z"),
        surprise=st.none() | st.floats(0, 2) | st.just(math.nan),
    )
)


@given(PROPOSALS)
def test_surprise_moves_a_proposal_within_its_day_only(proposals: list[ProposedMemory]) -> None:
    newest_first = sorted(proposals, key=lambda p: p.created, reverse=True)
    shown = in_order(newest_first)
    assert sorted(p.id for p in shown) == sorted(p.id for p in proposals)
    assert [p.created[:10] for p in shown] == [p.created[:10] for p in newest_first]
    unmeasured = [p for p in newest_first if p.surprise is None]
    assert in_order(unmeasured) == unmeasured
