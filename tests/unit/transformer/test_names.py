"""Names in a stream of tokens: what counts as one, and that its address is its own."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch is not installed: scripts/torch.sh")
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nexus.transformer.lexical import NOTHING, Lexical
from nexus.transformer.names import LONGEST, Names, address
from nexus.transformer.tokenizer import Tokenizer

TOKENIZER, LEXICAL = Tokenizer.shipped(), Lexical((1, 2, 3), 1024)
NAMES = Names.of(TOKENIZER)


def found(text: str) -> list[tuple[str, str]]:
    """Each name, as the text before it ends with it, and the text behind it."""
    ids = TOKENIZER.encode(text).tolist()
    its = NAMES.ending(torch.tensor([[NOTHING] * LONGEST + ids]), LEXICAL)
    out = []
    for at, kind in its.there[0].nonzero().tolist():
        place = (int(its.sets[0, at, kind]), int(its.tags[0, at, kind]))
        (name,) = {
            TOKENIZER.decode(ids[at - n : at])
            for n in range(1, min(at, LONGEST) + 1)
            if address(ids[at - n : at], LEXICAL) == place
        }
        out.append((name, TOKENIZER.decode(ids[at:])))
    return out


def test_words_with_a_capital_and_runs_of_them_are_names() -> None:
    names = [name for name, _ in found('The cousins of Sir Zolbrim met "Anne", and I left.')]
    assert names == ["The", " Sir", " Zolbrim", " Sir Zolbrim", "Anne", " I"]
    assert " McTavish" in [name for name, _ in found(" old McTavish went")]


def test_a_name_ends_where_the_word_does() -> None:
    assert found(" the Anniversary was") == [(" Anniversary", " was")]
    assert found(" of Ann's cat") == [(" Ann", "'s cat")]
    assert found(" it rained all day") == []


def test_the_address_of_a_name_is_that_of_no_n_gram() -> None:
    ids = TOKENIZER.encode(" Kellynch").tolist()
    sets, tags, _ = LEXICAL.addresses(torch.tensor([ids]), LEXICAL.begin(1))
    assert address(ids, LEXICAL) not in list(
        zip(sets.flatten().tolist(), tags.flatten().tolist(), strict=True)
    )
    assert address([1] * (LONGEST + 1), LEXICAL) is None
    assert address([], LEXICAL) is None


@settings(max_examples=60, deadline=None)
@given(st.text("Ab C.é", max_size=40), st.integers(0, 30))
def test_what_stands_further_back_changes_nothing(text: str, cut: int) -> None:
    ids = [NOTHING] * LONGEST + TOKENIZER.encode(text).tolist()
    whole = NAMES.ending(torch.tensor([ids]), LEXICAL)
    cut = min(cut, len(ids) - LONGEST)
    part = NAMES.ending(torch.tensor([ids[cut:]]), LEXICAL)
    for one, other in zip(
        (whole.there, whole.sets, whole.tags), (part.there, part.sets, part.tags), strict=True
    ):
        mine, its = one[:, cut:], other
        where = part.there | whole.there[:, cut:]
        assert torch.equal(mine[where], its[where])
