"""Pages that show other files: what a line names, and what is put in its place."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.cortex import includes
from nexus.cortex.includes import MOST_CHARACTERS, MOST_REFERENCES, Reference, expanded, part_of, reference
from nexus.cortex.outline import line_spans

LISTING = """# ANCHOR: all
import app

# ANCHOR: route
@app.get("/users/me")
def me(): ...
# ANCHOR_END: route

app.run()
# ANCHOR_END: all
"""


def shown(page: str, files: Mapping[str, str]) -> str:
    return expanded(page, files.get).text


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("{{#include listing.rs}}", Reference("listing.rs")),
        ("  {{#rustdoc_include ../listings/a/main.rs:here}}", Reference("../listings/a/main.rs", "here")),
        ("{{#include a.rs:5:9}}", Reference("a.rs", "5:9")),
        ("{{#include a.rs::9}}", Reference("a.rs", ":9")),
        ("{{#playground a.rs editable}}", Reference("a.rs")),
        ('--8<-- "snippets/a.py:4:6"', Reference("snippets/a.py", "4:6")),
        ("--8<-- 'a.py:func'", Reference("a.py", "func")),
        ("{!> ../../docs_src/first.py !}", Reference("../../docs_src/first.py")),
        ("{!a.md!}", Reference("a.md")),
        ("{* ../../docs_src/a_py310.py *}", Reference("../../docs_src/a_py310.py")),
        ("{* a.py ln[5:9] hl[7,9] *}", Reference("a.py", "5:9")),
        ("{* a.py hl[1,3:4] title[\"main\"] *}", Reference("a.py")),
    ],
)  # fmt: skip
def test_a_line_that_shows_a_file_is_known(line: str, named: Reference) -> None:
    assert reference(line) == named


@pytest.mark.parametrize(
    "line",
    [
        "",
        "See {{#include a.rs}} for more.",
        "\\{{#include a.rs}}",
        "{{ variable }}",
        "{% include 'a.html' %}",
        ';--8<-- "a.py"',
        "--8<--",
        "---",
        "{*bold*} and more",
        '--8<-- "https://example.com/a.py"',
        "{" * 5000,
    ],
)
def test_any_other_line_is_not(line: str) -> None:
    assert reference(line) is None


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("", 'import app\n\n@app.get("/users/me")\ndef me(): ...\n\napp.run()'),
        ("route", '@app.get("/users/me")\ndef me(): ...'),
        ("2", "import app"),
        ("9:", "app.run()"),
        (":2", "import app"),
        ("2,5:6", 'import app\n@app.get("/users/me")\ndef me(): ...'),
        ("absent", None),
        ("99", None),
        ("6:5", None),
        ("0", None),
        (":", None),
        ("1:2:3", None),
        ("../x", None),
    ],
)
def test_a_part_is_an_anchor_or_lines_and_has_no_marks(part: str, expected: str | None) -> None:
    assert part_of(LISTING, part) == expected


def test_a_section_of_a_snippet_is_a_part() -> None:
    assert part_of("a\n# --8<-- [start:one]\nb\n# --8<-- [end:one]\nc\n", "one") == "b"


def test_a_listing_becomes_a_fence_and_every_line_knows_its_own() -> None:
    page = "# Order\n\nFirst this:\n\n{* a.py *}\n\nThen that.\n"
    found = expanded(page, {"a.py": "x = 1\ny = 2\n"}.get)
    assert found.text == "# Order\n\nFirst this:\n\n```py\nx = 1\ny = 2\n```\n\nThen that.\n"
    assert found.lines == [1, 2, 3, 4, 5, 5, 5, 5, 6, 7, 8]


def test_within_a_fence_nothing_but_the_lines_is_put_in() -> None:
    page = "```rust\n{{#include a.rs}}\n```\n{{#include b.md}}\n"
    assert (
        shown(page, {"a.rs": "fn main() {}\n", "b.md": "Prose.\n"}) == "```rust\nfn main() {}\n```\nProse.\n"
    )


def test_the_margin_of_a_line_is_that_of_what_it_shows() -> None:
    assert shown("- item\n\n    {* a.py *}", {"a.py": "x"}) == "- item\n\n    ```py\n    x\n    ```"


def test_a_listing_with_fences_gets_a_longer_one_and_breaks_none_open() -> None:
    listing = "````\n# no heading\n````"
    assert shown("{* a.py *}", {"a.py": listing}) == f"`````py\n{listing}\n`````"
    page = "```\n{{#include a.py}}\n```"
    assert shown(page, {"a.py": listing}) == page


def test_what_is_not_there_stays_named() -> None:
    page = "{* a.py *}\n{{#include b.rs:absent}}\n{* long.py *}"
    assert shown(page, {"b.rs": "x", "long.py": "x" * (MOST_CHARACTERS + 1)}) == page


def test_what_is_put_in_is_not_looked_through_again() -> None:
    files = {"a.md": "{{#include a.md}}\n{{#include b.md}}", "b.md": "b"}
    assert shown("{{#include a.md}}", files) == files["a.md"]


def test_a_page_of_nothing_but_references_stays_within_bounds() -> None:
    asked: list[str] = []

    def find(path: str) -> str:
        asked.append(path)
        return "x" * MOST_CHARACTERS

    page = "{* a.py *}\n" * (2 * MOST_REFERENCES)
    found = expanded(page, find)
    assert len(asked) == MOST_REFERENCES
    assert len(page) < len(found.text) <= len(page) + includes.MOST_ADDED


def test_a_path_is_looked_for_beside_the_page_and_in_the_folders_above() -> None:
    page = "/docs/en/docs/tutorial/path.md"
    assert includes.candidates("../../docs_src/a.py", page, "/docs") == [
        "/docs/en/docs_src/a.py",
        "/docs/en/docs/tutorial/docs_src/a.py",
        "/docs/en/docs/docs_src/a.py",
        "/docs/docs_src/a.py",
    ]
    assert includes.candidates("a.py", page, "/docs/en/docs/tutorial") == ["/docs/en/docs/tutorial/a.py"]


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "~/.ssh/id_rsa", "../../../../etc/passwd", "..", "\\\\host\\a", "https://a/b", "path.md"],
)
def test_no_path_leaves_the_folder_or_names_the_page_itself(path: str) -> None:
    found = includes.candidates(path, "/docs/en/path.md", "/docs")
    assert all(
        name.startswith("/docs/") and ".." not in name and name != "/docs/en/path.md" for name in found
    )


_LINES = st.sampled_from(
    [
        "{{#include a.rs}}", "{{#include a.rs:here}}", "{* a.rs ln[1:2] *}", "  {!b.md!}", '--8<-- "b.md:1"',
        "```", "~~~~", "# Title", "words", "", "{{#include gone}}", "\u2028", "- {* a.rs *}",
    ]
)  # fmt: skip
_TEXTS = st.one_of(
    st.builds(
        lambda lines, end: end.join(lines),
        st.lists(_LINES, max_size=30),
        st.sampled_from(["\n", "\r\n", "\r"]),
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
)


@given(_TEXTS, _TEXTS, _TEXTS)
def test_every_line_of_any_page_is_accounted_for(page: str, one: str, other: str) -> None:
    found = expanded(page, {"a.rs": one, "b.md": other}.get)
    own = [page[start:end] for start, end in line_spans(page)]
    got = [found.text[start:end] for start, end in line_spans(found.text)]
    assert len(got) == len(found.lines)
    assert list(found.lines) == sorted(found.lines)
    assert sorted(set(found.lines)) == list(range(1, len(own) + 1))
    alone = [number for number in found.lines if found.lines.count(number) == 1]
    kept = [number for number in alone if reference(own[number - 1]) is None]
    assert [got[found.lines.index(number)] for number in kept] == [own[number - 1] for number in kept]


@given(st.text(max_size=300), st.text(max_size=20))
def test_any_line_and_part_is_read(line: str, part: str) -> None:
    named = reference(line)
    assert named is None or named.path
    taken = part_of(line, part)
    assert taken is None or set(taken.split("\n")) <= {line[start:end] for start, end in line_spans(line)}
