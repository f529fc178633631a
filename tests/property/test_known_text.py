"""Known text is what an exact set says, minus what the table had no room for; never more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.training.known_text import DamagedTableError, KnownText, runs

WORDS = st.lists(
    st.sampled_from("the a quick brown fox jumps over lazy dogs Ünder Straße é 7".split()), max_size=30
)
TEXTS = st.lists(WORDS.map(" ".join), max_size=12)


@given(TEXTS, st.one_of(st.text(max_size=200), WORDS.map(" ".join)), st.sampled_from([16, 64, 1 << 17]))
def test_it_never_knows_more_than_an_exact_set(texts: list[str], asked: str, slots: int) -> None:
    known, exact = KnownText(slots), set[int]()
    for text in texts:
        known.add(text)
        exact |= {int(h) for h in runs(text)}
    hashes = [int(h) for h in runs(asked)]
    truth = sum(h in exact for h in hashes) / len(hashes) if hashes else 0.0
    assert known.share(asked) <= truth + 1e-9
    assert known.count <= min(slots, len(exact))
    if len({h & (slots - 1) for h in exact}) == len(exact):
        assert known.share(asked) == pytest.approx(truth)


@given(WORDS.map(" ".join), TEXTS)
def test_what_was_just_added_is_known_and_survives_a_save(text: str, others: list[str]) -> None:
    known = KnownText(1 << 12)
    for other in others:
        known.add(other)
    known.add(text)
    loaded = KnownText.load(known.dump())
    for table in (known, loaded):
        assert table.share(text) == (1.0 if runs(text).size else 0.0)
    known.clear()
    assert known.share(text) == 0.0
    assert loaded.count >= 0


def test_other_words_make_another_text_and_spelling_does_not() -> None:
    known = KnownText()
    known.add("Entangled particles share one quantum state, however far apart they are.")
    assert known.share("ENTANGLED particles — share one quantum state however far apart they ARE") == 1.0
    assert known.share("Bread is baked from flour, water, salt and yeast in a very hot oven.") == 0.0
    partly = known.share(
        "Entangled particles share one quantum state, so a measurement is never independent."
    )
    assert 0.1 < partly < 0.5


@given(st.binary(max_size=300))
def test_bytes_that_are_no_table_are_refused(data: bytes) -> None:
    with pytest.raises(DamagedTableError):
        KnownText.load(data)
    with pytest.raises(DamagedTableError):
        KnownText.load(KnownText(16).dump() + data + b"x")
