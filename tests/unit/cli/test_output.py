"""What the terminal is given: foreign text cannot steer it, and places are named by kind."""

from __future__ import annotations

import pytest

from nexus.cli import output


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\n\ttext", "plain\n\ttext"),
        ("red \x1b[31m", "red \\x1b[31m"),
        ("\x9b2J\x07\r", "\\x9b2J\\x07\\x0d"),
        ("abc\u202edef\u2066", "abc\\u202edef\\u2066"),
        ("half \ud800", "half \\ud800"),
        ("naïve שלום 日本 👩‍💻", "naïve שלום 日本 👩‍💻"),
    ],
)
def test_control_characters_are_spelled_out(text: str, shown: str) -> None:
    assert output.harmless(text) == shown


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ({"kind": "memory", "path": "/m/MEM-1.md"}, "memory MEM-1"),
        ({"kind": "document", "heading": ["A", "B"]}, "/d/a.md  A > B  (lines 3-5)"),
        ({"kind": "document"}, "/d/a.md  (lines 3-5)"),
        (
            {"kind": "transcript", "title": "Ports", "said": "2026-11-20T06:05:11Z"},
            "session /d/a.md  Ports  (lines 3-5, said 2026-11-20 06:05)",
        ),
        ({"kind": "document", "heading": ["\x1b[2J"]}, "/d/a.md  \\x1b[2J  (lines 3-5)"),
    ],
)
def test_a_source_is_named_by_what_it_is(source: dict[str, object], place: str) -> None:
    assert output.place({"path": "/d/a.md", "heading": [], "lines": [3, 5], **source}) == place
