"""What `python3 -m scripts.walk` needs of the pages; the walk itself is tests/system/test_newcomer.py."""

from __future__ import annotations

import re

import pytest
from scripts.walk.__main__ import pages
from scripts.walk.newcomer import READERS
from scripts.walk.page import Command, blocks

from tests.docs.markdown import ROOT


def commands() -> list[Command]:
    """All commands of README and the guides; a comment that fits none is an error here already."""
    return [command for path, name in pages([]) for block in blocks(path, name) for command in block.commands]


def test_every_guide_is_walked() -> None:
    assert {path for path, _ in pages([])} == {ROOT / "README.md", *(ROOT / "docs" / "guides").glob("*.md")}
    assert len([command for command in commands() if not command.needs]) > 100


def test_no_guide_has_a_reader_end_processes_by_a_part_of_their_name() -> None:
    # That ends other people's, too: another NEXUS_HOME's, an editor that has the word in its title.
    assert [str(c.place) for c in commands() if re.search(r"\b(pkill|killall|pgrep -f)\b", c.text)] == []


def test_no_guide_puts_the_home_between_quotes() -> None:
    # The shell does not expand it there.
    assert [str(c.place) for c in commands() if re.search(r"""["']~/""", c.text)] == []


def test_the_readers_folders_are_those_that_the_guides_name() -> None:
    text = "\n".join(command.text for command in commands())
    folders = [path.name for path in READERS.iterdir() if path.name[0] != "."]
    missing = [name for name in folders if f"~/{name}" not in text]
    assert missing == []


def test_an_unknown_page_is_refused() -> None:
    with pytest.raises(SystemExit, match=r"no such page .*: absent"):
        pages(["absent"])
