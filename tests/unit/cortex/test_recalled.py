"""The echo guard: what an agent was given is known again when it comes back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.paths import Home
from nexus.cortex.approvals import Approvals
from nexus.cortex.database import Database
from nexus.cortex.recalled import Recalled

FACT = "The staging database listens on port 6543 and is rebuilt every night."


@pytest.fixture
def recalled(home: Home) -> Iterator[Recalled]:
    database = Database(home.store)
    yield Recalled(Approvals(database))
    database.close()


@pytest.mark.parametrize(
    "said",
    [
        FACT,
        FACT.upper(),
        "- **The staging database** listens on `port 6543`\nand is rebuilt every night",
        "As I was told, the staging database listens on port 6543 and is rebuilt every night.",
        "the staging database listens on port 6543",
    ],
)
def test_what_was_shown_is_an_echo(recalled: Recalled, said: str) -> None:
    assert not recalled.is_echo(said)
    recalled.note("s1", [f"[1] memory, verified: {FACT} Ask Ana."])
    assert recalled.is_echo(said)


@pytest.mark.parametrize(
    "said", ["The production database listens on port 5432.", "Never touch the staging database.", "", "!"]
)
def test_what_is_said_anew_is_no_echo(recalled: Recalled, said: str) -> None:
    recalled.note("s1", [FACT])
    assert not recalled.is_echo(said)


def test_a_session_knows_what_it_was_shown_itself(recalled: Recalled) -> None:
    recalled.note("s1", [FACT])
    assert recalled.was_shown_in("s1", FACT)
    assert not recalled.was_shown_in("s2", FACT)


def test_nothing_shown_is_nothing_kept(recalled: Recalled) -> None:
    recalled.note("s1", ["", " \n", "..."])
    assert not recalled.is_echo("...")


@given(st.text(max_size=400))
def test_any_text_with_words_is_its_own_echo(text: str) -> None:
    class Kept:
        def __init__(self) -> None:
            self.hashes: set[str] = set()

        def note_shown(self, hashes: Sequence[str]) -> None:
            self.hashes.update(hashes)

        def was_shown(self, hashes: Sequence[str]) -> set[str]:
            return self.hashes.intersection(hashes)

    recalled = Recalled(Kept())
    recalled.note("s", [text])
    lines = [line for line in text.split("\n") if any(c.isalnum() for c in line)]
    assert all(recalled.is_echo(line) for line in lines if not any(c in line for c in ".!?"))
