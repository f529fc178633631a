"""How documents are cut: what stays together, and what a passage is called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path, PurePath

import pytest
from tokenizers import Tokenizer

from nexus.core.errors import InvalidInputError
from nexus.cortex.chunker import Chunk, ChunkSizes, Kind, chunk, kind_of


class Words:
    """A token is a run of letters and digits, or one other visible character."""

    def count(self, text: str) -> int:
        return len(self.spans(text))

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        return [m.span() for m in re.finditer(r"\w+|[^\w\s]", text)]


def cut(
    text: str, target: int = 60, minimum: int = 0, kind: Kind = "markdown", name: str = ""
) -> list[Chunk]:
    return chunk(text, kind, Words(), ChunkSizes(target, minimum), name=name)


def headings(text: str, minimum: int = 0) -> list[tuple[str, ...]]:
    return [c.heading for c in cut(text, minimum=minimum)]


BODY = "Some words that say what this part is about.\n"


def test_a_section_is_a_passage_with_its_heading_path() -> None:
    text = f"# Guide\n{BODY}\n## Install\n{BODY}\n### Linux\n{BODY}\n## Use\n{BODY}"
    assert headings(text) == [
        ("Guide",),
        ("Guide", "Install"),
        ("Guide", "Install", "Linux"),
        ("Guide", "Use"),
    ]
    assert [(c.start_line, c.end_line) for c in cut(text)] == [(1, 2), (4, 5), (7, 8), (10, 11)]


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("# Query Parameters { #query-parameters }", "Query Parameters"),
        ("## Closed ##", "Closed"),
        ("# Install `PyJWT` {#install .wide}", "Install `PyJWT`"),
        ("# [Linked](https://example.com) title", "Linked title"),
        ('# <a name="x"></a>Tagged', "Tagged"),
        ("Setext title\n============", "Setext title"),
        ("Setext *two*\n---", "Setext *two*"),
        ("   ### Indented", "Indented"),
        ("# C# and {braces}", "C# and {braces}"),
    ],
)
def test_heading_text_is_cleaned(line: str, title: str) -> None:
    assert headings(f"{line}\n\n{BODY}") == [(title,)]


@pytest.mark.parametrize(
    "hidden",
    [
        "```\n# not a heading\n```",
        "~~~~ sh\n# not a heading\n```\n~~~\n# neither\n~~~~",
        "<!--\n# not a heading\n-->",
        "    # indented code",
        "#no blank after it",
        "- item\n\n      # code in a list\n",
        "- item\n  ```\n# in the fence of a list\n  ```",
        "| a |\n|---|",
        "text\n\n---\n",
    ],
)
def test_what_looks_like_a_heading_and_is_none(hidden: str) -> None:
    assert set(headings(f"# Real\n{hidden}\n\n{BODY}")) == {("Real",)}


def test_front_matter_is_no_heading_and_stays_with_the_first_section() -> None:
    text = f"---\ntitle: x\nsummary: y\n---\n# Real\n{BODY}"
    assert headings(text, minimum=20) == [("Real",)]
    assert headings("+++\ntitle = 1\n+++\n# Real\nx", minimum=20) == [("Real",)]
    assert headings(f"---\n{BODY}# Real\nx", minimum=0)[-1] == ("Real",)


def test_a_side_note_with_a_heading_is_a_section_of_its_own() -> None:
    text = f"# Main\n{BODY}\n> ## Aside\n>\n> {BODY}\n{BODY}"
    assert headings(text) == [("Main",), ("Main", "Aside"), ("Main",)]


def test_anchors_and_comments_above_a_heading_go_with_it() -> None:
    text = f'# One\n{BODY}\n<!-- old link -->\n\n<a id="two"></a>\n\n## Two\n{BODY}'
    first, second = cut(text)
    assert second.text.startswith("<!-- old link -->")
    assert (first.heading, second.heading) == (("One",), ("One", "Two"))


def test_a_long_section_breaks_between_blocks_and_not_after_a_colon() -> None:
    paragraph = "word " * 20
    code = "```python\n" + "call(a, b)\n" * 4 + "```"
    text = f"# T\n\n{paragraph}\n\n{paragraph}\n\nFor example:\n\n{code}\n\n{paragraph}\n"
    chunks = cut(text, target=60)
    assert len(chunks) > 1
    assert [c for c in chunks if code in c.text], "the fence was cut"
    assert not [c for c in chunks if c.text.endswith(":")], "an introduction stands alone"
    assert chunks[0].text != "# T", "a heading stands alone"


def test_a_heading_keeps_the_first_sentences_of_a_long_paragraph() -> None:
    text = "# Title of it\n\n" + "Seven words are in this short sentence. " * 7
    chunks = cut(text, target=58)
    assert len(chunks) == 2
    assert chunks[0].text.startswith("# Title of it\n\nSeven words")


def test_a_long_list_breaks_between_its_items() -> None:
    text = "".join(f"- item {n} is explained\n  on a second line\n" for n in range(20))
    for piece in cut(text, target=40):
        assert piece.text.startswith("- item")
        assert piece.text.endswith("second line")


def test_a_long_paragraph_breaks_between_sentences() -> None:
    text = "This sentence has some words, e.g. these\nand more on a line. " * 10
    for piece in cut(text, target=40, kind="text"):
        assert piece.text.startswith("This")
        assert piece.text.endswith("line.")


def test_small_sections_join_a_neighbour_of_the_same_parent() -> None:
    text = "# FAQ\n\n## One\nshort\n\n## Two\nshort\n\n# Other\n" + BODY * 3
    assert headings(text, minimum=8) == [("FAQ",), ("Other",)]
    assert headings(text, minimum=0) == [("FAQ",), ("FAQ", "One"), ("FAQ", "Two"), ("Other",)]


def test_overlap_repeats_whole_words_inside_a_section_only() -> None:
    text = "# A\n" + " ".join(f"w{n}" for n in range(100)) + "\n# B\n" + BODY
    chunks = chunk(text, "markdown", Words(), ChunkSizes(40, 0, 10))
    inside = [c for c in chunks if c.heading == ("A",)]
    for before, after in pairwise(inside):
        repeated = [w for w in after.text.split() if w in before.text.split()]
        assert len(repeated) == 10
        assert after.text.split()[:10] == before.text.split()[-10:] == repeated
    assert chunks[-1].text.startswith("# B")
    assert all(c.tokens <= 40 for c in chunks)


def test_the_sizes_of_the_seed_are_possible() -> None:
    chunks = chunk("word " * 3000, "text", Words(), ChunkSizes(500, 50, 50))
    assert max(c.tokens for c in chunks) <= 500
    assert len(chunks) == 7


PYTHON = '''"""Doc."""
import os


def first(a):
    """# not a heading"""
    return os.fspath(a)


