"""What `nexus recall` shows of a passage."""

from __future__ import annotations

import pytest

from nexus.cli.knowledge import excerpt

PASSAGE = """\
# The harbour

## The market

The fish market opens at five.

## Pilots

Long ships take a pilot.

## Ferries

The night ferry leaves from pier nine.
"""


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        ("when does the fish market open", "# The harbour", "## Pilots"),
        ("Where does the NIGHT FERRY leave?", "## Pilots", "The night ferry leaves from pier nine."),
        ("nothing of the kind", "# The harbour", "## Pilots"),
        ("", "# The harbour", "## Pilots"),
    ],
)
def test_the_lines_with_the_words_of_the_question_are_shown(query: str, first: str, last: str) -> None:
    shown = excerpt(PASSAGE, query)
    assert (shown[0], shown[-1], len(shown)) == (first, last, 4)


def test_short_passages_are_shown_whole_and_empty_ones_not() -> None:
    assert excerpt("\n one\n\n two\n", "two") == [" one", " two"]
    assert excerpt(" \n", "two") == []
