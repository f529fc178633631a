"""Lexical addresses: the same in every process, spread evenly, and refused for what is no line of tokens."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")

from nexus.core.errors import InvalidInputError
from nexus.transformer.lexical import Lexical
from nexus.transformer.rsm.errors import MemoryShapeError
from nexus.transformer.rsm.shape import TAG_BITS

# Computed with plain whole numbers from the definition.
SETS = [[564, 751], [544, 1350], [1459, 842]]
TAGS = [[1810261789913, 3228020098646], [6924407909385, 14547240298889], [16566339781162, 6906020800583]]


def test_addresses_are_fixed_by_their_definition() -> None:
    """A saved memory is found again only if these never change: not with Python's hash seed, which every
    process draws, and not with the machine."""
    lexical = Lexical((1, 3), sets=2048)
    sets, tags, before = lexical.addresses(torch.tensor([[5, 6, 7]]), lexical.begin(1))
    assert before.tolist() == [[6, 7]]
    assert sets[0].tolist() == SETS
    assert tags[0].tolist() == TAGS


def test_addresses_fill_the_sets_evenly_and_tags_do_not_collide() -> None:
    lexical = Lexical((1, 2), sets=2048)
    sets, tags, _ = lexical.addresses(torch.arange(1 << 16)[None], lexical.begin(1))
    for order in (0, 1):
        load = torch.bincount(sets[0, :, order], minlength=2048)  # 32 each, on average
        assert int(load.min()) > 8
        assert int(load.max()) < 64
    whole = tags.flatten().tolist()
    assert len(set(whole)) == len(whole)
    assert 0 <= min(whole) <= max(whole) < 1 << TAG_BITS


def test_orders_salts_and_the_order_of_words_tell_addresses_apart() -> None:
    line = torch.tensor([[1, 2], [2, 1]])
    lexical, salted = Lexical((1, 2), sets=64), Lexical((1, 2), sets=64, salt=1)
    tags = lexical.addresses(line, lexical.begin(2))[1]
    assert len(set(tags[:, 1].flatten().tolist())) == 4
    assert not (tags == salted.addresses(line, salted.begin(2))[1]).any()
    # At the beginning of a stream nothing stands before: another n-gram than any with a token there.
    assert tags[0, 0, 1] != tags[0, 1, 1]


@pytest.mark.parametrize(("orders", "sets"), [((), 8), ((0,), 8), ((65,), 8), ((2, 2), 8), ((1,), 0)])
def test_orders_that_are_none(orders: tuple[int, ...], sets: int) -> None:
    with pytest.raises(InvalidInputError):
        Lexical(orders, sets)


def test_lines_that_are_none() -> None:
    lexical = Lexical((1, 3), sets=8)
    with pytest.raises(MemoryShapeError, match="not int64"):
        lexical.addresses(torch.zeros(4), lexical.begin(1))
    with pytest.raises(MemoryShapeError, match="the tokens before"):
        lexical.addresses(torch.zeros(2, 4).long(), lexical.begin(1))
    sets, tags, before = lexical.addresses(torch.zeros(1, 0).long(), lexical.begin(1))
    assert sets.shape == tags.shape == (1, 0, 2)
    assert before.shape == (1, 2)