# About Second.
@decorated
class Second:
    field = 1

    def one(self):
        return "def fake():"

    # About two.
    async def two(self):
        return 2


if __name__ == "__main__":
    first(1)
'''


def test_python_is_cut_by_definition() -> None:
    chunks = cut(PYTHON, target=30, kind="code", name="m.py")
    found = {c.heading: c.text for c in chunks}
    assert list(found) == [
        (),
        ("first",),
        ("Second",),
        ("Second", "one"),
        ("Second", "two"),
    ]
    assert found["Second",].startswith("# About Second.\n@decorated\nclass Second:")
    assert found["Second", "two"].startswith("    # About two.\n    async def two")
    assert found[()].startswith("if __name__"), "what follows the last definition is not part of it"


def test_a_short_source_file_is_one_passage() -> None:
    assert [c.heading for c in cut(PYTHON, target=200, kind="code", name="m.py")] == [()]
    one = "import os\n\n\ndef only():\n    return os.getcwd()\n"
    assert [c.heading for c in cut(one, kind="code", name="m.py")] == [("only",)]


RUST = "/// Doc.\npub fn run() {{\n    {body}\n}}\n\nimpl Drop for Pool {{\n    {body}\n}}\n"
GO = "func main() {{\n\t{body}\n}}\n\nfunc (s *Server) Stop() {{\n\t{body}\n}}\n"
TYPESCRIPT = (
    "export const load = async (id: string) => {{\n  {body}\n}}\n\nexport class Box {{\n  {body}\n}}\n"
)
C = "static int add(int a, int b)\n{{\n    {body}\n}}\n\nvoid stop(void) {{\n    {body}\n}}\n"
TOML = "[tool.ruff]\nx = '{body}'\n\n[project]\ny = '{body}'\n"
BROKEN = "def one(:\n    {body}\n\ndef two():\n    {body}\n"


@pytest.mark.parametrize(
    ("name", "source", "symbols"),
    [
        ("a.rs", RUST, ["run", "Drop for Pool"]),
        ("a.go", GO, ["main", "Server > Stop"]),
        ("a.ts", TYPESCRIPT, ["load", "Box"]),
        ("a.c", C, ["add", "stop"]),
        ("a.toml", TOML, ["tool.ruff", "project"]),
        ("broken.py", BROKEN, ["one", "two"]),
    ],
)
def test_other_languages_and_broken_files_are_cut_by_definition(
    name: str, source: str, symbols: list[str]
) -> None:
    text = source.format(body="word " * 20)
    assert [c.heading for c in cut(text, target=40, kind="code", name=name)] == [
        tuple(s.split(" > ")) for s in symbols
    ]


@pytest.mark.parametrize(
    "text", ["(" * 100_000, "x = " + "-" * 50_000 + "1", "\0", "def f():\n\x0creturn\n", "'\\d'\n" * 9]
)
def test_source_that_the_grammar_cannot_take_is_cut_all_the_same(text: str) -> None:
    chunks = cut(text, target=40, kind="code", name="m.py")
    assert "".join("".join(c.text for c in chunks).split()) == "".join(text.split())


@pytest.mark.parametrize("text", ["", " \n\t", "\ufeff", "\r\n\r\n"])
def test_blank_text_has_no_passages(text: str) -> None:
    assert cut(text) == []


def test_a_byte_order_mark_hides_no_heading() -> None:
    assert cut("\ufeff# Title\nText")[0].text == "# Title\nText"
    assert headings("\ufeff# Title\nText") == [("Title",)]


class OneToken:
    """A tokenizer that takes any word, however long, for one unknown token."""

    def count(self, text: str) -> int:
        return len(text.split())

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        return [m.span() for m in re.finditer(r"\S+", text)]


def test_a_word_of_a_megabyte_is_still_cut() -> None:
    chunks = chunk("x" * 1_000_000, "text", OneToken(), ChunkSizes(100, 10))
    assert max(len(c.text) for c in chunks) <= 100 * 32
    assert sum(len(c.text) for c in chunks) == 1_000_000


def test_a_character_with_its_accents_is_not_taken_apart() -> None:
    for piece in cut("e\u0301" * 500, target=20, kind="text"):
        assert piece.text.startswith("e")


@pytest.mark.parametrize("sizes", [(0, 0, 0), (-1, 0, 0), (10, 11, 0), (10, -1, 0), (10, 0, 10), (10, 0, -1)])
def test_impossible_sizes_are_refused(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(InvalidInputError, match="chunk"):
        ChunkSizes(*sizes)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("README.md", "markdown"), ("a.MDX", "markdown"), ("a.py", "code"), ("Makefile", "code"),
        ("a.rs", "code"), ("x.toml", "code"), ("notes.txt", "text"), ("LICENSE", "text"), ("a.rst", "text"),
    ],
)  # fmt: skip
def test_the_name_says_how_a_file_is_cut(name: str, kind: str) -> None:
    assert kind_of(PurePath("some") / name) == kind


class Granite:
    """The tokenizer of the default embedder."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def count(self, text: str) -> int:
        return len(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def spans(self, text: str) -> Sequence[tuple[int, int]]:
        offsets: list[tuple[int, int]] = self.tokenizer.encode(text, add_special_tokens=False).offsets
        return offsets


def test_the_real_tokenizer_never_counts_more_than_the_target(granite_folder: Path) -> None:
    counter = Granite(granite_folder)
    part = "## Part\n\nSome *words*, `code_with(a=1)`, \U0001f600.\n\n```py\n    x  =  {'a':   1}\n```\n\n"
    text = "# T\n\n" + part * 60 + "\u4f60\u597d\u3002" * 400 + " \t " * 300 + "\nqwxzj" * 500
    for sizes in (ChunkSizes(), ChunkSizes(30, 10, 5)):
        chunks = chunk(text, "markdown", counter, sizes)
        assert max(c.tokens for c in chunks) <= sizes.target
        assert [c.tokens for c in chunks] == [counter.count(c.text) for c in chunks]
        if not sizes.overlap:
            assert "".join("".join(c.text for c in chunks).split()) == "".join(text.split())


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("kind", ["code", "text", "markdown"])
def test_very_many_small_lines_are_joined_and_none_is_lost(kind: Kind, end: str) -> None:
    rows = ["x", "  }", "", "y = 1", " \t", "end", "word " * 90, "- item", "x" * 300]
    text = end.join(rows[number * number % 9] for number in range(6000))
    chunks = cut(text, target=40, minimum=10, kind=kind, name="a.lua")
    assert "".join("".join(c.text for c in chunks).split()) == "".join(text.split())
    assert max(c.tokens for c in chunks) <= 40
    assert [c.start_line for c in chunks] == sorted(c.start_line for c in chunks)
