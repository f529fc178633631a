"""The vector of a file: products are weighted sums of cosines, whatever the weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.errors import InvalidInputError
from nexus.memexfs import blocks

SIZE = 6
vector = st.lists(st.floats(-1, 1, width=32), min_size=SIZE, max_size=SIZE).map(
    lambda values: np.array(values, np.float32)
)
share = st.dictionaries(st.sampled_from(blocks.BLOCKS), st.floats(0, 9), min_size=1).filter(
    lambda held: sum(held.values()) > 0.01
)


@given(st.dictionaries(st.sampled_from(blocks.BLOCKS), vector | st.none()), vector, share)
def test_a_product_is_the_weighted_sum_of_the_blocks_cosines(parts, asked, wanted):
    weights = blocks.weights(wanted)
    whole = blocks.assembled(parts, SIZE)
    expected = 0.0
    for name, part in parts.items():
        length = 0.0 if part is None else float(np.linalg.norm(part))
        if length > 0:
            expected += weights[name] * float(part @ asked) / length
    assert whole.shape == (4 * SIZE,)
    assert float(whole @ blocks.question(asked, weights)) == pytest.approx(expected, abs=1e-4)
    assert blocks.taken_apart(whole).keys() == set(blocks.BLOCKS)


@given(share)
def test_weights_add_up_to_one(wanted):
    assert sum(blocks.weights(wanted).values()) == pytest.approx(1)


@pytest.mark.parametrize(
    "wanted",
    [
        {"colour": 1.0},
        {"name": -1.0},
        {"name": 0.0},
        {},
        {"name": float("nan")},
        {"body": float("inf")},
        "best",
    ],
)
def test_weights_that_mean_nothing_are_refused(wanted):
    with pytest.raises(InvalidInputError):
        blocks.weights(wanted)


def test_every_preset_can_be_used():
    for name in blocks.PRESETS:
        assert sum(blocks.weights(name).values()) == pytest.approx(1)
    assert blocks.weights() == blocks.weights("balanced")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (b"projects/solar-roof/offer_2026.final.docx", "projects solar roof offer 2026 final"),
        (b"src/retryCount.py", "src retry Count"),
        (b".hidden/Makefile", "hidden Makefile"),
        (b"caf\xe9/\xff", "caf\ufffd \ufffd"),
    ],
)
def test_a_name_is_read_as_words(path, said):
    assert blocks.name_text(path) == said


def test_the_middle_leans_to_long_passages():
    pair = np.eye(2, dtype=np.float32)
    middle = blocks.middle(pair, [3, 1])
    assert middle is not None
    assert middle.tolist() == [0.75, 0.25]
    assert blocks.middle(pair[:0], []) is None
