"""Sessions as passages: what shares one, what stands around it, and what stays when a file grows."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.core.errors import InvalidInputError
from nexus.cortex.transcripts.transcript import Role, Transcript, Turn
from nexus.cortex.transcripts.turns import TurnChunk, TurnSizes, turn_chunks


class Words:
    """A token is a run of letters and digits, or one other visible character."""

    def count(self, text: str) -> int:
        return len(self.spans(text))

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        return [m.span() for m in re.finditer(r"\w+|[^\w\s]", text)]


SIZES = TurnSizes(64, 24)
_SPEAKERS: dict[str, Role] = {"User": "user", "Agent": "assistant", "Bash": "tool", "Bash output": "tool"}


def cut(
    *said: tuple[str, str], sizes: TurnSizes = SIZES, time: str = "2025-03-03T10:00:00Z"
) -> list[TurnChunk]:
    turns = tuple(
        Turn(_SPEAKERS.get(speaker, "user"), speaker, text, time, 10 * number)
        for number, (speaker, text) in enumerate(said, 1)
    )
    return turn_chunks(Transcript("c", "s", "", time, "", turns), Words(), sizes)


LONG = "The staging database of the shop listens on port 6543 behind the proxy. " * 4


def test_what_people_say_stands_alone_with_what_was_said_before() -> None:
    first, second = cut(("Ann", "Where do we meet on Friday?"), ("Bob", "At the harbour, at seven."))
    assert first.text == "Ann: Where do we meet on Friday?"
    assert first.context == "[Monday 3 March 2025]"
    assert second.text == "Bob: At the harbour, at seven."
    assert second.context == "[Monday 3 March 2025] Ann: Where do we meet on Friday?"
    assert (second.speaker, second.said) == ("Bob", "2025-03-03T10:00:00Z")
    assert (second.start_line, second.end_line) == (20, 20)
    assert second.tokens == Words().count(second.text)


def test_the_steps_of_an_agent_share_a_passage_and_its_answer_does_not() -> None:
    chunks = cut(
        ("User", "Which port does staging use?"),
        ("Agent", "I look."),
        ("Bash", "ss -ltn"),
        ("Bash output", "LISTEN 6543"),
        ("Agent", LONG),
        ("User", "Write it down please, somewhere safe."),
    )
    assert [chunk.text.split(":")[0] for chunk in chunks] == ["User", "Agent", "Agent", "User"]
    assert chunks[1].text == "Agent: I look.\nBash: ss -ltn\nBash output: LISTEN 6543"
    assert (chunks[1].start_line, chunks[1].end_line, chunks[1].speaker) == (20, 40, "Agent")


def test_a_short_yes_goes_with_what_it_set_going() -> None:
    chunks = cut(
        ("Agent", LONG), ("User", "yes, go on"), ("Agent", "I look."), ("User", "ok"), ("User", "Stop.")
    )
    assert [chunk.text for chunk in chunks[1:]] == [
        "User: yes, go on\nAgent: I look.",
        "User: ok",
        "User: Stop.",
    ]


def test_a_later_step_knows_the_request_and_the_last_words() -> None:
    chunks = cut(
        ("User", "Which port does staging use?"), ("Agent", LONG), ("Agent", LONG), sizes=TurnSizes(90, 40)
    )
    assert "User: Which port does staging use?" in chunks[2].context
    assert "Agent: The staging database" in chunks[2].context


def test_a_long_turn_is_cut_and_every_part_says_who_and_about_what() -> None:
    body = "\n\n".join(f"## Part {number}\n\n{LONG}" for number in range(4))
    chunks = cut(("User", "Explain it all to me."), ("Agent", body))
    parts = chunks[1:]
    assert len(parts) > 3
    assert all(chunk.text.startswith("Agent: ") for chunk in parts)
    assert parts[0].context.endswith("User: Explain it all to me.")
    assert "Agent: ## Part 0" in parts[-1].context
    assert parts[-1].heading == ("Part 3",)


def test_no_time_no_day() -> None:
    first, second = cut(("Ann", "Where do we meet on Friday?"), ("Bob", "At the harbour, at seven."), time="")
    assert first.context == ""
    assert second.context == "Ann: Where do we meet on Friday?"


def test_sizes_fit_the_embedder() -> None:
    assert TurnSizes.fitting(512) == TurnSizes(220, 72)
    small = TurnSizes.fitting(256)
    assert small.target + small.context <= 254
    with pytest.raises(InvalidInputError, match="target=10"):
        TurnSizes(10, 10)


_TEXTS = st.one_of(
    st.sampled_from(
        ["ok", "yes, go on", LONG, LONG * 3, "x" * 3000, "你好。再见。" * 60, "- a\n- b\n\n# T\n\nz"]
    ),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=200).filter(str.strip),
)
_TALKS = st.lists(st.tuples(st.sampled_from(sorted(_SPEAKERS)), _TEXTS), max_size=14)


@given(_TALKS)
def test_nothing_said_is_lost_and_all_sizes_hold(talk: list[tuple[str, str]]) -> None:
    chunks = cut(*talk)
    said = "".join("".join(text.split()) for _, text in talk)
    shown = "".join("".join(chunk.text.split()) for chunk in chunks)
    for speaker in ("Bashoutput:", "User:", "Agent:", "Bash:"):
        said, shown = said.replace(speaker, ""), shown.replace(speaker, "")
    assert shown == said
    for chunk in chunks:
        assert chunk.tokens == Words().count(chunk.text) <= SIZES.target
        assert Words().count(chunk.context) <= SIZES.context
        assert chunk.start_line <= chunk.end_line


@given(_TALKS, st.integers(0, 14))
def test_what_was_cut_stays_when_more_is_said(talk: list[tuple[str, str]], known: int) -> None:
    before, after = cut(*talk[:known]), cut(*talk)
    assert before[:-1] == after[: len(before) - 1 if before else 0]
