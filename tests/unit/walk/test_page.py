"""A page as it is typed: what is a command, what is shown below it, what the comments say."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripts.walk.page import ROOTS, Command, PageError, blocks

PAGE = """\
Words.

<!-- walk: `nexus connect` is answered `y` -->
<!-- walk: `claude` needs a login -->
```console
$ nexus connect claude
shown

shown too
$ claude -p "x" \\
    --more
# insmod x.ko
```

```python
$ no command
```

<!-- walk: given
mkdir a
cd a
-->
```sh
one
two | three
```
"""


def commands(tmp_path: Path, text: str) -> list[Command]:
    page = tmp_path / "page.md"
    page.write_text(text)
    return [command for block in blocks(page, "page.md") for command in block.commands]


def test_commands_with_what_is_shown_and_what_the_comments_say(tmp_path: Path) -> None:
    found = commands(tmp_path, PAGE)
    assert [command.text for command in found] == [
        "nexus connect claude",
        'claude -p "x" \\\n    --more',
        "insmod x.ko",
        "one",
        "two | three",
    ]
    assert found[0].shown == ["shown", "", "shown too"]
    assert [command.answer for command in found] == ["y", "", "", "", ""]
    assert [command.needs for command in found] == ["", "a login", ROOTS, "", ""]
    assert found[0].place == "page.md:6"


def test_what_a_block_is_given_is_typed_before_it(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    assert [block.given for block in blocks(page, "page.md")] == [[], ["mkdir a\ncd a"]]


@pytest.mark.parametrize(
    ("comment", "field", "value"),
    [
        ("needs root", "needs", "root"),
        ("`a b` needs a disk", "needs", "a disk"),
        ("`a` is long: an hour", "long", "an hour"),
        ("`a b c` runs until Ctrl-C", "endless", True),
        ("`a` is repeated until it shows this", "repeated", True),
        ("`a` exits 3", "status", 3),
        ("`c` stands for `$(pwd)`", "text", "a b $(pwd)"),
    ],
)
def test_a_comment_says_how_it_is_typed(tmp_path: Path, comment: str, field: str, value: object) -> None:
    found = commands(tmp_path, f"<!-- walk: {comment} -->\n```console\n$ a b c\n```\n")
    assert getattr(found[0], field) == value


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("<!-- walk: `x` needs root -->\n```console\n$ a\n```\n", "fits no command"),
        ("<!-- walk: `a` is odd -->\n```console\n$ a\n```\n", "no form that is known"),
        ("<!-- walk: needs root -->\nwords\n", "above no console block"),
        ("<!-- walk: needs root -->\n", "above no console block"),
        ("<!-- walk: needs root\n```console\n$ a\n```\n", "has no end"),
        ("```console\nshown\n$ a\n```\n", "without a command"),
    ],
)
def test_a_comment_or_block_that_fits_nothing_is_an_error(tmp_path: Path, page: str, words: str) -> None:
    with pytest.raises(PageError, match=words):
        commands(tmp_path, page)
