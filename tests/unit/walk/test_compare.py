"""What a page shows against what came: what may differ, and what may not."""

from __future__ import annotations

import pytest
from scripts.walk.compare import Places, malformed, missing, seen

PLACES = Places("/srv/walk/home-a", "/srv/walk/nexusos", 41234)

ANSWER = """\
It is a ticket. [2]

Sources
  [1] /srv/walk/nexusos/docs/a.md  A > B  (lines 3-9)
  [2] memory MEM-2027-01-31-004-0b71dbad
      a ticket is needed
"""


@pytest.mark.parametrize(
    ("shown", "came"),
    [
        ("155 added; 3206 chunks embedded", "\x1b[1m3 added\x1b[0m; 41 chunks embedded\r\n"),
        ("MEM-2026-11-20-001-24af02a8  x", "MEM-2027-01-31-004-0b71dbad  x"),
        (
            "ready at http://127.0.0.1:8000, process 9, up 3 s",
            "ready at http://127.0.0.1:41234, process 77, up 0.4 s",
        ),
        ("/home/you/nexusos/docs/a.md  (lines 1-2)", "/srv/walk/nexusos/docs/a.md (lines 30-42)"),
        ("~/notes", "/srv/walk/home-a/notes"),
        ("01 a.md  02 b.md", "01 a.md   02 b.md"),
        ("done", "bar 10 %\rbar 90 %\rdone\r\n"),
        ("...", "anything"),
    ],
)
def test_what_may_differ(shown: str, came: str) -> None:
    assert missing([shown], came, PLACES) == []


@pytest.mark.parametrize(
    ("shown", "came"),
    [
        ("45", "46"),
        ("listens on port 6543", "listens on port 6544"),
        ("hello, you", "hello, world"),
        ("sound: 12 points", "not sound: 12 points"),
        ("12.5 GB free", "free"),
        ("[0 1 2]", "[0 1 3]"),
    ],
)
def test_what_may_not(shown: str, came: str) -> None:
    assert missing([shown], came, PLACES) == [shown]


def test_lines_come_in_the_order_shown_and_others_may_come_between() -> None:
    assert missing(["a", "b"], "a\nx\nb\n", PLACES) == []
    assert missing(["b", "a"], "a\nx\nb\n", PLACES) == ["a"]
    assert missing(["a", "a"], "a\n", PLACES) == ["a"]


def test_an_answer_needs_words_and_sources_of_the_kind_that_is_shown() -> None:
    shown = [
        "Any words.",
        "",
        "Sources",
        "  [1] memory MEM-2026-11-20-001-24af02a8",
        "      a ticket is needed",
    ]
    assert malformed(shown, ANSWER, PLACES) == ""
    page = ["Words", "Sources", "  [1] /home/you/nexusos/docs/a.md  A > B  (lines 60-72)"]
    assert malformed(page, ANSWER, PLACES) == ""
    assert "docs/b.md" in malformed([page[2].replace("a.md", "b.md")], ANSWER, PLACES)
    assert "no line 'Sources'" in malformed(shown, "It is a ticket.\n", PLACES)
    assert "no answer" in malformed(shown, ANSWER.partition("\n")[2], PLACES)


def test_a_line_is_what_the_terminal_shows_at_its_end() -> None:
    assert seen("\x1b[32mok\x1b[0m\r\na\rb\r\n") == ["ok", "b", ""]
