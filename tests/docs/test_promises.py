"""SPEC.md: each promise names the test or bench that holds it, or says that it does not hold yet.

A promise is a table row, list item or heading that begins with its number (S1, S2, ...) and reaches
to the next one. The decisions in docs/decisions are numbered and listed.
"""

from __future__ import annotations

import re

import pytest

from tests.docs.markdown import ROOT

_NUMBER = re.compile(r"^\s*(?:\|\s*|[-*]\s+|#+\s+)?\**`?(S\d+)\b", re.MULTILINE)
_HOLDER = re.compile(r"`((?:tests|bench)/[\w./-]+)(?:::(\w+))?`")


def promises(text: str) -> list[tuple[str, str]]:
    """(number, text) of every promise."""
    starts = list(_NUMBER.finditer(text))
    ends = [match.start() for match in starts[1:]] + [len(text)]
    return [(match[1], text[match.start() : end]) for match, end in zip(starts, ends, strict=True)]


def unheld(number: str, text: str) -> str:
    """Why nothing holds the promise; empty where something does or it is marked [not yet]."""
    holders = _HOLDER.findall(text)
    for path, name in holders:
        file = ROOT / path
        if not file.exists():
            return f"{number}: {path} does not exist"
        if name and f"def {name}(" not in file.read_text(encoding="utf-8"):
            return f"{number}: {path} has no {name}"
    return "" if holders or "[not yet]" in text else f"{number}: names no test and no bench"


def test_every_promise_is_held() -> None:
    found = promises((ROOT / "SPEC.md").read_text(encoding="utf-8"))
    assert found
    assert [reason for number, text in found if (reason := unheld(number, text))] == []


def test_promises_are_numbered_once() -> None:
    numbers = [number for number, _ in promises((ROOT / "SPEC.md").read_text(encoding="utf-8"))]
    assert len(numbers) == len(set(numbers))


def test_decisions_are_numbered_and_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    names = sorted(path.name for path in folder.glob("*.md") if path.name != "README.md")
    assert names
    assert [name for name in names if not re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", name)] == []
    assert len({name[:4] for name in names}) == len(names)
    listed = (folder / "README.md").read_text(encoding="utf-8")
    assert [name for name in names if f"({name})" not in listed] == []


@pytest.mark.parametrize(
    "text",
    [
        "| S1 | fast | |",
        "| S1 | fast | `bench/absent.py` |",
        "- **S1** fast: `tests/docs/test_promises.py::test_absent`",
    ],
)
def test_an_unheld_promise_is_caught(text: str) -> None:
    [(number, body)] = promises(text)
    assert unheld(number, body)


def test_held_and_honest_promises_pass() -> None:
    text = "# S\n| S1 | a | `tests/docs/test_promises.py` |\n| S2 | b | [not yet] |\n"
    assert [unheld(number, body) for number, body in promises(text)] == ["", ""]
