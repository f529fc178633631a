"""The compiled core computes what the reference defines: the same bytes, the same surprise.

Histories, buckets and matches are whole numbers and must be equal; floats within a small tolerance.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from nexus.flowing.flow import Flow, compiled
from nexus.flowing.reference import Reference
from nexus.flowing.settings import FlowSettings

# Tables this small make buckets give way and rings run over within a few hundred bytes.
TINY = FlowSettings(base_bits=8, user_bits=7, energy_bits=6, match_bits=8)
ROOMY = FlowSettings(base_bits=13, user_bits=13, energy_bits=9, match_bits=12)

TEXTS = {
    "prose": (Path(__file__).parents[3] / "README.md").read_bytes()[:500],
    "repeats": b'{"role": "user", "content": "list the files, please"}\n' * 9,
    "noise": random.Random(5).randbytes(260),
    "letters": "Grüße, 世界, naïve café. Il était une fois.\n".encode() * 4,
    "one byte": b"\0" * 200,
}


def both(settings: FlowSettings) -> tuple[Flow, Flow]:
    return Flow(settings), Flow(settings, core=Reference)


def same(fast: Flow, exact: Flow, data: bytes, *, learn: bool, mixer: int) -> None:
    quick, slow = (flow.read(data, learn=learn, mixer=mixer) for flow in (fast, exact))
    np.testing.assert_allclose(quick.bits, slow.bits, atol=2e-3, rtol=2e-3)
    assert quick.flow_depth == pytest.approx(slow.flow_depth, abs=0.05)


def arrays_are_the_same(fast: Flow, exact: Flow) -> None:
    quick, slow = fast._core.arrays(), exact._core.arrays()
    assert list(quick) == list(slow)
    for name, array in slow.items():
        assert quick[name].dtype == array.dtype, name
        assert quick[name].shape == array.shape, name
        if array.dtype == np.float32:
            np.testing.assert_allclose(quick[name], array, atol=5e-3, rtol=5e-3, err_msg=name)
        else:
            assert np.array_equal(quick[name], array), name


def test_both_begin_alike() -> None:
    arrays_are_the_same(*both(TINY))


# Every text and both sizes in the fast suite, and all pairs of them among the slow tests.
FAST = {"prose-tiny", "repeats-roomy", "noise-tiny", "letters-roomy", "one byte-tiny"}
PAIRS = [
    pytest.param(
        name, settings, id=f"{name}-{size}", marks=() if f"{name}-{size}" in FAST else pytest.mark.slow
    )
    for name in TEXTS
    for size, settings in (("tiny", TINY), ("roomy", ROOMY))
]


@pytest.mark.parametrize(("name", "settings"), PAIRS)
def test_the_core_equals_the_reference(name: str, settings: FlowSettings) -> None:
    text = TEXTS[name]
    half = len(text) // 2
    fast, exact = both(settings)
    same(fast, exact, text[:half], learn=True, mixer=0)
    same(fast, exact, text[half:], learn=False, mixer=0)
    same(fast, exact, text[half:], learn=True, mixer=1)
    for flow in (fast, exact):
        flow.begin()
    same(fast, exact, text[: half // 2], learn=False, mixer=1)
    np.testing.assert_allclose(fast.predict(), exact.predict(), atol=1e-4)
    same(fast, exact, text[half // 2 : half], learn=True, mixer=0)
    arrays_are_the_same(fast, exact)
    assert fast.bytes_learned == exact.bytes_learned


def test_what_one_saved_the_other_goes_on_with(tmp_path: Path) -> None:
    fast, exact = both(ROOMY)
    for flow, name in ((fast, "fast"), (exact, "exact")):
        flow.read(TEXTS["prose"][:300], learn=True)
        flow.read(TEXTS["repeats"][:300], learn=True, mixer=1)
        flow.save(tmp_path / name)
        flow.begin()
    crossed = Flow.load(tmp_path / "exact"), Flow.load(tmp_path / "fast", core=Reference)
    same(*crossed, TEXTS["repeats"][300:500], learn=True, mixer=1)
    arrays_are_the_same(*crossed)


def test_a_longer_relaxation_is_the_same_too() -> None:
    settings = FlowSettings(
        base_bits=8, user_bits=8, energy_bits=6, match_bits=8, relaxation_steps=9, relaxation_stop=0.0
    )
    fast, exact = both(settings)
    same(fast, exact, TEXTS["prose"][:200], learn=True, mixer=0)
    assert fast.read(b"once more", learn=True).flow_depth == 9


def test_after_four_gigabytes_matches_are_still_found() -> None:
    fast, exact = both(ROOMY)
    for flow in (fast, exact):
        flow._core.totals = (2**32 - 150, 2**32 - 150)
    same(fast, exact, TEXTS["repeats"][:400], learn=True, mixer=1)
    arrays_are_the_same(fast, exact)
    fresh = Flow(ROOMY)
    fresh.read(TEXTS["repeats"][:400], learn=True, mixer=1)
    rest = TEXTS["repeats"][400:]
    bits = [flow.read(rest, learn=True, mixer=1).bits_per_byte for flow in (fresh, fast)]
    assert bits[0] == pytest.approx(bits[1], abs=0.02)
    assert fast.bytes_learned == 2**33 - 300 + len(TEXTS["repeats"])


def test_a_core_with_unusable_values_says_so() -> None:
    for core in (compiled(TINY), Reference(TINY)):
        assert core.usable()
        for name, value in (("user.buckets", 255), ("base.guess", 0.0), ("user.weights1", np.nan)):
            array = core.arrays()[name]
            kept = array[-1, -1].copy()
            array[-1, -1] = value
            assert not core.usable(), name
            array[-1, -1] = kept
        assert core.usable()
