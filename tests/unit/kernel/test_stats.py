"""The text of agent memory's figures: one reader for the broker's and the kernel's."""

from __future__ import annotations

import pytest
from scripts.kernel import stats
from scripts.kernel.stats import Agent, FormatError

HEADINGS = "    PID STATE   IMPORTANCE     UNITS        LOGICAL         SHARED        PRIVATE  REALM/AGENT"


def text(**changes: str) -> str:
    """A text as it should be, but for these figures."""
    figures = dict.fromkeys(stats.documented(), "0")
    figures |= {"LogicalBytes": "10", "StoredBytes": "6", "HotBytes": "4", "WarmBytes": "2", "Ratio": "1.67"}
    figures |= changes
    return "".join(f"{key:14} {value}\n" for key, value in figures.items()) + f"\n{HEADINGS}\n"


def test_the_page_names_what_there_is_with_the_ratio_last() -> None:
    names = stats.documented()
    assert names[:3] == ["Agents", "Realms", "Units"]
    assert names[-1] == "Ratio"
    assert len(names) == len(set(names)) > 15


def test_a_text_is_read_with_its_agents() -> None:
    line = f"{12:7} {'paused':7} {50:10} {3:9} {10:14} {4:14} {6:14}  realm/one of them\n"
    figures = stats.parse(text() + line)
    assert figures.totals["StoredBytes"] == 6
    assert figures.agents == [Agent(12, "paused", 50, 3, 10, 4, 6, "realm/one of them")]
    assert stats.differences(text() + line) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"Ratio": "1.5"}, "not a line"),
        ({"Units": "-1"}, "not a line"),
        ({"Ratio": "1.50"}, "Ratio is 1.5"),
        ({"HotBytes": "5"}, "add up"),
        ({"Evictions": "3"}, "names"),
    ],
)
def test_what_differs_is_told(change: dict[str, str], told: str) -> None:
    assert told in stats.differences(text(**change))[0]


def test_names_in_another_order_or_missing_are_told() -> None:
    lines = text().splitlines(keepends=True)
    assert "names" in stats.differences("".join([lines[1], lines[0], *lines[2:]]))[0]
    assert "names" in stats.differences("".join(lines[1:]))[0]


def test_an_agent_of_an_unknown_state_is_no_agent() -> None:
    with pytest.raises(FormatError):
        stats.parse(text() + " 12 asleep 50 3 10 4 6 realm/a\n")


def test_what_a_guest_marked_is_found_on_its_serial_line() -> None:
    lines = ["[ 1.0] agent_stats| Agents 1", "other", "agent_stats| Units 2"]
    assert stats.marked(lines) == "Agents 1\nUnits 2\n"
